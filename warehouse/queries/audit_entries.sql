-- The audit log in order, times as microseconds since 1970.
SELECT
    entry, epoch_us(recorded_at) AS recorded_us, account, actor, action, object_id, subject,
    CAST(details AS VARCHAR) AS details, previous_sha256, sha256
FROM audit_log
ORDER BY entry
