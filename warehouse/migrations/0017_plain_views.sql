-- Three views to begin with, in a schema of their own: days, sessions and frames, as people read them.

CREATE SCHEMA plain;

CREATE VIEW plain.days AS
SELECT
    patient_id, session_date, sessions,
    round(duration_s / 60, 1) AS minutes,
    frames_scored,
    CAST(round(100 * scored_share) AS INTEGER) AS scored_percent,
    round(100 * neutral_share, 1) AS neutral_percent,
    round(100 * happiness_share, 1) AS happiness_percent,
    round(100 * sadness_share, 1) AS sadness_percent,
    round(100 * anger_share, 1) AS anger_percent,
    smiles,
    round(smile_s, 1) AS smile_s,
    round(pain_activity_mean, 3) AS pain_activity,
    pain_activity_episodes,
    round(expressivity_mean, 3) AS expressivity
FROM main.patient_days
ORDER BY patient_id, session_date;

CREATE VIEW plain.sessions AS
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
    round(100 * neutral_share, 1) AS neutral_percent,
    round(100 * happiness_share, 1) AS happiness_percent,
    round(100 * sadness_share, 1) AS sadness_percent,
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

CREATE VIEW plain.frames AS
SELECT
    seen.patient_id, seen.session_id, seen.session_date,
    make_timestamp(
        epoch_us(seen.started_at) + CAST(sessions.utc_offset_s AS BIGINT) * 1000000
        + CAST(round(pts_s * 1000000) AS BIGINT)
    ) AS local_time,
    frame_index,
    round(pts_s, 2) AS pts_s,
    leading_expression,
    greatest(neutral, happiness, surprise, sadness, anger, disgust, fear, contempt) AS confidence,
    neutral, happiness, sadness,
    round(CAST(pain_activity AS DOUBLE), 3) AS pain_activity,
    au04, au12,
    reason
FROM main.frames AS seen
SEMI JOIN main.active_scorings USING (scoring_id)
JOIN main.sessions AS sessions ON sessions.session_id = seen.session_id;

COMMENT ON VIEW plain.days IS 'One row per patient and day, by the active bundle: begin here. patient_days has everything that is known of a day.';
COMMENT ON COLUMN plain.days.patient_id IS 'Whose it is: the pseudonym, as in patients.';
COMMENT ON COLUMN plain.days.session_date IS 'Local calendar day.';
COMMENT ON COLUMN plain.days.sessions IS 'Sessions, count.';
COMMENT ON COLUMN plain.days.minutes IS 'Length of the recordings, minutes. NULL if no video says.';
COMMENT ON COLUMN plain.days.frames_scored IS 'Sampled frames in which the patient was scored, count.';
COMMENT ON COLUMN plain.days.scored_percent IS 'Share of the sampled frames that were scored, percent: how much was seen.';
COMMENT ON COLUMN plain.days.neutral_percent IS 'Share of the scored frames in which neutral is the most probable expression, percent. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.happiness_percent IS 'Share of the scored frames in which happiness is the most probable expression, percent. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.sadness_percent IS 'Share of the scored frames in which sadness is the most probable expression, percent. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.anger_percent IS 'Share of the scored frames in which anger is the most probable expression, percent. NULL if no frame was scored.';
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
COMMENT ON COLUMN plain.sessions.neutral_percent IS 'Share of the scored frames in which neutral is the most probable expression, percent. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.happiness_percent IS 'Share of the scored frames in which happiness is the most probable expression, percent. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.sadness_percent IS 'Share of the scored frames in which sadness is the most probable expression, percent. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.smiles IS 'Smiles, count: happiness at 0.5 or above in two frames or more, as in episodes. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.pain_activity IS 'Mean pain-related facial activity, 0..1, to be compared with the patient''s own past only. Not a pain score. NULL if no frame was scored.';
COMMENT ON COLUMN plain.sessions.expressivity IS 'Mean of 1 minus the probability of neutral, 0..1. NULL if no frame was scored.';

COMMENT ON VIEW plain.frames IS 'One row per sampled frame, by the active bundle. The view frames outside of this schema has all scores and measures, by every bundle.';
COMMENT ON COLUMN plain.frames.patient_id IS 'Whose it is: the pseudonym, as in patients.';
COMMENT ON COLUMN plain.frames.session_id IS 'The session.';
COMMENT ON COLUMN plain.frames.session_date IS 'Local calendar day of the session''s start.';
COMMENT ON COLUMN plain.frames.local_time IS 'When it was seen, by the clock on the wall.';
COMMENT ON COLUMN plain.frames.frame_index IS 'Number of the frame in the video, from 0.';
COMMENT ON COLUMN plain.frames.pts_s IS 'Time in the video, seconds.';
COMMENT ON COLUMN plain.frames.leading_expression IS 'The most probable expression. NULL if not scored.';
COMMENT ON COLUMN plain.frames.confidence IS 'Probability of the leading expression, 0..1. NULL if not scored.';
COMMENT ON COLUMN plain.frames.neutral IS 'Probability of neutral, 0..1. NULL if not scored.';
COMMENT ON COLUMN plain.frames.happiness IS 'Probability of happiness, 0..1. NULL if not scored.';
COMMENT ON COLUMN plain.frames.sadness IS 'Probability of sadness, 0..1. NULL if not scored.';
COMMENT ON COLUMN plain.frames.pain_activity IS 'Pain-related facial activity, 0..1, to be compared with the patient''s own past only. Not a pain score. NULL if not scored.';
COMMENT ON COLUMN plain.frames.au04 IS 'Brows lowered: alignment of the face with the phrase, 0..1. NULL if not scored.';
COMMENT ON COLUMN plain.frames.au12 IS 'Lip corners pulled up: alignment of the face with the phrase, 0..1. NULL if not scored.';
COMMENT ON COLUMN plain.frames.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright, too_blurred or covered. NULL when scored.';

-- What rounding does to the sum.
COMMENT ON COLUMN frame_scores.neutral IS 'Probability of neutral, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.happiness IS 'Probability of happiness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.surprise IS 'Probability of surprise, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.sadness IS 'Probability of sadness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.anger IS 'Probability of anger, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.disgust IS 'Probability of disgust, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.fear IS 'Probability of fear, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.contempt IS 'Probability of contempt, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.neutral IS 'Probability of neutral, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.happiness IS 'Probability of happiness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.surprise IS 'Probability of surprise, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.sadness IS 'Probability of sadness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.anger IS 'Probability of anger, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.disgust IS 'Probability of disgust, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.fear IS 'Probability of fear, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.contempt IS 'Probability of contempt, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN expression_scores.probability IS 'Probability of the expression, 0..1; the eight of a frame sum to 1, rounded to three decimals each: within 0.004.';
