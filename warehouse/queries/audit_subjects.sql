-- What the audit log calls these patients; no row for those it never spoke of.
SELECT patient_id, subject
FROM audit_subjects
WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
