-- Forget the patients of whom no session is left.
DELETE FROM patients
WHERE patient_id NOT IN (SELECT patient_id FROM sessions)
