-- Make the patients of a batch of results known, registered as result_batch.
INSERT INTO patients (patient_id, first_seen_at)
SELECT DISTINCT patient_id, now()
FROM result_batch
ANTI JOIN patients USING (patient_id)
