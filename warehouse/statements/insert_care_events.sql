-- Store the care events of a batch, registered as event_batch, that are new or changed, registered as event_changes.
INSERT INTO care_events BY NAME
SELECT
    event_id, patient_id, kind, item, event_date, started_at, utc_offset_s, ended_at, amount, unit, note,
    $source AS source, now() AS imported_at
FROM event_batch
WHERE event_id IN (SELECT event_id FROM event_changes WHERE change <> 'removed')
