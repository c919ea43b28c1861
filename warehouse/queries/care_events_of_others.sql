-- Events of a batch, registered as event_batch, whose identifier is stored as an event of another patient.
SELECT event_id
FROM event_batch
JOIN care_events AS stored USING (event_id)
WHERE stored.patient_id <> event_batch.patient_id
ORDER BY event_id
