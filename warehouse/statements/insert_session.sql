-- Store a session, unless another bundle or other options scored it before.
INSERT INTO sessions (
    session_id, patient_id, session_date, started_at, utc_offset_s, source_uri, content_sha256, consent, stored_at
)
VALUES (
    $session_id, $patient_id, $session_date, $started_at, $utc_offset_s, $source_uri, $content_sha256, $consent, now()
)
ON CONFLICT (session_id) DO NOTHING
