-- Give patients names of their own in the audit log.
INSERT INTO audit_subjects (patient_id, subject)
SELECT unnest($patient_ids), unnest($subjects)
