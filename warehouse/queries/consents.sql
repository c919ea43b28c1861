-- The register of consents, of one patient or (NULL) of all.
SELECT patient_id, valid_from, valid_to, withdrawn_on, source, recorded_at
FROM consents
WHERE $patient_id IS NULL OR patient_id = $patient_id
ORDER BY patient_id, valid_from
