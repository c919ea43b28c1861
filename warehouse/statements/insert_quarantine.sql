-- Set a session aside, unless the same trouble with the same file is recorded already.
INSERT INTO quarantine (
    quarantine_id, night, source_uri, content_sha256, session_id, patient_id, reason, message, first_seen_at, run_id
)
SELECT
    $quarantine_id, $night, $source_uri, $content_sha256, $session_id, $patient_id, $reason, $message, now(), $run_id
WHERE NOT EXISTS (FROM quarantine WHERE quarantine_id = $quarantine_id)
