-- Stored sessions with this identifier or this content, the former first, and whether the rest agrees.
SELECT
    session_id,
    content_sha256 = $content_sha256 AS same_video,
    patient_id = $patient_id AS same_patient,
    started_at = $started_at AS same_start
FROM sessions
WHERE session_id = $session_id OR content_sha256 = $content_sha256
ORDER BY session_id <> $session_id
