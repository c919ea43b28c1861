-- The newest entry of the audit log, by number and hash.
SELECT entries, sha256
FROM audit_head
