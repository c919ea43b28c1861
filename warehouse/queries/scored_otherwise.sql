-- The last day before a date on which a patient's sessions were scored with another bundle or other options; no row if none.
SELECT max(session_date) AS last_date
FROM sessions
JOIN scorings USING (session_id)
WHERE patient_id = $patient_id AND session_date < $before
    AND (bundle_id <> $bundle_id OR options_sha256 <> $options_sha256)
HAVING count(*) > 0
