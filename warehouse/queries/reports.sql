-- The reports on a day: the ward first, then by patient.
SELECT *
FROM reports
WHERE report_date = $report_date
ORDER BY patient_id NULLS FIRST
