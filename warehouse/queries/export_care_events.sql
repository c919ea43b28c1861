-- One day of the export: the care events that began on it, without where they came from.
SELECT * EXCLUDE (source, imported_at)
FROM care_events
WHERE event_date = $day
ORDER BY patient_id, started_at, event_id
