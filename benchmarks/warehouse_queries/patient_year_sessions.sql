-- All of a patient's sessions with every column, as a report reads them.
FROM session_summary
WHERE patient_id = 'patient-000'
ORDER BY started_at;
