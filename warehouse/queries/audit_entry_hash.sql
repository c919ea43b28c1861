-- The hash of one entry of the audit log.
SELECT sha256
FROM audit_log
WHERE entry = $entry
