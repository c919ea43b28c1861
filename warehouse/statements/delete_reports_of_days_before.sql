-- Forget the reports on days before a day.
DELETE FROM reports
WHERE report_date < $day
