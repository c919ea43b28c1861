-- What is set aside without a patient, by its path in the source.
SELECT DISTINCT source_uri
FROM quarantine
WHERE patient_id IS NULL
ORDER BY source_uri
