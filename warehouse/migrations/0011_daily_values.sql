-- The usual range of a patient rests on the first days on record, so their values stay when their sessions are too old.

CREATE TABLE daily_values (
    patient_id     VARCHAR NOT NULL,
    session_date   DATE NOT NULL,
    bundle_id      VARCHAR NOT NULL,
    options_sha256 VARCHAR NOT NULL,
    sessions       BIGINT NOT NULL,
    measure        VARCHAR NOT NULL,
    value          DOUBLE
);
COMMENT ON TABLE daily_values IS 'What stays of days whose sessions were too old to be kept: one row per patient, day, bundle, options and measure of the report. A day has no row before its sessions go. The rows of a patient go with the last session that was scored by the same bundle with the same options.';
COMMENT ON COLUMN daily_values.patient_id IS 'Whose day it is, as in patients.';
COMMENT ON COLUMN daily_values.session_date IS 'Local calendar day.';
COMMENT ON COLUMN daily_values.bundle_id IS 'Bundle that scored the sessions of the day, as in bundles.';
COMMENT ON COLUMN daily_values.options_sha256 IS 'Digest of the scoring options, 64 hex digits.';
COMMENT ON COLUMN daily_values.sessions IS 'Sessions that the day had, count.';
COMMENT ON COLUMN daily_values.measure IS 'What was measured, such as pain_activity, smiling or au04, as the report names it.';
COMMENT ON COLUMN daily_values.value IS 'Mean over the scored frames of the sessions that counted, in the unit of the measure: 0..1, or per minute for smile_episodes. NULL where the day had too few of them.';
