-- How far a patient's brows were lowered on each day of a year: the median and the spread of AU 4.
SELECT session_date, p10, p50, p90
FROM patient_day_phrases
WHERE patient_id = 'patient-000' AND phrase_key = 'au04'
ORDER BY session_date;
