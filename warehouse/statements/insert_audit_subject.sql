-- Give a patient a name of its own in the audit log.
INSERT INTO audit_subjects (patient_id, subject)
VALUES ($patient_id, $subject)
