-- Summaries of the sessions of some patients up to a day, by one bundle with one set of options, by patient and time.
SELECT *
FROM session_summary
WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
    AND session_date <= $until
    AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
ORDER BY patient_id, started_at, session_id
