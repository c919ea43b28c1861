-- Summaries of all sessions of a day, by one bundle with one set of options, by patient and time.
SELECT *
FROM session_summary
WHERE session_date = $night AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
ORDER BY patient_id, started_at, session_id
