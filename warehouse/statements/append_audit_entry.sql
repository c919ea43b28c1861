-- Append an entry to the audit log.
INSERT INTO audit_log (
    entry, recorded_at, account, actor, action, object_id, subject, details, previous_sha256, sha256
)
VALUES (
    $entry, $recorded_at, $account, $actor, $action, $object_id, $subject, $details, $previous_sha256, $sha256
)
