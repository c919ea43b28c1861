-- Pain-related facial activity is computed once, when a session is scored, and kept with the frame.
-- It needs the frames around it, since a sleeper's eyes do not count. Frames of earlier releases keep the value that they
-- had, without that and with the cheeks of a smile. And a face may be covered: such frames have a reason of their own.

ALTER TABLE stored_frames ADD COLUMN pain_activity DECIMAL(4, 3);
COMMENT ON COLUMN stored_frames.pain_activity IS 'As in frame_scores, to three decimals.';
UPDATE stored_frames SET pain_activity = CAST(pain_activity_of(au04, au06, au07, au09, au10, au43) AS DECIMAL(4, 3));
CREATE OR REPLACE VIEW frame_scores AS
SELECT
    scoring_id,
    session_id, frame_index, pts_s, face_count, track_id, is_subject, CAST(box_x_px AS FLOAT) AS box_x_px,
    CAST(box_y_px AS FLOAT) AS box_y_px, CAST(box_w_px AS FLOAT) AS box_w_px, CAST(box_h_px AS FLOAT) AS box_h_px,
    CAST(detection_score AS FLOAT) AS detection_score, CAST(sharpness AS FLOAT) AS sharpness,
    CAST(brightness AS FLOAT) AS brightness, CAST(face_size_px AS FLOAT) AS face_size_px,
    CAST(yaw_deg AS FLOAT) AS yaw_deg, CAST(pitch_deg AS FLOAT) AS pitch_deg, CAST(roll_deg AS FLOAT) AS roll_deg,
    CAST(occlusion AS FLOAT) AS occlusion, reason, CAST(neutral AS FLOAT) AS neutral,
    CAST(happiness AS FLOAT) AS happiness, CAST(surprise AS FLOAT) AS surprise, CAST(sadness AS FLOAT) AS sadness,
    CAST(anger AS FLOAT) AS anger, CAST(disgust AS FLOAT) AS disgust, CAST(fear AS FLOAT) AS fear,
    CAST(contempt AS FLOAT) AS contempt, CAST(au01 AS FLOAT) AS au01, CAST(au02 AS FLOAT) AS au02,
    CAST(au04 AS FLOAT) AS au04, CAST(au05 AS FLOAT) AS au05, CAST(au06 AS FLOAT) AS au06,
    CAST(au07 AS FLOAT) AS au07, CAST(au09 AS FLOAT) AS au09, CAST(au10 AS FLOAT) AS au10,
    CAST(au12 AS FLOAT) AS au12, CAST(au14 AS FLOAT) AS au14, CAST(au15 AS FLOAT) AS au15,
    CAST(au16 AS FLOAT) AS au16, CAST(au17 AS FLOAT) AS au17, CAST(au20 AS FLOAT) AS au20,
    CAST(au23 AS FLOAT) AS au23, CAST(au24 AS FLOAT) AS au24, CAST(au25 AS FLOAT) AS au25,
    CAST(au26 AS FLOAT) AS au26, CAST(au27 AS FLOAT) AS au27, CAST(au43 AS FLOAT) AS au43,
    CAST(pain_activity AS FLOAT) AS pain_activity
FROM stored_frames;
COMMENT ON VIEW frame_scores IS 'One row per sampled frame of a scoring. A frame without scores has NULLs and a reason. Faces of other people are counted, never boxed or scored.';
COMMENT ON COLUMN frame_scores.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN frame_scores.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN frame_scores.frame_index IS 'Number of the frame in decode order, from 0; unique and increasing within a scoring.';
COMMENT ON COLUMN frame_scores.pts_s IS 'Presentation time from the container, seconds; right for variable frame rates. Never decreases within a scoring.';
COMMENT ON COLUMN frame_scores.face_count IS 'Faces found in the frame, count, those of other people included.';
COMMENT ON COLUMN frame_scores.track_id IS 'Track of the subject''s face within the session; NULL without the subject.';
COMMENT ON COLUMN frame_scores.is_subject IS 'True when the box in this row is that of the session''s subject; false when the frame has no face of the subject.';
COMMENT ON COLUMN frame_scores.box_x_px IS 'Left edge of the subject''s face box, pixels of the decoded frame; may lie outside. NULL without the subject.';
COMMENT ON COLUMN frame_scores.box_y_px IS 'Top edge of the subject''s face box, pixels of the decoded frame; may lie outside. NULL without the subject.';
COMMENT ON COLUMN frame_scores.box_w_px IS 'Width of the subject''s face box, pixels. NULL without the subject.';
COMMENT ON COLUMN frame_scores.box_h_px IS 'Height of the subject''s face box, pixels. NULL without the subject.';
COMMENT ON COLUMN frame_scores.detection_score IS 'Confidence of the face detector, 0..1; detectors differ in scale. NULL without the subject.';
COMMENT ON COLUMN frame_scores.sharpness IS 'Sharpness of the subject''s face, from 0, larger is sharper; comparable within one set of scoring options. NULL if not measured.';
COMMENT ON COLUMN frame_scores.brightness IS 'Mean brightness of the subject''s face, 0 black to 1 white. NULL if not measured.';
COMMENT ON COLUMN frame_scores.face_size_px IS 'Square root of box width times height, pixels. NULL without the subject.';
COMMENT ON COLUMN frame_scores.yaw_deg IS 'Head turned sideways, degrees, -180..180, 0 facing the camera, positive when the nose points to the right of the picture; a rough estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.pitch_deg IS 'Head tilted up or down, degrees, -180..180, 0 facing the camera, positive when the chin is raised; a rough estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.roll_deg IS 'Head leaning to a shoulder, degrees, -180..180, 0 upright, positive clockwise in the picture; an estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.occlusion IS 'Share of the subject''s face that is covered, 0..1, as the model estimates it. NULL if not scored, or by a bundle that cannot tell.';
COMMENT ON COLUMN frame_scores.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright, too_blurred or covered. NULL when scored.';
COMMENT ON COLUMN frame_scores.neutral IS 'Probability of neutral, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.happiness IS 'Probability of happiness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.surprise IS 'Probability of surprise, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.sadness IS 'Probability of sadness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.anger IS 'Probability of anger, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.disgust IS 'Probability of disgust, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.fear IS 'Probability of fear, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.contempt IS 'Probability of contempt, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au01 IS 'AU 1, inner brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au02 IS 'AU 2, outer brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au04 IS 'AU 4, brow lowerer: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au05 IS 'AU 5, upper lid raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au06 IS 'AU 6, cheek raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au07 IS 'AU 7, lid tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au09 IS 'AU 9, nose wrinkler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au10 IS 'AU 10, upper lip raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au12 IS 'AU 12, lip corner puller: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au14 IS 'AU 14, dimpler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au15 IS 'AU 15, lip corner depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au16 IS 'AU 16, lower lip depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au17 IS 'AU 17, chin raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au20 IS 'AU 20, lip stretcher: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au23 IS 'AU 23, lip tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au24 IS 'AU 24, lip pressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au25 IS 'AU 25, lips part: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au26 IS 'AU 26, jaw drop: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au27 IS 'AU 27, mouth stretch: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.au43 IS 'AU 43, eyes closed: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frame_scores.pain_activity IS 'Pain-related facial activity, 0..1: mean of AU 4, the larger of AU 6 and 7 where the face does not smile, the larger of AU 9 and 10, and AU 43 unless the eyes stay closed for long. Not a pain score. NULL if not scored or if one of them is covered.';

COMMENT ON COLUMN stored_frames.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright, too_blurred or covered. NULL when scored.';

CREATE OR REPLACE VIEW frames AS
SELECT
    sessions.patient_id, sessions.session_date, sessions.started_at, scorings.bundle_id, scorings.options_sha256,
    scoring_id, session_id, frame_index, pts_s, face_count, track_id, is_subject,
    box_x_px, box_y_px, box_w_px, box_h_px, detection_score, sharpness, brightness, face_size_px,
    yaw_deg, pitch_deg, roll_deg, occlusion, reason,
    neutral, happiness, surprise, sadness, anger, disgust, fear, contempt,
    au01, au02, au04, au05, au06, au07, au09, au10, au12, au14,
    au15, au16, au17, au20, au23, au24, au25, au26, au27, au43,
    CASE greatest(neutral, happiness, surprise, sadness, anger, disgust, fear, contempt)
        WHEN neutral THEN 'neutral'
        WHEN happiness THEN 'happiness'
        WHEN surprise THEN 'surprise'
        WHEN sadness THEN 'sadness'
        WHEN anger THEN 'anger'
        WHEN disgust THEN 'disgust'
        WHEN fear THEN 'fear'
        WHEN contempt THEN 'contempt'
    END AS leading_expression,
    1 - neutral AS expressivity,
    pain_activity
FROM frame_scores
JOIN scorings USING (scoring_id, session_id)
JOIN sessions USING (session_id);
COMMENT ON VIEW frames IS 'Every sampled frame with its patient, day, bundle and derived measures. A session that was scored with two bundles has its frames twice: choose bundle_id and options_sha256.';
COMMENT ON COLUMN frames.patient_id IS 'Whose session it is, as in patients.';
COMMENT ON COLUMN frames.session_date IS 'Local calendar day of the session''s start.';
COMMENT ON COLUMN frames.started_at IS 'Start of the session''s recording.';
COMMENT ON COLUMN frames.bundle_id IS 'The bundle that scored it, as in bundles. Compare scores of one bundle only.';
COMMENT ON COLUMN frames.options_sha256 IS 'SHA-256 of the scoring options, 64 hex digits. Compare scores of one set of options only.';
COMMENT ON COLUMN frames.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN frames.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN frames.frame_index IS 'Number of the frame in decode order, from 0; unique and increasing within a scoring.';
COMMENT ON COLUMN frames.pts_s IS 'Presentation time from the container, seconds; right for variable frame rates. Never decreases within a scoring.';
COMMENT ON COLUMN frames.face_count IS 'Faces found in the frame, count, those of other people included.';
COMMENT ON COLUMN frames.track_id IS 'Track of the subject''s face within the session; NULL without the subject.';
COMMENT ON COLUMN frames.is_subject IS 'True when the box in this row is that of the session''s subject; false when the frame has no face of the subject.';
COMMENT ON COLUMN frames.box_x_px IS 'Left edge of the subject''s face box, pixels of the decoded frame; may lie outside. NULL without the subject.';
COMMENT ON COLUMN frames.box_y_px IS 'Top edge of the subject''s face box, pixels of the decoded frame; may lie outside. NULL without the subject.';
COMMENT ON COLUMN frames.box_w_px IS 'Width of the subject''s face box, pixels. NULL without the subject.';
COMMENT ON COLUMN frames.box_h_px IS 'Height of the subject''s face box, pixels. NULL without the subject.';
COMMENT ON COLUMN frames.detection_score IS 'Confidence of the face detector, 0..1; detectors differ in scale. NULL without the subject.';
COMMENT ON COLUMN frames.sharpness IS 'Sharpness of the subject''s face, from 0, larger is sharper; comparable within one set of scoring options. NULL if not measured.';
COMMENT ON COLUMN frames.brightness IS 'Mean brightness of the subject''s face, 0 black to 1 white. NULL if not measured.';
COMMENT ON COLUMN frames.face_size_px IS 'Square root of box width times height, pixels. NULL without the subject.';
COMMENT ON COLUMN frames.yaw_deg IS 'Head turned sideways, degrees, -180..180, 0 facing the camera, positive when the nose points to the right of the picture; a rough estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frames.pitch_deg IS 'Head tilted up or down, degrees, -180..180, 0 facing the camera, positive when the chin is raised; a rough estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frames.roll_deg IS 'Head leaning to a shoulder, degrees, -180..180, 0 upright, positive clockwise in the picture; an estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frames.occlusion IS 'Share of the subject''s face that is covered, 0..1, as the model estimates it. NULL if not scored, or by a bundle that cannot tell.';
COMMENT ON COLUMN frames.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright, too_blurred or covered. NULL when scored.';
COMMENT ON COLUMN frames.neutral IS 'Probability of neutral, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.happiness IS 'Probability of happiness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.surprise IS 'Probability of surprise, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.sadness IS 'Probability of sadness, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.anger IS 'Probability of anger, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.disgust IS 'Probability of disgust, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.fear IS 'Probability of fear, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.contempt IS 'Probability of contempt, 0..1; the eight expressions of a frame sum to 1, rounded to three decimals each: within 0.004. NULL if not scored.';
COMMENT ON COLUMN frames.au01 IS 'AU 1, inner brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au02 IS 'AU 2, outer brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au04 IS 'AU 4, brow lowerer: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au05 IS 'AU 5, upper lid raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au06 IS 'AU 6, cheek raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au07 IS 'AU 7, lid tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au09 IS 'AU 9, nose wrinkler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au10 IS 'AU 10, upper lip raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au12 IS 'AU 12, lip corner puller: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au14 IS 'AU 14, dimpler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au15 IS 'AU 15, lip corner depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au16 IS 'AU 16, lower lip depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au17 IS 'AU 17, chin raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au20 IS 'AU 20, lip stretcher: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au23 IS 'AU 23, lip tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au24 IS 'AU 24, lip pressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au25 IS 'AU 25, lips part: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au26 IS 'AU 26, jaw drop: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au27 IS 'AU 27, mouth stretch: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.au43 IS 'AU 43, eyes closed: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored or if its region of the face is covered.';
COMMENT ON COLUMN frames.leading_expression IS 'The most probable expression; at a tie the first in the order of the columns. NULL if not scored.';
COMMENT ON COLUMN frames.expressivity IS '1 minus the probability of neutral, 0..1. NULL if not scored.';
COMMENT ON COLUMN frames.pain_activity IS 'Pain-related facial activity, 0..1: mean of AU 4, the larger of AU 6 and 7 where the face does not smile, the larger of AU 9 and 10, and AU 43 unless the eyes stay closed for long. Not a pain score. NULL if not scored or if one of them is covered.';

ALTER TABLE session_rollups ADD COLUMN frames_covered BIGINT;
COMMENT ON COLUMN session_rollups.frames_covered IS 'Sampled frames not scored because too much of the subject''s face is covered, count.';
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
    mean_score(au01) AS au01_mean, mean_score(au02) AS au02_mean, mean_score(au04) AS au04_mean,
    mean_score(au05) AS au05_mean, mean_score(au06) AS au06_mean, mean_score(au07) AS au07_mean,
    mean_score(au09) AS au09_mean, mean_score(au10) AS au10_mean, mean_score(au12) AS au12_mean,
    mean_score(au14) AS au14_mean, mean_score(au15) AS au15_mean, mean_score(au16) AS au16_mean,
    mean_score(au17) AS au17_mean, mean_score(au20) AS au20_mean, mean_score(au23) AS au23_mean,
    mean_score(au24) AS au24_mean, mean_score(au25) AS au25_mean, mean_score(au26) AS au26_mean,
    mean_score(au27) AS au27_mean, mean_score(au43) AS au43_mean, mean_score(pain_activity) AS pain_activity_mean,
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

CREATE OR REPLACE MACRO episodes_of(frame_rows) AS TABLE
WITH measured AS (
    SELECT
        scoring_id, frame_index,
        -- Rounded: 0.9999999 s, left by subtracting, is one second.
        round(pts_s - min(pts_s) OVER (PARTITION BY scoring_id), 6) AS time_s,
        happiness AS smile,
        au04 AS brow_lowering,
        au43 AS eyes_closed,
        pain_activity
    FROM query_table(frame_rows)
),
high AS (
    SELECT scoring_id, frame_index, time_s, kind, value
    FROM measured
    UNPIVOT (value FOR kind IN (smile, brow_lowering, eyes_closed, pain_activity))
    WHERE value >= 0.5
),
gaps AS (
    SELECT *, round(time_s - lag(time_s) OVER one_kind, 6) AS gap_s
    FROM high
    WINDOW one_kind AS (PARTITION BY scoring_id, kind ORDER BY frame_index)
),
numbered AS (
    SELECT *, count(*) FILTER (gap_s IS NULL OR gap_s > 1) OVER one_kind AS number
    FROM gaps
    WINDOW one_kind AS (PARTITION BY scoring_id, kind ORDER BY frame_index)
)
SELECT
    scoring_id, kind,
    min(time_s) AS start_s,
    max(time_s) AS end_s,
    count(*) AS frames,
    max(value) AS peak,
    mean_score(value) AS mean
FROM numbered
GROUP BY scoring_id, kind, number
HAVING count(*) >= 2;
COMMENT ON MACRO TABLE episodes_of IS 'Rows of episodes computed from a relation with the columns of frame_scores, given by name: episodes_of(''frame_scores''). Reads all its frames.';
DROP MACRO pain_activity_of;

CREATE OR REPLACE VIEW night_quality AS
WITH scored AS (
    SELECT
        session_date AS night,
        count(*) AS sessions,
        count(DISTINCT patient_id) AS patients,
        count(*) FILTER (active_scorings.frames_scored = 0) AS sessions_without_scores,
        count(warning) AS sessions_with_warning,
        CAST(sum(active_scorings.frames_sampled) AS BIGINT) AS frames_sampled,
        CAST(sum(frames_with_face) AS BIGINT) AS frames_with_face,
        CAST(sum(active_scorings.frames_scored) AS BIGINT) AS frames_scored,
        CAST(sum(frames_several_faces) AS BIGINT) AS frames_several_faces,
        CAST(sum(frames_no_face) AS BIGINT) AS frames_no_face,
        CAST(sum(frames_not_subject) AS BIGINT) AS frames_not_subject,
        CAST(sum(frames_too_small) AS BIGINT) AS frames_too_small,
        CAST(sum(frames_too_dark) AS BIGINT) AS frames_too_dark,
        CAST(sum(frames_too_bright) AS BIGINT) AS frames_too_bright,
        CAST(sum(frames_too_blurred) AS BIGINT) AS frames_too_blurred,
        CAST(coalesce(sum(frames_covered), 0) AS BIGINT) AS frames_covered,
        median(brightness_median) AS brightness_median,
        median(sharpness_median) AS sharpness_median,
        median(face_size_px_median) AS face_size_px_median
    FROM active_scorings
    JOIN session_rollups USING (scoring_id, session_id)
    GROUP BY session_date
),
set_aside AS (
    SELECT night, count(*) AS sessions_set_aside
    FROM quarantine
    GROUP BY night
)
SELECT
    night,
    coalesce(sessions, 0) AS sessions,
    coalesce(sessions_set_aside, 0) AS sessions_set_aside,
    patients, sessions_without_scores, sessions_with_warning,
    frames_sampled, frames_with_face, frames_scored,
    frames_scored / nullif(frames_sampled, 0) AS scored_share,
    frames_several_faces,
    frames_no_face, frames_not_subject, frames_too_small, frames_too_dark, frames_too_bright, frames_too_blurred,
    frames_covered,
    brightness_median, sharpness_median, face_size_px_median
FROM scored
FULL JOIN set_aside USING (night);
COMMENT ON VIEW night_quality IS 'One row per day with sessions that the active bundle scored or that were set aside: how much could be scored, and what was in the way. Counts of frames are NULL on a day on which nothing was scored.';
COMMENT ON COLUMN night_quality.night IS 'The day whose sessions were processed, local calendar day of their start.';
COMMENT ON COLUMN night_quality.sessions IS 'Sessions scored, count.';
COMMENT ON COLUMN night_quality.sessions_set_aside IS 'Sources in quarantine, count.';
COMMENT ON COLUMN night_quality.patients IS 'Patients with a session scored, count.';
COMMENT ON COLUMN night_quality.sessions_without_scores IS 'Sessions of which no frame could be scored, count.';
COMMENT ON COLUMN night_quality.sessions_with_warning IS 'Sessions of which the decoder complained, count.';
COMMENT ON COLUMN night_quality.frames_sampled IS 'Frames sampled, count.';
COMMENT ON COLUMN night_quality.frames_with_face IS 'Sampled frames with at least one face, count.';
COMMENT ON COLUMN night_quality.frames_scored IS 'Sampled frames in which the subject was scored, count.';
COMMENT ON COLUMN night_quality.scored_share IS 'Share of the sampled frames that were scored, 0..1.';
COMMENT ON COLUMN night_quality.frames_several_faces IS 'Sampled frames with more than one face, count.';
COMMENT ON COLUMN night_quality.frames_no_face IS 'Sampled frames without any face, count.';
COMMENT ON COLUMN night_quality.frames_not_subject IS 'Sampled frames with faces but none of the subject, count.';
COMMENT ON COLUMN night_quality.frames_too_small IS 'Sampled frames not scored because the subject''s face is too small, count.';
COMMENT ON COLUMN night_quality.frames_too_dark IS 'Sampled frames not scored because the subject''s face is too dark, count.';
COMMENT ON COLUMN night_quality.frames_too_bright IS 'Sampled frames not scored because the subject''s face is washed out, count.';
COMMENT ON COLUMN night_quality.frames_too_blurred IS 'Sampled frames not scored because the subject''s face is blurred, count.';
COMMENT ON COLUMN night_quality.frames_covered IS 'Sampled frames not scored because too much of the subject''s face is covered, count.';
COMMENT ON COLUMN night_quality.brightness_median IS 'Median of the sessions'' median brightness of the face, 0..1. NULL if none measured it.';
COMMENT ON COLUMN night_quality.sharpness_median IS 'Median of the sessions'' median sharpness of the face, from 0. NULL if none measured it.';
COMMENT ON COLUMN night_quality.face_size_px_median IS 'Median of the sessions'' median size of the face, pixels. NULL if none measured it.';

COMMENT ON COLUMN phrase_quantiles.frames_scored IS 'Scored frames of the scoring, count, from 1; those in which the phrase''s region of the face is covered are not behind its quantiles.';

-- What was computed from the frames follows the decimals that are stored now. Scorings whose frames were too old to be
-- kept stay as they are.
DELETE FROM session_rollups WHERE scoring_id IN (SELECT scoring_id FROM stored_frames);
DELETE FROM episodes WHERE scoring_id IN (SELECT scoring_id FROM stored_frames);
INSERT INTO session_rollups BY NAME FROM session_rollups_of('frame_scores');
INSERT INTO episodes BY NAME FROM episodes_of('frame_scores');
