-- What is set aside of a day, of one patient or (NULL) of all and of nobody known.
SELECT *
FROM quarantine
WHERE night = $night AND ($patient_id IS NULL OR patient_id = $patient_id)
ORDER BY source_uri
