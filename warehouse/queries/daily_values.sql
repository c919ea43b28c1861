-- What is kept of the days of some patients up to a day, by one bundle with one set of options, by patient and day.
SELECT patient_id, session_date, sessions, measure, value
FROM daily_values
WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
    AND session_date <= $until
    AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
ORDER BY patient_id, session_date, measure
