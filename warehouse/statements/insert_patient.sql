-- Make a patient known.
INSERT INTO patients (patient_id, first_seen_at)
VALUES ($patient_id, now())
ON CONFLICT DO NOTHING
