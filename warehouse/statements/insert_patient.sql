-- Make a patient known.
INSERT INTO patients (patient_id, first_seen_at)
SELECT $patient_id, now()
WHERE NOT EXISTS (FROM patients WHERE patient_id = $patient_id)
