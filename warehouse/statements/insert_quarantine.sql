-- Set a session aside, unless the same trouble with the same file is recorded already.
INSERT INTO quarantine (
    quarantine_id, night, source_uri, content_sha256, session_id, patient_id, reason, message, first_seen_at, run_id
)
VALUES (
    $quarantine_id, $night, $source_uri, $content_sha256, $session_id, $patient_id, $reason, $message, now(), $run_id
)
ON CONFLICT DO NOTHING
RETURNING quarantine_id
