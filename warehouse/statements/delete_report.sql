-- Forget a report whose file is gone.
DELETE FROM reports
WHERE report_id = $report_id
