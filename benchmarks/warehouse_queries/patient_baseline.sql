-- What is usual for a patient, from the four weeks before the last day.
FROM patient_baseline('patient-000', (SELECT max(session_date) FROM sessions))
ORDER BY measure;
