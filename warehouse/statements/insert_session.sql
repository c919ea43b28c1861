-- Store a session, unless another bundle or other options scored it before.
INSERT INTO sessions (
    session_id, patient_id, session_date, started_at, utc_offset_s, source_uri, content_sha256, consent, stored_at
)
SELECT
    $session_id, $patient_id, $session_date, $started_at, $utc_offset_s, $source_uri, $content_sha256, $consent, now()
WHERE NOT EXISTS (FROM sessions WHERE session_id = $session_id)
