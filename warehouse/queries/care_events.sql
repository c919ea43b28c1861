-- Care events of a patient that began within a range of days, in order of time.
SELECT *
FROM care_events
WHERE patient_id = $patient_id AND event_date BETWEEN $since AND $until
ORDER BY started_at, event_id
