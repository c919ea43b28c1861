-- Take out the care events that a batch changes or removes, registered as event_changes.
DELETE FROM care_events
WHERE event_id IN (SELECT event_id FROM event_changes)
