-- The events of event_batch that change something: they are new, differ from the stored ones, or remove a stored one.
SELECT
    event_batch.event_id,
    event_batch.patient_id,
    CASE
        WHEN event_batch.removed THEN 'removed'
        WHEN stored.event_id IS NULL THEN 'added'
        ELSE 'changed'
    END AS change
FROM event_batch
LEFT JOIN care_events AS stored ON stored.event_id = event_batch.event_id
WHERE CASE
    WHEN event_batch.removed THEN stored.event_id IS NOT NULL
    WHEN stored.event_id IS NULL THEN true
    ELSE
        ROW(
            stored.kind, stored.item, stored.event_date, stored.started_at, stored.utc_offset_s,
            stored.ended_at, stored.amount, stored.unit, stored.note
        ) IS DISTINCT FROM ROW(
            event_batch.kind, event_batch.item, event_batch.event_date, event_batch.started_at, event_batch.utc_offset_s,
            event_batch.ended_at, event_batch.amount, event_batch.unit, event_batch.note
        )
END
ORDER BY event_batch.patient_id, event_batch.event_id
