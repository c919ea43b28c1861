-- Take a period of consent into the register.
INSERT INTO consents (patient_id, valid_from, valid_to, withdrawn_on, source, recorded_at)
VALUES ($patient_id, $valid_from, $valid_to, $withdrawn_on, $source, now())
