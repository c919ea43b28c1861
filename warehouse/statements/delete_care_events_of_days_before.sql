-- Forget the care events that were over before a day.
DELETE FROM care_events
WHERE event_date < $day AND (ended_at IS NULL OR ended_at < $day)
