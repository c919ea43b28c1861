-- Patients with sessions before a day and since, by the bundle and the options that scored them.
SELECT bundle_id, options_sha256, list(patient_id ORDER BY patient_id) AS patient_ids
FROM (
    SELECT bundle_id, options_sha256, patient_id
    FROM sessions
    JOIN scorings USING (session_id)
    GROUP BY bundle_id, options_sha256, patient_id
    HAVING min(session_date) < $day AND max(session_date) >= $day
)
GROUP BY bundle_id, options_sha256
ORDER BY bundle_id, options_sha256
