-- Reports of patients that have to be rendered again, because what they were made from is not known any more.
SELECT report_date, patient_id
FROM reports
WHERE kind = 'patient' AND input_key = ''
ORDER BY report_date, patient_id
