-- The stored sessions of a patient.
SELECT session_id
FROM sessions
WHERE patient_id = $patient_id
ORDER BY session_id
