-- A mean over a session stands for the session, so a measure needs at least half of its scored frames.
-- Otherwise a cover that slips for a second would leave a figure of that second, which counts for the whole session.

CREATE MACRO session_mean(score, scored) AS CASE WHEN 2 * count(score) >= count(scored) THEN mean_score(score) END;
COMMENT ON MACRO session_mean IS 'Mean of a score that may be missing where part of the face is covered; NULL if it is there in fewer than half of the rows that have the other value, a score that every scored frame has. See mean_score.';

CREATE OR REPLACE MACRO session_rollups_of(frame_rows) AS TABLE
SELECT
    scoring_id, session_id,
    count(*) AS frames_sampled,
    count(neutral) AS frames_scored,
    count(*) FILTER (face_count > 1) AS frames_several_faces,
    count(*) FILTER (reason = 'no_face') AS frames_no_face,
    count(*) FILTER (reason = 'not_subject') AS frames_not_subject,
    count(*) FILTER (reason = 'too_small') AS frames_too_small,
    count(*) FILTER (reason = 'too_dark') AS frames_too_dark,
    count(*) FILTER (reason = 'too_bright') AS frames_too_bright,
    count(*) FILTER (reason = 'too_blurred') AS frames_too_blurred,
    count(*) FILTER (leading_expression = 'neutral') AS frames_neutral,
    count(*) FILTER (leading_expression = 'happiness') AS frames_happiness,
    count(*) FILTER (leading_expression = 'surprise') AS frames_surprise,
    count(*) FILTER (leading_expression = 'sadness') AS frames_sadness,
    count(*) FILTER (leading_expression = 'anger') AS frames_anger,
    count(*) FILTER (leading_expression = 'disgust') AS frames_disgust,
    count(*) FILTER (leading_expression = 'fear') AS frames_fear,
    count(*) FILTER (leading_expression = 'contempt') AS frames_contempt,
    mean_score(neutral) AS neutral_mean, mean_score(happiness) AS happiness_mean,
    mean_score(surprise) AS surprise_mean, mean_score(sadness) AS sadness_mean, mean_score(anger) AS anger_mean,
    mean_score(disgust) AS disgust_mean, mean_score(fear) AS fear_mean, mean_score(contempt) AS contempt_mean,
    session_mean(au01, neutral) AS au01_mean, session_mean(au02, neutral) AS au02_mean,
    session_mean(au04, neutral) AS au04_mean, session_mean(au05, neutral) AS au05_mean,
    session_mean(au06, neutral) AS au06_mean, session_mean(au07, neutral) AS au07_mean,
    session_mean(au09, neutral) AS au09_mean, session_mean(au10, neutral) AS au10_mean,
    session_mean(au12, neutral) AS au12_mean, session_mean(au14, neutral) AS au14_mean,
    session_mean(au15, neutral) AS au15_mean, session_mean(au16, neutral) AS au16_mean,
    session_mean(au17, neutral) AS au17_mean, session_mean(au20, neutral) AS au20_mean,
    session_mean(au23, neutral) AS au23_mean, session_mean(au24, neutral) AS au24_mean,
    session_mean(au25, neutral) AS au25_mean, session_mean(au26, neutral) AS au26_mean,
    session_mean(au27, neutral) AS au27_mean, session_mean(au43, neutral) AS au43_mean,
    session_mean(pain_activity, neutral) AS pain_activity_mean,
    mean_score(expressivity) AS expressivity_mean,
    median(brightness) AS brightness_median,
    median(sharpness) AS sharpness_median,
    median(face_size_px) AS face_size_px_median,
    median(abs(yaw_deg)) AS yaw_abs_median_deg,
    count(*) FILTER (reason = 'covered') AS frames_covered
FROM (
    SELECT
        *,
        leading_expression_of(neutral, happiness, surprise, sadness, anger, disgust, fear, contempt) AS leading_expression,
        1 - neutral AS expressivity
    FROM query_table(frame_rows)
)
GROUP BY scoring_id, session_id;
COMMENT ON MACRO TABLE session_rollups_of IS 'Rows of session_rollups computed from a relation with the columns of frame_scores, given by name: session_rollups_of(''frame_scores''). Reads all its frames.';

-- Scorings whose frames were too old to be kept stay as they are.
DELETE FROM session_rollups WHERE scoring_id IN (SELECT scoring_id FROM stored_frames);
INSERT INTO session_rollups BY NAME FROM session_rollups_of('frame_scores');

COMMENT ON COLUMN night_quality.frames_covered IS 'Sampled frames not scored because too much of the subject''s face is covered or outside the picture, count.';
COMMENT ON COLUMN patient_days.neutral_mean IS 'Mean probability of neutral over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.happiness_mean IS 'Mean probability of happiness over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.surprise_mean IS 'Mean probability of surprise over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.sadness_mean IS 'Mean probability of sadness over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.anger_mean IS 'Mean probability of anger over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.disgust_mean IS 'Mean probability of disgust over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.fear_mean IS 'Mean probability of fear over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.contempt_mean IS 'Mean probability of contempt over the scored frames of all sessions, 0..1; reports leave out sessions in which too little was seen. NULL if none was scored.';
COMMENT ON COLUMN patient_days.au01_mean IS 'AU 1, inner brow raiser: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au02_mean IS 'AU 2, outer brow raiser: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au04_mean IS 'AU 4, brow lowerer: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au05_mean IS 'AU 5, upper lid raiser: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au06_mean IS 'AU 6, cheek raiser: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au07_mean IS 'AU 7, lid tightener: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au09_mean IS 'AU 9, nose wrinkler: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au10_mean IS 'AU 10, upper lip raiser: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au12_mean IS 'AU 12, lip corner puller: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au14_mean IS 'AU 14, dimpler: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au15_mean IS 'AU 15, lip corner depressor: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au16_mean IS 'AU 16, lower lip depressor: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au17_mean IS 'AU 17, chin raiser: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au20_mean IS 'AU 20, lip stretcher: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au23_mean IS 'AU 23, lip tightener: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au24_mean IS 'AU 24, lip pressor: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au25_mean IS 'AU 25, lips part: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au26_mean IS 'AU 26, jaw drop: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au27_mean IS 'AU 27, mouth stretch: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.au43_mean IS 'AU 43, eyes closed: mean alignment with the phrase over the day''s sessions that have it, each weighted by its scored frames, 0..1. NULL if no session has it.';
COMMENT ON COLUMN patient_days.pain_activity_mean IS 'Mean pain-related facial activity over the day''s sessions that have it, each weighted by its scored frames, 0..1; see frames.pain_activity. Not a pain score. NULL if no session has it.';
COMMENT ON COLUMN session_rollups.au01_mean IS 'AU 1, inner brow raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au02_mean IS 'AU 2, outer brow raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au04_mean IS 'AU 4, brow lowerer: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au05_mean IS 'AU 5, upper lid raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au06_mean IS 'AU 6, cheek raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au07_mean IS 'AU 7, lid tightener: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au09_mean IS 'AU 9, nose wrinkler: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au10_mean IS 'AU 10, upper lip raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au12_mean IS 'AU 12, lip corner puller: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au14_mean IS 'AU 14, dimpler: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au15_mean IS 'AU 15, lip corner depressor: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au16_mean IS 'AU 16, lower lip depressor: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au17_mean IS 'AU 17, chin raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au20_mean IS 'AU 20, lip stretcher: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au23_mean IS 'AU 23, lip tightener: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au24_mean IS 'AU 24, lip pressor: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au25_mean IS 'AU 25, lips part: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au26_mean IS 'AU 26, jaw drop: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au27_mean IS 'AU 27, mouth stretch: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.au43_mean IS 'AU 43, eyes closed: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.pain_activity_mean IS 'Mean pain-related facial activity over the scored frames that measured it, 0..1; see frames.pain_activity. Not a pain score. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_rollups.frames_covered IS 'Sampled frames not scored because too much of the subject''s face is covered or outside the picture, count.';
COMMENT ON COLUMN session_summary.frames_covered IS 'Sampled frames not scored because too much of the subject''s face is covered or outside the picture, count.';
COMMENT ON COLUMN session_summary.au01_mean IS 'AU 1, inner brow raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au02_mean IS 'AU 2, outer brow raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au04_mean IS 'AU 4, brow lowerer: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au05_mean IS 'AU 5, upper lid raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au06_mean IS 'AU 6, cheek raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au07_mean IS 'AU 7, lid tightener: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au09_mean IS 'AU 9, nose wrinkler: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au10_mean IS 'AU 10, upper lip raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au12_mean IS 'AU 12, lip corner puller: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au14_mean IS 'AU 14, dimpler: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au15_mean IS 'AU 15, lip corner depressor: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au16_mean IS 'AU 16, lower lip depressor: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au17_mean IS 'AU 17, chin raiser: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au20_mean IS 'AU 20, lip stretcher: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au23_mean IS 'AU 23, lip tightener: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au24_mean IS 'AU 24, lip pressor: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au25_mean IS 'AU 25, lips part: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au26_mean IS 'AU 26, jaw drop: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au27_mean IS 'AU 27, mouth stretch: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.au43_mean IS 'AU 43, eyes closed: mean alignment with the phrase over the scored frames that measured it, 0..1. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN session_summary.pain_activity_mean IS 'Mean pain-related facial activity over the scored frames that measured it, 0..1; see frames.pain_activity. Not a pain score. NULL if those are fewer than half of the scored frames.';
COMMENT ON COLUMN plain.days.neutral_percent IS 'Estimated share of the time with neutral, percent: its mean probability over the scored frames of all sessions; reports leave out sessions in which too little was seen. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.happiness_percent IS 'Estimated share of the time with happiness, percent: its mean probability over the scored frames of all sessions; reports leave out sessions in which too little was seen. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.sadness_percent IS 'Estimated share of the time with sadness, percent: its mean probability over the scored frames of all sessions; reports leave out sessions in which too little was seen. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.anger_percent IS 'Estimated share of the time with anger, percent: its mean probability over the scored frames of all sessions; reports leave out sessions in which too little was seen. NULL if no frame was scored.';
COMMENT ON COLUMN plain.days.pain_activity IS 'Mean pain-related facial activity, 0..1, to be compared with the patient''s own past only. Not a pain score. NULL if no session has it.';
COMMENT ON COLUMN plain.frames.pain_activity IS 'Pain-related facial activity, 0..1, to be compared with the patient''s own past only. Not a pain score. NULL if not scored or if covered.';
COMMENT ON COLUMN plain.frames.au04 IS 'Brows lowered: alignment of the face with the phrase, 0..1. NULL if not scored or if covered.';
COMMENT ON COLUMN plain.frames.au12 IS 'Lip corners pulled up: alignment of the face with the phrase, 0..1. NULL if not scored or if covered.';
COMMENT ON COLUMN plain.sessions.pain_activity IS 'Mean pain-related facial activity, 0..1, to be compared with the patient''s own past only. Not a pain score. NULL if fewer than half of the scored frames have it.';
