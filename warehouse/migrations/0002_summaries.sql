-- What analysts and reports start from: every frame with whose it is and what it shows, and one row per scoring.
-- Columns are spelt out rather than starred, so that a later migration of a table cannot change a view behind its back.

-- Sums of floating-point numbers depend on their order, which threads share out anew every time; sums of decimals do not.
-- A report that is made again from the same frames must come out the same, to the last digit.
CREATE MACRO mean_score(score) AS avg(CAST(score AS DECIMAL(10, 9)));
COMMENT ON MACRO mean_score IS 'Mean of scores in 0..1, to nine decimals each: the same whatever the order of the rows. NULL if there are none.';

CREATE VIEW frames AS
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
    -- Prkachin and Solomon, Pain 139 (2008) 267-274, equation of the PSPI without its intensity weights, over its four terms.
    (au04 + greatest(au06, au07) + greatest(au09, au10) + au43) / 4 AS pain_activity
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
COMMENT ON COLUMN frames.occlusion IS 'Share of the subject''s face that is covered, 0..1. NULL if not estimated.';
COMMENT ON COLUMN frames.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright or too_blurred. NULL when scored.';
COMMENT ON COLUMN frames.neutral IS 'Probability of neutral, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.happiness IS 'Probability of happiness, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.surprise IS 'Probability of surprise, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.sadness IS 'Probability of sadness, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.anger IS 'Probability of anger, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.disgust IS 'Probability of disgust, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.fear IS 'Probability of fear, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.contempt IS 'Probability of contempt, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frames.au01 IS 'AU 1, inner brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au02 IS 'AU 2, outer brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au04 IS 'AU 4, brow lowerer: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au05 IS 'AU 5, upper lid raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au06 IS 'AU 6, cheek raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au07 IS 'AU 7, lid tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au09 IS 'AU 9, nose wrinkler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au10 IS 'AU 10, upper lip raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au12 IS 'AU 12, lip corner puller: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au14 IS 'AU 14, dimpler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au15 IS 'AU 15, lip corner depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au16 IS 'AU 16, lower lip depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au17 IS 'AU 17, chin raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au20 IS 'AU 20, lip stretcher: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au23 IS 'AU 23, lip tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au24 IS 'AU 24, lip pressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au25 IS 'AU 25, lips part: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au26 IS 'AU 26, jaw drop: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au27 IS 'AU 27, mouth stretch: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.au43 IS 'AU 43, eyes closed: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frames.leading_expression IS 'The most probable expression; at a tie the first in the order of the columns. NULL if not scored.';
COMMENT ON COLUMN frames.expressivity IS '1 minus the probability of neutral, 0..1. NULL if not scored.';
COMMENT ON COLUMN frames.pain_activity IS 'Pain-related facial activity, 0..1: mean of AU 4, the larger of AU 6 and 7, the larger of AU 9 and 10, and AU 43 (the action units of the PSPI). Not a pain score. NULL if not scored.';

-- Grouped by all columns of the session rather than joined to a finished aggregate: a condition on the patient or day then
-- reaches the scan of frame_scores, ten times as fast on a million frames.
CREATE VIEW session_summary AS
SELECT
    frames.scoring_id, frames.session_id, frames.patient_id, frames.session_date, frames.started_at, sessions.utc_offset_s,
    frames.bundle_id, frames.options_sha256, scorings.scored_at, scorings.duration_s,
    scorings.frames_decoded, scorings.frames_sampled, scorings.frames_with_face, scorings.frames_scored,
    count(*) FILTER (face_count > 1) AS frames_several_faces,
    count(*) FILTER (reason = 'no_face') AS frames_no_face,
    count(*) FILTER (reason = 'not_subject') AS frames_not_subject,
    count(*) FILTER (reason = 'too_small') AS frames_too_small,
    count(*) FILTER (reason = 'too_dark') AS frames_too_dark,
    count(*) FILTER (reason = 'too_bright') AS frames_too_bright,
    count(*) FILTER (reason = 'too_blurred') AS frames_too_blurred,
    -- Shares and means over the scored frames: NULL, not 0, where there are none.
    count(*) FILTER (leading_expression = 'neutral') / nullif(count(leading_expression), 0) AS neutral_share,
    count(*) FILTER (leading_expression = 'happiness') / nullif(count(leading_expression), 0) AS happiness_share,
    count(*) FILTER (leading_expression = 'surprise') / nullif(count(leading_expression), 0) AS surprise_share,
    count(*) FILTER (leading_expression = 'sadness') / nullif(count(leading_expression), 0) AS sadness_share,
    count(*) FILTER (leading_expression = 'anger') / nullif(count(leading_expression), 0) AS anger_share,
    count(*) FILTER (leading_expression = 'disgust') / nullif(count(leading_expression), 0) AS disgust_share,
    count(*) FILTER (leading_expression = 'fear') / nullif(count(leading_expression), 0) AS fear_share,
    count(*) FILTER (leading_expression = 'contempt') / nullif(count(leading_expression), 0) AS contempt_share,
    mean_score(neutral) AS neutral_mean, mean_score(happiness) AS happiness_mean, mean_score(surprise) AS surprise_mean, mean_score(sadness) AS sadness_mean,
    mean_score(anger) AS anger_mean, mean_score(disgust) AS disgust_mean, mean_score(fear) AS fear_mean, mean_score(contempt) AS contempt_mean,
    mean_score(au01) AS au01_mean, mean_score(au02) AS au02_mean, mean_score(au04) AS au04_mean, mean_score(au05) AS au05_mean,
    mean_score(au06) AS au06_mean, mean_score(au07) AS au07_mean, mean_score(au09) AS au09_mean, mean_score(au10) AS au10_mean,
    mean_score(au12) AS au12_mean, mean_score(au14) AS au14_mean, mean_score(au15) AS au15_mean, mean_score(au16) AS au16_mean,
    mean_score(au17) AS au17_mean, mean_score(au20) AS au20_mean, mean_score(au23) AS au23_mean, mean_score(au24) AS au24_mean,
    mean_score(au25) AS au25_mean, mean_score(au26) AS au26_mean, mean_score(au27) AS au27_mean, mean_score(au43) AS au43_mean,
    mean_score(pain_activity) AS pain_activity_mean,
    mean_score(expressivity) AS expressivity_mean,
    median(brightness) AS brightness_median,
    median(sharpness) AS sharpness_median,
    median(face_size_px) AS face_size_px_median,
    median(abs(yaw_deg)) AS yaw_abs_median_deg,
    scorings.warning
FROM frames
JOIN scorings USING (scoring_id)
JOIN sessions ON sessions.session_id = frames.session_id
GROUP BY ALL;

COMMENT ON VIEW session_summary IS 'One row per scoring of a session: counts, shares and means over its frames. A session that was scored with two bundles has two rows: choose bundle_id and options_sha256.';
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
