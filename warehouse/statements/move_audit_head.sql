-- Move the head of the audit log to its newest entry.
UPDATE audit_head
SET entries = $entry, sha256 = $sha256
WHERE entries = $entries_before AND sha256 = $sha256_before
