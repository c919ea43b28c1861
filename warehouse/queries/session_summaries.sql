-- Summaries of a patient's sessions within a range of days, by one bundle with one set of options, in order of time.
SELECT *
FROM session_summary
WHERE patient_id = $patient_id
    AND session_date BETWEEN coalesce($since, '-infinity'::DATE) AND $until
    AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
ORDER BY started_at, session_id
