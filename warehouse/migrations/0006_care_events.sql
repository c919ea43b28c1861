-- What was done for a patient, as the house's care records tell it: nobody can say otherwise what a change followed.
-- Rules that a table cannot state here (unique, ranges) are kept by the code that writes.

CREATE TABLE care_events (
    event_id     VARCHAR NOT NULL,
    patient_id   VARCHAR NOT NULL,
    kind         VARCHAR NOT NULL,
    item         VARCHAR NOT NULL,
    event_date   DATE NOT NULL,
    started_at   TIMESTAMPTZ NOT NULL,
    utc_offset_s INTEGER NOT NULL,
    ended_at     TIMESTAMPTZ,
    amount       DOUBLE,
    unit         VARCHAR,
    note         VARCHAR,
    source       VARCHAR NOT NULL,
    imported_at  TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE care_events IS 'One row per care event of a patient, such as a dose, a therapy or a transfer, imported with `pmfer events import`. Only what a file told: no row does not mean that nothing was done.';
COMMENT ON COLUMN care_events.event_id IS 'Identifier from the file, 1 to 64 letters, digits, dots, underscores and hyphens; where the file has none, a digest of patient, kind, item and start. Unique.';
COMMENT ON COLUMN care_events.patient_id IS 'Whose event it is, as in patients; the patient may have no session yet.';
COMMENT ON COLUMN care_events.kind IS 'medication, therapy, transfer, care (such as washing or a change of dressing) or other.';
COMMENT ON COLUMN care_events.item IS 'What was given or done, or where to: the substance, the therapy, the ward; 1 to 200 characters, in the words of the file.';
COMMENT ON COLUMN care_events.event_date IS 'Local calendar day of the start.';
COMMENT ON COLUMN care_events.started_at IS 'When it was given or began.';
COMMENT ON COLUMN care_events.utc_offset_s IS 'Offset of the local clock from UTC at the start, seconds, -86399..86399: started_at + offset is the time on the wall.';
COMMENT ON COLUMN care_events.ended_at IS 'When it ended, not before started_at. NULL: it had no length, or nobody wrote it down.';
COMMENT ON COLUMN care_events.amount IS 'How much, in the unit beside it, above 0. NULL where the file has none.';
COMMENT ON COLUMN care_events.unit IS 'Unit of amount in the words of the file, such as mg or min; 1 to 20 characters. NULL exactly where amount is.';
COMMENT ON COLUMN care_events.note IS 'Remark of the file, 1 to 500 characters, never a name. NULL where there is none.';
COMMENT ON COLUMN care_events.source IS 'Name of the file that the row came from, without its folder.';
COMMENT ON COLUMN care_events.imported_at IS 'When the row was written or last changed.';
