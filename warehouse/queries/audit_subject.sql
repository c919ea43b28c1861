-- What the audit log calls a patient; no row if it never spoke of the patient.
SELECT subject
FROM audit_subjects
WHERE patient_id = $patient_id
