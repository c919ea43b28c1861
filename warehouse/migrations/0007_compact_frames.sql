-- Frames in the decimals that are meant: a score of three decimals is a 16-bit number that compresses to a good byte,
-- where a 32-bit fraction takes two and more. What is read stays as it was: frame_scores is now a view of the same
-- columns and types, from which all others are made.

CREATE TABLE stored_frames (
    scoring_id      VARCHAR NOT NULL,
    session_id      VARCHAR NOT NULL,
    frame_index     INTEGER NOT NULL,
    pts_s           DOUBLE NOT NULL,
    face_count      INTEGER NOT NULL,
    track_id        INTEGER,
    is_subject      BOOLEAN NOT NULL,
    box_x_px        DECIMAL(7, 1),
    box_y_px        DECIMAL(7, 1),
    box_w_px        DECIMAL(7, 1),
    box_h_px        DECIMAL(7, 1),
    detection_score DECIMAL(4, 3),
    sharpness       DECIMAL(9, 3),
    brightness      DECIMAL(4, 3),
    face_size_px    DECIMAL(7, 1),
    yaw_deg         DECIMAL(4, 1),
    pitch_deg       DECIMAL(4, 1),
    roll_deg        DECIMAL(4, 1),
    occlusion       DECIMAL(4, 3),
    reason          VARCHAR,
    neutral         DECIMAL(4, 3),
    happiness       DECIMAL(4, 3),
    surprise        DECIMAL(4, 3),
    sadness         DECIMAL(4, 3),
    anger           DECIMAL(4, 3),
    disgust         DECIMAL(4, 3),
    fear            DECIMAL(4, 3),
    contempt        DECIMAL(4, 3),
    au01            DECIMAL(4, 3),
    au02            DECIMAL(4, 3),
    au04            DECIMAL(4, 3),
    au05            DECIMAL(4, 3),
    au06            DECIMAL(4, 3),
    au07            DECIMAL(4, 3),
    au09            DECIMAL(4, 3),
    au10            DECIMAL(4, 3),
    au12            DECIMAL(4, 3),
    au14            DECIMAL(4, 3),
    au15            DECIMAL(4, 3),
    au16            DECIMAL(4, 3),
    au17            DECIMAL(4, 3),
    au20            DECIMAL(4, 3),
    au23            DECIMAL(4, 3),
    au24            DECIMAL(4, 3),
    au25            DECIMAL(4, 3),
    au26            DECIMAL(4, 3),
    au27            DECIMAL(4, 3),
    au43            DECIMAL(4, 3)
);
COMMENT ON TABLE stored_frames IS 'Where frames are kept, one row per sampled frame of a scoring, in fixed decimals. Read frame_scores or frames, which have the same rows with ordinary numbers.';
COMMENT ON COLUMN stored_frames.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN stored_frames.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN stored_frames.frame_index IS 'Number of the frame in decode order, from 0; unique and increasing within a scoring.';
COMMENT ON COLUMN stored_frames.pts_s IS 'Presentation time from the container, seconds; right for variable frame rates. Never decreases within a scoring.';
COMMENT ON COLUMN stored_frames.face_count IS 'Faces found in the frame, count, those of other people included.';
COMMENT ON COLUMN stored_frames.track_id IS 'Track of the subject''s face within the session; NULL without the subject.';
COMMENT ON COLUMN stored_frames.is_subject IS 'True when the box in this row is that of the session''s subject; false when the frame has no face of the subject.';
COMMENT ON COLUMN stored_frames.box_x_px IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.box_y_px IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.box_w_px IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.box_h_px IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.detection_score IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.sharpness IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.brightness IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.face_size_px IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.yaw_deg IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.pitch_deg IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.roll_deg IS 'As in frame_scores, to one decimal.';
COMMENT ON COLUMN stored_frames.occlusion IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright or too_blurred. NULL when scored.';
COMMENT ON COLUMN stored_frames.neutral IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.happiness IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.surprise IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.sadness IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.anger IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.disgust IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.fear IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.contempt IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au01 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au02 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au04 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au05 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au06 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au07 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au09 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au10 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au12 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au14 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au15 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au16 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au17 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au20 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au23 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au24 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au25 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au26 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au27 IS 'As in frame_scores, to three decimals.';
COMMENT ON COLUMN stored_frames.au43 IS 'As in frame_scores, to three decimals.';

-- A number that does not fit, as NaN written by somebody's hand, becomes NULL, and a contract names its frame.
INSERT INTO stored_frames BY NAME
SELECT
    scoring_id,
    session_id, frame_index, pts_s, face_count, track_id, is_subject,
    TRY_CAST(box_x_px AS DECIMAL(7,1)) AS box_x_px, TRY_CAST(box_y_px AS DECIMAL(7,1)) AS box_y_px,
    TRY_CAST(box_w_px AS DECIMAL(7,1)) AS box_w_px, TRY_CAST(box_h_px AS DECIMAL(7,1)) AS box_h_px,
    TRY_CAST(detection_score AS DECIMAL(4,3)) AS detection_score, TRY_CAST(sharpness AS DECIMAL(9,3)) AS sharpness,
    TRY_CAST(brightness AS DECIMAL(4,3)) AS brightness, TRY_CAST(face_size_px AS DECIMAL(7,1)) AS face_size_px,
    TRY_CAST(yaw_deg AS DECIMAL(4,1)) AS yaw_deg, TRY_CAST(pitch_deg AS DECIMAL(4,1)) AS pitch_deg,
    TRY_CAST(roll_deg AS DECIMAL(4,1)) AS roll_deg, TRY_CAST(occlusion AS DECIMAL(4,3)) AS occlusion, reason,
    TRY_CAST(neutral AS DECIMAL(4,3)) AS neutral, TRY_CAST(happiness AS DECIMAL(4,3)) AS happiness,
    TRY_CAST(surprise AS DECIMAL(4,3)) AS surprise, TRY_CAST(sadness AS DECIMAL(4,3)) AS sadness,
    TRY_CAST(anger AS DECIMAL(4,3)) AS anger, TRY_CAST(disgust AS DECIMAL(4,3)) AS disgust,
    TRY_CAST(fear AS DECIMAL(4,3)) AS fear, TRY_CAST(contempt AS DECIMAL(4,3)) AS contempt,
    TRY_CAST(au01 AS DECIMAL(4,3)) AS au01, TRY_CAST(au02 AS DECIMAL(4,3)) AS au02,
    TRY_CAST(au04 AS DECIMAL(4,3)) AS au04, TRY_CAST(au05 AS DECIMAL(4,3)) AS au05,
    TRY_CAST(au06 AS DECIMAL(4,3)) AS au06, TRY_CAST(au07 AS DECIMAL(4,3)) AS au07,
    TRY_CAST(au09 AS DECIMAL(4,3)) AS au09, TRY_CAST(au10 AS DECIMAL(4,3)) AS au10,
    TRY_CAST(au12 AS DECIMAL(4,3)) AS au12, TRY_CAST(au14 AS DECIMAL(4,3)) AS au14,
    TRY_CAST(au15 AS DECIMAL(4,3)) AS au15, TRY_CAST(au16 AS DECIMAL(4,3)) AS au16,
    TRY_CAST(au17 AS DECIMAL(4,3)) AS au17, TRY_CAST(au20 AS DECIMAL(4,3)) AS au20,
    TRY_CAST(au23 AS DECIMAL(4,3)) AS au23, TRY_CAST(au24 AS DECIMAL(4,3)) AS au24,
    TRY_CAST(au25 AS DECIMAL(4,3)) AS au25, TRY_CAST(au26 AS DECIMAL(4,3)) AS au26,
    TRY_CAST(au27 AS DECIMAL(4,3)) AS au27, TRY_CAST(au43 AS DECIMAL(4,3)) AS au43
FROM frame_scores;
DROP TABLE frame_scores;

CREATE VIEW frame_scores AS
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
    CAST(au26 AS FLOAT) AS au26, CAST(au27 AS FLOAT) AS au27, CAST(au43 AS FLOAT) AS au43
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
COMMENT ON COLUMN frame_scores.occlusion IS 'Share of the subject''s face that is covered, 0..1. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright or too_blurred. NULL when scored.';
COMMENT ON COLUMN frame_scores.neutral IS 'Probability of neutral, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.happiness IS 'Probability of happiness, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.surprise IS 'Probability of surprise, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.sadness IS 'Probability of sadness, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.anger IS 'Probability of anger, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.disgust IS 'Probability of disgust, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.fear IS 'Probability of fear, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.contempt IS 'Probability of contempt, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au01 IS 'AU 1, inner brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au02 IS 'AU 2, outer brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au04 IS 'AU 4, brow lowerer: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au05 IS 'AU 5, upper lid raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au06 IS 'AU 6, cheek raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au07 IS 'AU 7, lid tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au09 IS 'AU 9, nose wrinkler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au10 IS 'AU 10, upper lip raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au12 IS 'AU 12, lip corner puller: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au14 IS 'AU 14, dimpler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au15 IS 'AU 15, lip corner depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au16 IS 'AU 16, lower lip depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au17 IS 'AU 17, chin raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au20 IS 'AU 20, lip stretcher: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au23 IS 'AU 23, lip tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au24 IS 'AU 24, lip pressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au25 IS 'AU 25, lips part: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au26 IS 'AU 26, jaw drop: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au27 IS 'AU 27, mouth stretch: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au43 IS 'AU 43, eyes closed: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
