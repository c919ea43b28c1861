-- What reports said of a patient, measure and day is a row, and so is a new usual level that a person accepted.
-- Rules that a table cannot state here (unique, ranges) are kept by the code that writes.

CREATE TABLE findings (
    patient_id     VARCHAR NOT NULL,
    session_date   DATE NOT NULL,
    measure        VARCHAR NOT NULL,
    bundle_id      VARCHAR NOT NULL,
    options_sha256 VARCHAR NOT NULL,
    kind           VARCHAR NOT NULL,
    state          VARCHAR NOT NULL,
    stage          VARCHAR NOT NULL,
    rules          VARCHAR[] NOT NULL,
    value          DOUBLE,
    recent         DOUBLE,
    mean_since     DOUBLE,
    usual_low      DOUBLE,
    usual_high     DOUBLE,
    centre         DOUBLE,
    limit_low      DOUBLE,
    limit_high     DOUBLE,
    baseline_days  INTEGER NOT NULL,
    tentative      BOOLEAN NOT NULL,
    direction      VARCHAR,
    opened_on      DATE,
    onset_on       DATE,
    onset_from     DATE,
    onset_to       DATE,
    closed_on      DATE,
    days_open      INTEGER,
    lack           VARCHAR,
    accepted_on    DATE,
    found_at       TIMESTAMPTZ NOT NULL,
    code_version   VARCHAR NOT NULL
);
COMMENT ON TABLE findings IS 'One row per patient, day, measure, bundle and options: what the report of that day said. A report that is rendered again takes the place of its rows. Who was flagged from when to when is easier read in flags.';
COMMENT ON COLUMN findings.patient_id IS 'Whose finding it is, as in patients.';
COMMENT ON COLUMN findings.session_date IS 'Local calendar day that the report speaks of.';
COMMENT ON COLUMN findings.measure IS 'What was compared, such as pain_activity, smiling or au04, as in daily_values.';
COMMENT ON COLUMN findings.bundle_id IS 'Bundle that scored the sessions compared, as in bundles.';
COMMENT ON COLUMN findings.options_sha256 IS 'Digest of the scoring options, 64 hex digits.';
COMMENT ON COLUMN findings.kind IS 'headline: a measure that puts the patient on the ward''s list; phrase: one that explains a change and puts nobody there; context: counted and told.';
COMMENT ON COLUMN findings.state IS 'How the day compares with the patient''s own usual days: usual, higher, lower or insufficient.';
COMMENT ON COLUMN findings.stage IS 'Where a flag stands on the day: new (opened that day), open (opened earlier, not back yet), back (closed within the last 7 days), accepted (a person accepted the new level), usual (none of those) or not_compared. A flag that was open when the measure could not be compared stays open.';
COMMENT ON COLUMN findings.rules IS 'Rules that raised it that day: beyond_limits, ewma, change, shift, trend. Empty for a day without any.';
COMMENT ON COLUMN findings.value IS 'Value of the day, in the unit of the measure as in daily_values. NULL where the day had too little data.';
COMMENT ON COLUMN findings.recent IS 'Weighted mean of the last days, in that unit. NULL without a value.';
COMMENT ON COLUMN findings.mean_since IS 'Mean of the days since the onset of an open flag, in that unit. NULL without an open flag.';
COMMENT ON COLUMN findings.usual_low IS 'Lower end of the usual range, in that unit: the middle 80 % of the baseline days, their whole range where there are fewer than 10. NULL without a baseline.';
COMMENT ON COLUMN findings.usual_high IS 'Upper end of the usual range, in that unit. NULL without a baseline.';
COMMENT ON COLUMN findings.centre IS 'Centre of the baseline days, in that unit. NULL without a baseline.';
COMMENT ON COLUMN findings.limit_low IS 'Lower alarm limit, in that unit, from 0. NULL without a baseline.';
COMMENT ON COLUMN findings.limit_high IS 'Upper alarm limit, in that unit. NULL without a baseline.';
COMMENT ON COLUMN findings.baseline_days IS 'Days that the baseline rests on, count. 0 without a baseline.';
COMMENT ON COLUMN findings.tentative IS 'Whether it was compared with so few days that usual cannot rule out a large change.';
COMMENT ON COLUMN findings.direction IS 'Which way the flag in opened_on went: higher or lower. NULL exactly where opened_on is.';
COMMENT ON COLUMN findings.opened_on IS 'First flagged day of the flag that is open, or that closed within the last 7 days. NULL without one.';
COMMENT ON COLUMN findings.onset_on IS 'When the change of that flag most likely began. NULL without a flag.';
COMMENT ON COLUMN findings.onset_from IS 'First day of the interval, of about 80 %, for when the change began. NULL without a flag.';
COMMENT ON COLUMN findings.onset_to IS 'Last day of that interval. NULL without a flag.';
COMMENT ON COLUMN findings.closed_on IS 'Day on which the patient was back. NULL while the flag is open, and without one.';
COMMENT ON COLUMN findings.days_open IS 'Days with enough data from opened_on to this day, both included, count. NULL without a flag.';
COMMENT ON COLUMN findings.lack IS 'Why nothing was compared: no_session, all_set_aside, too_dark, too_bright, covered, turned_away, too_little_seen, too_short, too_few_sessions, not_measured or no_baseline. NULL exactly where the state is not insufficient.';
COMMENT ON COLUMN findings.accepted_on IS 'First day of the new usual level that a person accepted and that the comparison rests on, as from_date of accepted_levels. NULL for none.';
COMMENT ON COLUMN findings.found_at IS 'When the row was written.';
COMMENT ON COLUMN findings.code_version IS 'Version of the software that compared.';

CREATE TABLE accepted_levels (
    patient_id  VARCHAR NOT NULL,
    measure     VARCHAR NOT NULL,
    from_date   DATE NOT NULL,
    note        VARCHAR NOT NULL,
    actor       VARCHAR NOT NULL,
    accepted_at TIMESTAMPTZ NOT NULL,
    undone_at   TIMESTAMPTZ
);
COMMENT ON TABLE accepted_levels IS 'One row per new usual level that a person accepted with `pmfer findings accept`: the baseline of that measure starts afresh. It counts until it is undone.';
COMMENT ON COLUMN accepted_levels.patient_id IS 'Whose level it is, as in patients.';
COMMENT ON COLUMN accepted_levels.measure IS 'The measure, as in findings.';
COMMENT ON COLUMN accepted_levels.from_date IS 'First local calendar day of the new level.';
COMMENT ON COLUMN accepted_levels.note IS 'Why, in the words of whoever accepted it, 1 to 500 characters, never a name.';
COMMENT ON COLUMN accepted_levels.actor IS 'Who accepted it, as in audit_log.';
COMMENT ON COLUMN accepted_levels.accepted_at IS 'When it was accepted.';
COMMENT ON COLUMN accepted_levels.undone_at IS 'When it was undone with `pmfer findings undo`; it counts no more. NULL while it counts.';

CREATE VIEW flags AS
WITH in_force AS (
    SELECT DISTINCT patient_id, measure, from_date
    FROM accepted_levels
    WHERE undone_at IS NULL
),
told AS (
    SELECT findings.*, in_force.from_date AS level_in_force
    FROM findings
    LEFT JOIN in_force
        ON in_force.patient_id = findings.patient_id AND in_force.measure = findings.measure
        AND in_force.from_date = findings.accepted_on
    WHERE kind = 'headline'
),
flagged AS (
    SELECT
        patient_id, measure, bundle_id, options_sha256, opened_on,
        arg_max(direction, session_date) AS direction,
        arg_max(onset_on, session_date) AS onset_on,
        arg_max(onset_from, session_date) AS onset_from,
        arg_max(onset_to, session_date) AS onset_to,
        max(session_date) FILTER (stage IN ('new', 'open')) AS last_flagged_on,
        max(days_open) FILTER (stage IN ('new', 'open')) AS valid_days,
        max(closed_on) AS told_closed_on
    FROM told
    WHERE opened_on IS NOT NULL
    GROUP BY patient_id, measure, bundle_id, options_sha256, opened_on
    HAVING count(*) FILTER (stage IN ('new', 'open')) > 0
),
-- What was said of the measure next, once it was no longer said to be open. A level that was undone says nothing.
followed AS (
    SELECT flagged.*, min(told.session_date) AS next_on, arg_min(told.stage, told.session_date) AS next_stage
    FROM flagged
    LEFT JOIN told
        ON told.patient_id = flagged.patient_id AND told.measure = flagged.measure
        AND told.bundle_id = flagged.bundle_id AND told.options_sha256 = flagged.options_sha256
        AND told.session_date > flagged.last_flagged_on
        AND told.stage <> 'not_compared'
        AND (told.stage <> 'accepted' OR told.level_in_force IS NOT NULL)
    GROUP BY ALL
),
ended AS (
    SELECT
        * EXCLUDE (told_closed_on),
        coalesce(CASE WHEN told_closed_on > last_flagged_on THEN told_closed_on END, next_on) AS closed_on
    FROM followed
),
accepted AS (
    SELECT ended.*, max(in_force.from_date) AS accepted_from
    FROM ended
    LEFT JOIN in_force
        ON in_force.patient_id = ended.patient_id AND in_force.measure = ended.measure
        AND ended.next_stage IS DISTINCT FROM 'back'
        AND in_force.from_date <= coalesce(ended.closed_on, DATE 'infinity')
        AND (in_force.from_date >= coalesce(ended.onset_from, ended.opened_on) OR ended.next_stage = 'accepted')
    GROUP BY ALL
),
-- What other bundles or options said of the measure since then.
followed_by_others AS (
    SELECT
        accepted.*,
        min(other.session_date) AS taken_over_on,
        min(other.session_date) FILTER (other.state <> 'insufficient') AS compared_again_on
    FROM accepted
    LEFT JOIN findings AS other
        ON other.patient_id = accepted.patient_id AND other.measure = accepted.measure AND other.kind = 'headline'
        AND (other.bundle_id <> accepted.bundle_id OR other.options_sha256 <> accepted.options_sha256)
        AND other.session_date > accepted.last_flagged_on
    GROUP BY ALL
)
SELECT
    patient_id, measure, direction, opened_on, onset_on, onset_from, onset_to, last_flagged_on,
    coalesce(closed_on, CASE WHEN accepted_from IS NULL THEN compared_again_on END) AS closed_on,
    last_flagged_on - opened_on + 1 AS days,
    valid_days,
    CASE
        WHEN accepted_from IS NOT NULL THEN 'accepted'
        WHEN closed_on IS NOT NULL THEN 'back'
        WHEN taken_over_on IS NOT NULL THEN 'carried_over'
        ELSE 'open'
    END AS outcome,
    accepted_from,
    bundle_id, options_sha256
FROM followed_by_others;
COMMENT ON VIEW flags IS 'One row per flag: patient, measure and the days on which reports had the patient on the ward''s list for it, and what came of it. A flag that was open when another bundle or other options took over ends there as carried_over; what these find is a flag of its own.';
COMMENT ON COLUMN flags.patient_id IS 'Whose flag it is, as in patients.';
COMMENT ON COLUMN flags.measure IS 'The measure, as in findings; one of kind headline.';
COMMENT ON COLUMN flags.direction IS 'Which way it went: higher or lower.';
COMMENT ON COLUMN flags.opened_on IS 'First flagged day.';
COMMENT ON COLUMN flags.onset_on IS 'When the change most likely began, as last told.';
COMMENT ON COLUMN flags.onset_from IS 'First day of the interval for when it began, as last told.';
COMMENT ON COLUMN flags.onset_to IS 'Last day of that interval.';
COMMENT ON COLUMN flags.last_flagged_on IS 'Last day whose report had it as new or open.';
COMMENT ON COLUMN flags.closed_on IS 'Day on which the patient was back, from which a report had the new level as accepted, or, of a flag that was carried over, on which the other bundle or options compared the measure themselves. NULL until then.';
COMMENT ON COLUMN flags.days IS 'Calendar days from opened_on to last_flagged_on, both included, count.';
COMMENT ON COLUMN flags.valid_days IS 'Of those the days with enough data, count.';
COMMENT ON COLUMN flags.outcome IS 'What came of it: open (not back yet), back, accepted (a person accepted the new level) or carried_over (open when another bundle or other options took over).';
COMMENT ON COLUMN flags.accepted_from IS 'First day of the new level that was accepted, as in accepted_levels. NULL unless the outcome is accepted.';
COMMENT ON COLUMN flags.bundle_id IS 'Bundle that scored the sessions compared, as in bundles.';
COMMENT ON COLUMN flags.options_sha256 IS 'Digest of the scoring options, 64 hex digits.';

-- Where sessions were recorded and in which situation, as the sidecar tells it.
ALTER TABLE sessions ADD COLUMN ward VARCHAR;
ALTER TABLE sessions ADD COLUMN room VARCHAR;
ALTER TABLE sessions ADD COLUMN situation VARCHAR;
COMMENT ON COLUMN sessions.ward IS 'Ward on which the session was recorded, from the sidecar: 1 to 64 letters, digits, dots, underscores and hyphens. NULL where it does not say.';
COMMENT ON COLUMN sessions.room IS 'Room in which the session was recorded, from the sidecar, by the same rule. NULL where it does not say.';
COMMENT ON COLUMN sessions.situation IS 'What went on during the session, from the sidecar: at_rest, during_care, meal or therapy. NULL where it does not say.';
ALTER TABLE reports ADD COLUMN ward VARCHAR;
COMMENT ON COLUMN reports.ward IS 'Ward of an overview that is of one ward, as in sessions. NULL for the overview of the house, and for the report of one patient.';

-- The same columns as before, those three, and frames_covered of migration 15.
CREATE OR REPLACE VIEW session_summary AS
SELECT
    scoring_id, session_id, patient_id, session_date, started_at, utc_offset_s,
    bundle_id, options_sha256, scored_at, duration_s,
    frames_decoded, scorings.frames_sampled, frames_with_face, scorings.frames_scored,
    frames_several_faces,
    frames_no_face, frames_not_subject, frames_too_small, frames_too_dark, frames_too_bright, frames_too_blurred,
    coalesce(frames_covered, 0) AS frames_covered,
    -- Shares over the scored frames: NULL, not 0, where there are none.
    frames_neutral / nullif(scorings.frames_scored, 0) AS neutral_share,
    frames_happiness / nullif(scorings.frames_scored, 0) AS happiness_share,
    frames_surprise / nullif(scorings.frames_scored, 0) AS surprise_share,
    frames_sadness / nullif(scorings.frames_scored, 0) AS sadness_share,
    frames_anger / nullif(scorings.frames_scored, 0) AS anger_share,
    frames_disgust / nullif(scorings.frames_scored, 0) AS disgust_share,
    frames_fear / nullif(scorings.frames_scored, 0) AS fear_share,
    frames_contempt / nullif(scorings.frames_scored, 0) AS contempt_share,
    neutral_mean, happiness_mean, surprise_mean, sadness_mean, anger_mean, disgust_mean, fear_mean, contempt_mean,
    au01_mean, au02_mean, au04_mean, au05_mean, au06_mean, au07_mean, au09_mean, au10_mean, au12_mean, au14_mean,
    au15_mean, au16_mean, au17_mean, au20_mean, au23_mean, au24_mean, au25_mean, au26_mean, au27_mean, au43_mean,
    pain_activity_mean, expressivity_mean, brightness_median, sharpness_median, face_size_px_median,
    yaw_abs_median_deg, warning, ward, room, situation
FROM session_rollups
JOIN scorings USING (scoring_id, session_id)
JOIN sessions USING (session_id);
COMMENT ON VIEW session_summary IS 'One row per scoring of a session: counts, shares and means over its frames, read from session_rollups. A session that was scored with two bundles has two rows: choose bundle_id and options_sha256.';
COMMENT ON COLUMN session_summary.scoring_id IS 'SHA-256 over content hash, bundle and options, 64 hex digits.';
COMMENT ON COLUMN session_summary.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN session_summary.patient_id IS 'Whose session it is, as in patients.';
COMMENT ON COLUMN session_summary.session_date IS 'Local calendar day of the start.';
COMMENT ON COLUMN session_summary.started_at IS 'Start of the recording.';
COMMENT ON COLUMN session_summary.utc_offset_s IS 'Offset of the local clock from UTC at the start, seconds: started_at + offset is the time on the wall.';
COMMENT ON COLUMN session_summary.bundle_id IS 'The bundle, as in bundles.';
COMMENT ON COLUMN session_summary.options_sha256 IS 'SHA-256 of the scoring options, 64 hex digits.';
COMMENT ON COLUMN session_summary.scored_at IS 'When it was stored.';
COMMENT ON COLUMN session_summary.duration_s IS 'Last minus first presentation time of the video, seconds, from 0. NULL if the video does not say.';
COMMENT ON COLUMN session_summary.frames_decoded IS 'Frames decoded from the video, count.';
COMMENT ON COLUMN session_summary.frames_sampled IS 'Frames sampled, count; each of them has a row in frame_scores.';
COMMENT ON COLUMN session_summary.frames_with_face IS 'Sampled frames with at least one face, count.';
COMMENT ON COLUMN session_summary.frames_scored IS 'Sampled frames in which the subject was scored, count.';
COMMENT ON COLUMN session_summary.frames_several_faces IS 'Sampled frames with more than one face, count.';
COMMENT ON COLUMN session_summary.frames_no_face IS 'Sampled frames without any face, count.';
COMMENT ON COLUMN session_summary.frames_not_subject IS 'Sampled frames with faces but none of the subject, count.';
COMMENT ON COLUMN session_summary.frames_too_small IS 'Sampled frames not scored because the subject''s face is too small, count.';
COMMENT ON COLUMN session_summary.frames_too_dark IS 'Sampled frames not scored because the subject''s face is too dark, count.';
COMMENT ON COLUMN session_summary.frames_too_bright IS 'Sampled frames not scored because the subject''s face is washed out, count.';
COMMENT ON COLUMN session_summary.frames_too_blurred IS 'Sampled frames not scored because the subject''s face is blurred, count.';
COMMENT ON COLUMN session_summary.frames_covered IS 'Sampled frames not scored because too much of the subject''s face is covered, count.';
COMMENT ON COLUMN session_summary.neutral_share IS 'Share of the scored frames in which neutral is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.happiness_share IS 'Share of the scored frames in which happiness is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.surprise_share IS 'Share of the scored frames in which surprise is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.sadness_share IS 'Share of the scored frames in which sadness is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.anger_share IS 'Share of the scored frames in which anger is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.disgust_share IS 'Share of the scored frames in which disgust is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.fear_share IS 'Share of the scored frames in which fear is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.contempt_share IS 'Share of the scored frames in which contempt is the most probable expression, 0..1; the eight shares sum to 1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.neutral_mean IS 'Mean probability of neutral over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.happiness_mean IS 'Mean probability of happiness over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.surprise_mean IS 'Mean probability of surprise over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.sadness_mean IS 'Mean probability of sadness over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.anger_mean IS 'Mean probability of anger over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.disgust_mean IS 'Mean probability of disgust over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.fear_mean IS 'Mean probability of fear over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.contempt_mean IS 'Mean probability of contempt over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au01_mean IS 'AU 1, inner brow raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au02_mean IS 'AU 2, outer brow raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au04_mean IS 'AU 4, brow lowerer: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au05_mean IS 'AU 5, upper lid raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au06_mean IS 'AU 6, cheek raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au07_mean IS 'AU 7, lid tightener: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au09_mean IS 'AU 9, nose wrinkler: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au10_mean IS 'AU 10, upper lip raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au12_mean IS 'AU 12, lip corner puller: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au14_mean IS 'AU 14, dimpler: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au15_mean IS 'AU 15, lip corner depressor: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au16_mean IS 'AU 16, lower lip depressor: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au17_mean IS 'AU 17, chin raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au20_mean IS 'AU 20, lip stretcher: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au23_mean IS 'AU 23, lip tightener: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au24_mean IS 'AU 24, lip pressor: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au25_mean IS 'AU 25, lips part: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au26_mean IS 'AU 26, jaw drop: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au27_mean IS 'AU 27, mouth stretch: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.au43_mean IS 'AU 43, eyes closed: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.pain_activity_mean IS 'Mean pain-related facial activity over the scored frames, 0..1; see frames.pain_activity. Not a pain score. NULL if none was scored.';
COMMENT ON COLUMN session_summary.expressivity_mean IS 'Mean of 1 minus the probability of neutral over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_summary.brightness_median IS 'Median brightness of the subject''s face over all frames that measured it, scored or not, 0..1. NULL if none did.';
COMMENT ON COLUMN session_summary.sharpness_median IS 'Median sharpness of the subject''s face over all frames that measured it, scored or not, from 0. NULL if none did.';
COMMENT ON COLUMN session_summary.face_size_px_median IS 'Median size of the subject''s face over all frames that measured it, scored or not, pixels. NULL if none did.';
COMMENT ON COLUMN session_summary.yaw_abs_median_deg IS 'Median of how far the head was turned sideways, either way, over all frames that estimated it, degrees, 0..180. NULL if none did.';
COMMENT ON COLUMN session_summary.warning IS 'What the decoder complained about, such as a truncated end; NULL if nothing.';
COMMENT ON COLUMN session_summary.ward IS 'Ward on which the session was recorded. NULL where the sidecar does not say.';
COMMENT ON COLUMN session_summary.room IS 'Room in which the session was recorded. NULL where the sidecar does not say.';
COMMENT ON COLUMN session_summary.situation IS 'What went on during the session: at_rest, during_care, meal or therapy. NULL where the sidecar does not say.';

-- Nothing is 0 where nothing was seen: a day without a scored frame has NULL smiles.
CREATE OR REPLACE MACRO patient_days_by(of_bundle := 'active', with_options := 'active') AS TABLE
WITH episode_totals AS (
    SELECT
        scoring_id,
        count(*) FILTER (kind = 'smile') AS smiles,
        sum(CAST(end_s - start_s AS DECIMAL(18, 6))) FILTER (kind = 'smile') AS smile_s,
        max(peak) FILTER (kind = 'smile') AS smile_peak,
        count(*) FILTER (kind = 'pain_activity') AS pain_activity_episodes
    FROM episodes
    GROUP BY scoring_id
)
SELECT
    patient_id, session_date, bundle_id, options_sha256,
    count(*) AS sessions,
    sum(duration_s) AS duration_s,
    CAST(sum(picked.frames_sampled) AS BIGINT) AS frames_sampled,
    CAST(sum(picked.frames_scored) AS BIGINT) AS frames_scored,
    sum(picked.frames_scored) / nullif(sum(picked.frames_sampled), 0) AS scored_share,
    sum(frames_neutral) / nullif(sum(picked.frames_scored), 0) AS neutral_share,
    sum(frames_happiness) / nullif(sum(picked.frames_scored), 0) AS happiness_share,
    sum(frames_surprise) / nullif(sum(picked.frames_scored), 0) AS surprise_share,
    sum(frames_sadness) / nullif(sum(picked.frames_scored), 0) AS sadness_share,
    sum(frames_anger) / nullif(sum(picked.frames_scored), 0) AS anger_share,
    sum(frames_disgust) / nullif(sum(picked.frames_scored), 0) AS disgust_share,
    sum(frames_fear) / nullif(sum(picked.frames_scored), 0) AS fear_share,
    sum(frames_contempt) / nullif(sum(picked.frames_scored), 0) AS contempt_share,
    -- Each session weighs as much as it has scored frames.
    frame_weighted_mean(au01_mean, picked.frames_scored) AS au01_mean,
    frame_weighted_mean(au02_mean, picked.frames_scored) AS au02_mean,
    frame_weighted_mean(au04_mean, picked.frames_scored) AS au04_mean,
    frame_weighted_mean(au05_mean, picked.frames_scored) AS au05_mean,
    frame_weighted_mean(au06_mean, picked.frames_scored) AS au06_mean,
    frame_weighted_mean(au07_mean, picked.frames_scored) AS au07_mean,
    frame_weighted_mean(au09_mean, picked.frames_scored) AS au09_mean,
    frame_weighted_mean(au10_mean, picked.frames_scored) AS au10_mean,
    frame_weighted_mean(au12_mean, picked.frames_scored) AS au12_mean,
    frame_weighted_mean(au14_mean, picked.frames_scored) AS au14_mean,
    frame_weighted_mean(au15_mean, picked.frames_scored) AS au15_mean,
    frame_weighted_mean(au16_mean, picked.frames_scored) AS au16_mean,
    frame_weighted_mean(au17_mean, picked.frames_scored) AS au17_mean,
    frame_weighted_mean(au20_mean, picked.frames_scored) AS au20_mean,
    frame_weighted_mean(au23_mean, picked.frames_scored) AS au23_mean,
    frame_weighted_mean(au24_mean, picked.frames_scored) AS au24_mean,
    frame_weighted_mean(au25_mean, picked.frames_scored) AS au25_mean,
    frame_weighted_mean(au26_mean, picked.frames_scored) AS au26_mean,
    frame_weighted_mean(au27_mean, picked.frames_scored) AS au27_mean,
    frame_weighted_mean(au43_mean, picked.frames_scored) AS au43_mean,
    frame_weighted_mean(pain_activity_mean, picked.frames_scored) AS pain_activity_mean,
    frame_weighted_mean(expressivity_mean, picked.frames_scored) AS expressivity_mean,
    CASE WHEN sum(picked.frames_scored) > 0 THEN CAST(coalesce(sum(smiles), 0) AS BIGINT) END AS smiles,
    CASE WHEN sum(picked.frames_scored) > 0 THEN CAST(coalesce(sum(smile_s), 0) AS DOUBLE) END AS smile_s,
    max(smile_peak) AS smile_peak,
    CASE
        WHEN sum(picked.frames_scored) > 0 THEN CAST(coalesce(sum(pain_activity_episodes), 0) AS BIGINT)
    END AS pain_activity_episodes,
    arg_max(ward, (picked.started_at, session_id)) AS ward,
    arg_max(room, (picked.started_at, session_id)) AS room
FROM scorings_by(of_bundle, with_options) AS picked
JOIN session_rollups USING (scoring_id, session_id)
JOIN (SELECT session_id, ward, room FROM sessions) USING (session_id)
LEFT JOIN episode_totals USING (scoring_id)
GROUP BY patient_id, session_date, bundle_id, options_sha256;
COMMENT ON MACRO TABLE patient_days_by IS 'The rows of patient_days for a bundle and options other than the active ones, each given as 64 hex digits.';

CREATE OR REPLACE VIEW patient_days AS
SELECT
    patient_id, session_date, bundle_id, options_sha256, sessions, duration_s, frames_sampled, frames_scored,
    scored_share, neutral_share, happiness_share, surprise_share, sadness_share, anger_share, disgust_share,
    fear_share, contempt_share, au01_mean, au02_mean, au04_mean, au05_mean, au06_mean, au07_mean, au09_mean,
    au10_mean, au12_mean, au14_mean, au15_mean, au16_mean, au17_mean, au20_mean, au23_mean, au24_mean, au25_mean,
    au26_mean, au27_mean, au43_mean, pain_activity_mean, expressivity_mean, smiles, smile_s, smile_peak,
    pain_activity_episodes, ward, room
FROM patient_days_by();
COMMENT ON VIEW patient_days IS 'One row per patient and day with scored sessions, by the active bundle, read from the rollups.';
COMMENT ON COLUMN patient_days.patient_id IS 'Whose day it is, as in patients.';
COMMENT ON COLUMN patient_days.session_date IS 'Local calendar day of the sessions'' start.';
COMMENT ON COLUMN patient_days.bundle_id IS 'The bundle that scored it, as in bundles.';
COMMENT ON COLUMN patient_days.options_sha256 IS 'SHA-256 of the scoring options, 64 hex digits.';
COMMENT ON COLUMN patient_days.sessions IS 'Sessions of the day that were scored, count.';
COMMENT ON COLUMN patient_days.duration_s IS 'Length of the sessions together, seconds. NULL if no video says.';
COMMENT ON COLUMN patient_days.frames_sampled IS 'Frames sampled, count.';
COMMENT ON COLUMN patient_days.frames_scored IS 'Sampled frames in which the patient was scored, count.';
COMMENT ON COLUMN patient_days.scored_share IS 'Data quality: share of the sampled frames that were scored, 0..1.';
COMMENT ON COLUMN patient_days.neutral_share IS 'Share of the day''s scored frames in which neutral is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.happiness_share IS 'Share of the day''s scored frames in which happiness is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.surprise_share IS 'Share of the day''s scored frames in which surprise is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.sadness_share IS 'Share of the day''s scored frames in which sadness is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.anger_share IS 'Share of the day''s scored frames in which anger is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.disgust_share IS 'Share of the day''s scored frames in which disgust is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.fear_share IS 'Share of the day''s scored frames in which fear is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.contempt_share IS 'Share of the day''s scored frames in which contempt is the most probable expression, 0..1; the eight sum to 1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au01_mean IS 'AU 1, inner brow raiser: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au02_mean IS 'AU 2, outer brow raiser: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au04_mean IS 'AU 4, brow lowerer: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au05_mean IS 'AU 5, upper lid raiser: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au06_mean IS 'AU 6, cheek raiser: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au07_mean IS 'AU 7, lid tightener: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au09_mean IS 'AU 9, nose wrinkler: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au10_mean IS 'AU 10, upper lip raiser: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au12_mean IS 'AU 12, lip corner puller: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au14_mean IS 'AU 14, dimpler: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au15_mean IS 'AU 15, lip corner depressor: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au16_mean IS 'AU 16, lower lip depressor: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au17_mean IS 'AU 17, chin raiser: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au20_mean IS 'AU 20, lip stretcher: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au23_mean IS 'AU 23, lip tightener: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au24_mean IS 'AU 24, lip pressor: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au25_mean IS 'AU 25, lips part: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au26_mean IS 'AU 26, jaw drop: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au27_mean IS 'AU 27, mouth stretch: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au43_mean IS 'AU 43, eyes closed: mean alignment with the phrase over the day''s scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.pain_activity_mean IS 'Mean pain-related facial activity over the scored frames, 0..1; see frames.pain_activity. Not a pain score. NULL if none was scored.';
COMMENT ON COLUMN patient_days.expressivity_mean IS 'Mean of 1 minus the probability of neutral over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN patient_days.smiles IS 'Episodes of kind smile, count. NULL if no frame was scored.';
COMMENT ON COLUMN patient_days.smile_s IS 'Length of those episodes together, seconds, from 0. NULL if no frame was scored.';
COMMENT ON COLUMN patient_days.smile_peak IS 'Highest strength of a smile, 0.5..1. NULL if there was none.';
COMMENT ON COLUMN patient_days.pain_activity_episodes IS 'Episodes of kind pain_activity, count. NULL if no frame was scored.';
COMMENT ON COLUMN patient_days.ward IS 'Ward of the day''s last session that says. NULL where none does.';
COMMENT ON COLUMN patient_days.room IS 'Room of the day''s last session that says. NULL where none does.';
