-- Days and the first views tell expressions by their mean probability, as reports do since migration 18.

-- A subdued smile is seldom the most probable expression of a frame.

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
    frame_weighted_mean(neutral_mean, picked.frames_scored) AS neutral_mean,
    frame_weighted_mean(happiness_mean, picked.frames_scored) AS happiness_mean,
    frame_weighted_mean(surprise_mean, picked.frames_scored) AS surprise_mean,
    frame_weighted_mean(sadness_mean, picked.frames_scored) AS sadness_mean,
    frame_weighted_mean(anger_mean, picked.frames_scored) AS anger_mean,
    frame_weighted_mean(disgust_mean, picked.frames_scored) AS disgust_mean,
    frame_weighted_mean(fear_mean, picked.frames_scored) AS fear_mean,
    frame_weighted_mean(contempt_mean, picked.frames_scored) AS contempt_mean,
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
    fear_share, contempt_share,
    neutral_mean, happiness_mean, surprise_mean, sadness_mean, anger_mean, disgust_mean, fear_mean, contempt_mean, au01_mean, au02_mean, au04_mean, au05_mean, au06_mean, au07_mean, au09_mean,
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
COMMENT ON COLUMN patient_days.neutral_mean IS 'Mean probability of neutral over the scored frames, 0..1: what reports follow. NULL if none was scored.';
COMMENT ON COLUMN patient_days.happiness_mean IS 'Mean probability of happiness over the scored frames, 0..1: what reports follow. NULL if none was scored.';
COMMENT ON COLUMN patient_days.surprise_mean IS 'Mean probability of surprise over the scored frames, 0..1: what reports follow. NULL if none was scored.';
COMMENT ON COLUMN patient_days.sadness_mean IS 'Mean probability of sadness over the scored frames, 0..1: what reports follow. NULL if none was scored.';
COMMENT ON COLUMN patient_days.anger_mean IS 'Mean probability of anger over the scored frames, 0..1: what reports follow. NULL if none was scored.';
COMMENT ON COLUMN patient_days.disgust_mean IS 'Mean probability of disgust over the scored frames, 0..1: what reports follow. NULL if none was scored.';
COMMENT ON COLUMN patient_days.fear_mean IS 'Mean probability of fear over the scored frames, 0..1: what reports follow. NULL if none was scored.';
COMMENT ON COLUMN patient_days.contempt_mean IS 'Mean probability of contempt over the scored frames, 0..1: what reports follow. NULL if none was scored.';
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

CREATE OR REPLACE VIEW plain.days AS
SELECT
    patient_id, session_date, sessions,
    round(duration_s / 60, 1) AS minutes,
    frames_scored,
    CAST(round(100 * scored_share) AS INTEGER) AS scored_percent,
    round(100 * neutral_mean, 1) AS neutral_percent,
    round(100 * happiness_mean, 1) AS happiness_percent,
    round(100 * sadness_mean, 1) AS sadness_percent,
    round(100 * anger_mean, 1) AS anger_percent,
    smiles,
    round(smile_s, 1) AS smile_s,
    round(pain_activity_mean, 3) AS pain_activity,
    pain_activity_episodes,
    round(expressivity_mean, 3) AS expressivity
FROM main.patient_days
ORDER BY patient_id, session_date;

CREATE OR REPLACE VIEW plain.sessions AS
SELECT
    summary.patient_id, summary.session_id, summary.session_date,
    make_timestamp(epoch_us(summary.started_at) + CAST(utc_offset_s AS BIGINT) * 1000000) AS local_time,
    round(summary.duration_s / 60, 1) AS minutes,
    summary.frames_scored,
    CAST(round(100 * summary.frames_scored / nullif(summary.frames_sampled, 0)) AS INTEGER) AS scored_percent,
    CASE greatest(frames_no_face, frames_not_subject, frames_too_small, frames_too_dark, frames_too_bright, frames_too_blurred, frames_covered)
        WHEN 0 THEN NULL
        WHEN frames_no_face THEN 'no_face'
        WHEN frames_not_subject THEN 'not_subject'
        WHEN frames_too_small THEN 'too_small'
        WHEN frames_too_dark THEN 'too_dark'
        WHEN frames_too_bright THEN 'too_bright'
        WHEN frames_too_blurred THEN 'too_blurred'
        WHEN frames_covered THEN 'covered'
    END AS most_common_obstacle,
    CASE greatest(neutral_share, happiness_share, surprise_share, sadness_share, anger_share, disgust_share, fear_share, contempt_share)
        WHEN neutral_share THEN 'neutral'
        WHEN happiness_share THEN 'happiness'
        WHEN surprise_share THEN 'surprise'
        WHEN sadness_share THEN 'sadness'
        WHEN anger_share THEN 'anger'
        WHEN disgust_share THEN 'disgust'
        WHEN fear_share THEN 'fear'
        WHEN contempt_share THEN 'contempt'
    END AS leading_expression,
    round(100 * neutral_mean, 1) AS neutral_percent,
    round(100 * happiness_mean, 1) AS happiness_percent,
    round(100 * sadness_mean, 1) AS sadness_percent,
    CASE WHEN summary.frames_scored > 0 THEN coalesce(smile_counts.smiles, 0) END AS smiles,
    round(pain_activity_mean, 3) AS pain_activity,
    round(expressivity_mean, 3) AS expressivity
FROM main.session_summary AS summary
SEMI JOIN main.active_scorings USING (scoring_id)
LEFT JOIN (
    SELECT scoring_id, count(*) AS smiles
    FROM main.episodes
    WHERE kind = 'smile'
    GROUP BY scoring_id
) AS smile_counts USING (scoring_id)
ORDER BY summary.patient_id, summary.started_at, summary.session_id;

COMMENT ON VIEW plain.days IS 'One row per patient and day, by the active bundle: begin here. patient_days has everything that is known of a day.';
COMMENT ON COLUMN plain.days.patient_id IS 'Whose it is: the pseudonym, as in patients.';
COMMENT ON COLUMN plain.days.session_date IS 'Local calendar day.';
COMMENT ON COLUMN plain.days.sessions IS 'Sessions, count.';
COMMENT ON COLUMN plain.days.minutes IS 'Length of the recordings, minutes. NULL if no video says.';
COMMENT ON COLUMN plain.days.frames_scored IS 'Sampled frames in which the patient was scored, count.';
COMMENT ON COLUMN plain.days.scored_percent IS 'Share of the sampled frames that were scored, percent: how much was seen.';
COMMENT ON COLUMN plain.days.neutral_percent IS 'Estimated share of the time with neutral, percent: its mean probability over the scored frames, as in reports. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.happiness_percent IS 'Estimated share of the time with happiness, percent: its mean probability over the scored frames, as in reports. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.sadness_percent IS 'Estimated share of the time with sadness, percent: its mean probability over the scored frames, as in reports. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.anger_percent IS 'Estimated share of the time with anger, percent: its mean probability over the scored frames, as in reports. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.smiles IS 'Smiles, count: happiness at 0.5 or above in two frames or more, as in episodes. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.smile_s IS 'Length of the smiles together, seconds. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.pain_activity IS 'Mean pain-related facial activity, 0..1, to be compared with the patient''s own past only. Not a pain score. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.pain_activity_episodes IS 'Episodes of pain-related facial activity, count; see episodes. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.expressivity IS 'Mean of 1 minus the probability of neutral, 0..1. NULL if no frame was scored.';

COMMENT ON VIEW plain.sessions IS 'One row per session, by the active bundle. session_summary has everything that is known of a session, by every bundle.';
COMMENT ON COLUMN plain.sessions.patient_id IS 'Whose it is: the pseudonym, as in patients.';
COMMENT ON COLUMN plain.sessions.session_id IS 'The session.';
COMMENT ON COLUMN plain.sessions.session_date IS 'Local calendar day.';
COMMENT ON COLUMN plain.sessions.local_time IS 'When it began, by the clock on the wall.';
COMMENT ON COLUMN plain.sessions.minutes IS 'Length of the recordings, minutes. NULL if no video says.';
COMMENT ON COLUMN plain.sessions.frames_scored IS 'Sampled frames in which the patient was scored, count.';
COMMENT ON COLUMN plain.sessions.scored_percent IS 'Share of the sampled frames that were scored, percent: how much was seen.';
COMMENT ON COLUMN plain.sessions.most_common_obstacle IS 'Why most of the frames without scores have none, as reason in frames. NULL if every frame was scored.';
COMMENT ON COLUMN plain.sessions.leading_expression IS 'The expression that leads in most of the frames. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.neutral_percent IS 'Estimated share of the time with neutral, percent: its mean probability over the scored frames, as in reports. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.happiness_percent IS 'Estimated share of the time with happiness, percent: its mean probability over the scored frames, as in reports. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.sadness_percent IS 'Estimated share of the time with sadness, percent: its mean probability over the scored frames, as in reports. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.smiles IS 'Smiles, count: happiness at 0.5 or above in two frames or more, as in episodes. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.pain_activity IS 'Mean pain-related facial activity, 0..1, to be compared with the patient''s own past only. Not a pain score. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.expressivity IS 'Mean of 1 minus the probability of neutral, 0..1. NULL if no frame was scored.';

COMMENT ON COLUMN accepted_levels.undone_at IS 'When it was undone with `pmfer findings undo`; it no longer counts. NULL while it counts.';
