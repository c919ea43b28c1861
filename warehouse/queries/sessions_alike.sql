-- Stored sessions with one of these identifiers or one of these contents.
SELECT session_id, content_sha256, patient_id, started_at
FROM sessions
WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
    OR content_sha256 IN (SELECT unnest(CAST($contents AS VARCHAR[])))
