-- Reports compare days like with like where sessions state their situation, and days outlive their sessions.

ALTER TABLE daily_values ADD COLUMN situation VARCHAR;
ALTER TABLE daily_values ADD COLUMN frames BIGINT;
COMMENT ON TABLE daily_values IS 'What stays of days whose sessions were too old to be kept: one row per patient, day, bundle, options and measure of the report for the whole day, where situation is NULL. A day with a session that states its situation also has a row for each situation. A day has no row before its sessions go. The rows of a patient go with the last session that was scored by the same bundle with the same options.';
COMMENT ON COLUMN daily_values.situation IS 'Which part of the day the row is about: at_rest, during_care, meal or therapy as in sessions, or unstated for sessions that state none. NULL for the whole day.';
COMMENT ON COLUMN daily_values.frames IS 'Scored frames that the value of a part of the day rests on, count. NULL for the whole day.';
COMMENT ON COLUMN findings.lack IS 'Why nothing was compared: no_session, all_set_aside, too_dark, too_bright, covered, turned_away, too_little_seen, too_short, too_few_sessions, not_measured, no_baseline, or new_situation (recorded only in situations with too few earlier days). NULL exactly where the state is not insufficient.';
COMMENT ON COLUMN findings.usual_low IS 'Lower end of the usual range, in that unit: the middle 80 % of the baseline days, their whole range where there are fewer than 10. Where days are compared like with like, this, the limits and the means are those of days in the situations of the day. NULL without a baseline.';
