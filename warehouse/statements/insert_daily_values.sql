-- Keep the values of days, registered as day_batch, of which none are kept yet.
INSERT INTO daily_values BY NAME
SELECT patient_id, session_date, bundle_id, options_sha256, sessions, measure, value
FROM day_batch
ANTI JOIN daily_values USING (patient_id, session_date, bundle_id, options_sha256)
