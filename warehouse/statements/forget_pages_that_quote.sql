-- Reports that may print an event of which a text changes, on its day or later: they have to be rendered again.
UPDATE reports SET input_key = ''
WHERE kind = 'patient' AND EXISTS (
    FROM care_events
    WHERE care_events.patient_id = reports.patient_id
        AND care_events.event_date <= reports.report_date
        AND $text IN (care_events.note, care_events.item)
)
