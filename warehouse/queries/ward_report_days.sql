-- The days of which a ward overview is on record.
SELECT report_date
FROM reports
WHERE kind = 'ward'
ORDER BY report_date
