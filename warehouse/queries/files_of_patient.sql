-- The videos of a patient, stored or set aside: the hash of each, NULL if it was not read, and where it was.
SELECT content_sha256, source_uri
FROM sessions
WHERE patient_id = $patient_id
UNION
SELECT content_sha256, source_uri
FROM quarantine
WHERE patient_id = $patient_id
ORDER BY source_uri
