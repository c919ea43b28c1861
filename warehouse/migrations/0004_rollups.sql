-- What the house asks every day: rollups, quantiles and episodes, computed once per scoring when it is stored,
-- and the views on top of them, which speak of the active bundle.
-- The arithmetic is in macros over any relation with the columns of frame_scores: a scoring that is stored, the frames of an
-- older file below, and the contract that compares the two all use the same text.

CREATE TABLE active_bundle (
    bundle_id      VARCHAR NOT NULL,
    options_sha256 VARCHAR NOT NULL,
    night          DATE NOT NULL,
    activated_at   TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE active_bundle IS 'At most one row: the bundle and options that views speak of, which are those of the latest completed run of the latest night. No row until a run has completed.';
COMMENT ON COLUMN active_bundle.bundle_id IS 'The bundle, as in bundles.';
COMMENT ON COLUMN active_bundle.options_sha256 IS 'SHA-256 of the scoring options, 64 hex digits.';
COMMENT ON COLUMN active_bundle.night IS 'Latest night that a run completed with them.';
COMMENT ON COLUMN active_bundle.activated_at IS 'When they became active.';
INSERT INTO active_bundle BY NAME
SELECT bundle_id, options_sha256, night, finished_at AS activated_at
FROM runs
WHERE status = 'completed'
ORDER BY night DESC, finished_at DESC
LIMIT 1;

-- As before, and no longer an error where somebody wrote a score that is no number: a contract names it instead.
CREATE OR REPLACE MACRO mean_score(score) AS avg(TRY_CAST(score AS DECIMAL(10, 9)));
COMMENT ON MACRO mean_score IS 'Mean of scores in 0..1, to nine decimals each: the same whatever the order of the rows. What is no number is left out. NULL if there are none.';

CREATE MACRO leading_expression_of(neutral, happiness, surprise, sadness, anger, disgust, fear, contempt) AS
    CASE greatest(neutral, happiness, surprise, sadness, anger, disgust, fear, contempt)
        WHEN neutral THEN 'neutral'
        WHEN happiness THEN 'happiness'
        WHEN surprise THEN 'surprise'
        WHEN sadness THEN 'sadness'
        WHEN anger THEN 'anger'
        WHEN disgust THEN 'disgust'
        WHEN fear THEN 'fear'
        WHEN contempt THEN 'contempt'
    END;
COMMENT ON MACRO leading_expression_of IS 'Name of the most probable of the eight expressions of a frame, given in the order of the columns; at a tie the first. NULL if not scored.';

-- Prkachin and Solomon, Pain 139 (2008) 267-274, equation of the PSPI without its intensity weights, over its four terms.
CREATE MACRO pain_activity_of(au04, au06, au07, au09, au10, au43) AS
    (au04 + greatest(au06, au07) + greatest(au09, au10) + au43) / 4;
COMMENT ON MACRO pain_activity_of IS 'Pain-related facial activity of a frame, 0..1: mean of AU 4, the larger of AU 6 and 7, the larger of AU 9 and 10, and AU 43. Not a pain score. NULL if not scored.';

CREATE TABLE session_rollups (
    scoring_id             VARCHAR NOT NULL,
    session_id             VARCHAR NOT NULL,
    frames_sampled         BIGINT NOT NULL,
    frames_scored          BIGINT NOT NULL,
    frames_several_faces   BIGINT NOT NULL,
    frames_no_face         BIGINT NOT NULL,
    frames_not_subject     BIGINT NOT NULL,
    frames_too_small       BIGINT NOT NULL,
    frames_too_dark        BIGINT NOT NULL,
    frames_too_bright      BIGINT NOT NULL,
    frames_too_blurred     BIGINT NOT NULL,
    frames_neutral         BIGINT NOT NULL,
    frames_happiness       BIGINT NOT NULL,
    frames_surprise        BIGINT NOT NULL,
    frames_sadness         BIGINT NOT NULL,
    frames_anger           BIGINT NOT NULL,
    frames_disgust         BIGINT NOT NULL,
    frames_fear            BIGINT NOT NULL,
    frames_contempt        BIGINT NOT NULL,
    neutral_mean           DOUBLE,
    happiness_mean         DOUBLE,
    surprise_mean          DOUBLE,
    sadness_mean           DOUBLE,
    anger_mean             DOUBLE,
    disgust_mean           DOUBLE,
    fear_mean              DOUBLE,
    contempt_mean          DOUBLE,
    au01_mean              DOUBLE,
    au02_mean              DOUBLE,
    au04_mean              DOUBLE,
    au05_mean              DOUBLE,
    au06_mean              DOUBLE,
    au07_mean              DOUBLE,
    au09_mean              DOUBLE,
    au10_mean              DOUBLE,
    au12_mean              DOUBLE,
    au14_mean              DOUBLE,
    au15_mean              DOUBLE,
    au16_mean              DOUBLE,
    au17_mean              DOUBLE,
    au20_mean              DOUBLE,
    au23_mean              DOUBLE,
    au24_mean              DOUBLE,
    au25_mean              DOUBLE,
    au26_mean              DOUBLE,
    au27_mean              DOUBLE,
    au43_mean              DOUBLE,
    pain_activity_mean     DOUBLE,
    expressivity_mean      DOUBLE,
    brightness_median      FLOAT,
    sharpness_median       FLOAT,
    face_size_px_median    FLOAT,
    yaw_abs_median_deg     FLOAT
);
COMMENT ON TABLE session_rollups IS 'One row per scoring: counts, means and medians over its frames, written in the transaction that stores them. Read session_summary, which adds whose session it is.';
COMMENT ON COLUMN session_rollups.scoring_id IS 'The scoring, as in scorings. Unique.';
COMMENT ON COLUMN session_rollups.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN session_rollups.frames_sampled IS 'Frames sampled, count.';
COMMENT ON COLUMN session_rollups.frames_scored IS 'Sampled frames in which the subject was scored, count.';
COMMENT ON COLUMN session_rollups.frames_several_faces IS 'Sampled frames with more than one face, count.';
COMMENT ON COLUMN session_rollups.frames_no_face IS 'Sampled frames without any face, count.';
COMMENT ON COLUMN session_rollups.frames_not_subject IS 'Sampled frames with faces but none of the subject, count.';
COMMENT ON COLUMN session_rollups.frames_too_small IS 'Sampled frames not scored because the subject''s face is too small, count.';
COMMENT ON COLUMN session_rollups.frames_too_dark IS 'Sampled frames not scored because the subject''s face is too dark, count.';
COMMENT ON COLUMN session_rollups.frames_too_bright IS 'Sampled frames not scored because the subject''s face is washed out, count.';
COMMENT ON COLUMN session_rollups.frames_too_blurred IS 'Sampled frames not scored because the subject''s face is blurred, count.';
COMMENT ON COLUMN session_rollups.frames_neutral IS 'Scored frames in which neutral is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.frames_happiness IS 'Scored frames in which happiness is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.frames_surprise IS 'Scored frames in which surprise is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.frames_sadness IS 'Scored frames in which sadness is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.frames_anger IS 'Scored frames in which anger is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.frames_disgust IS 'Scored frames in which disgust is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.frames_fear IS 'Scored frames in which fear is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.frames_contempt IS 'Scored frames in which contempt is the most probable expression, count; the eight counts sum to frames_scored.';
COMMENT ON COLUMN session_rollups.neutral_mean IS 'Mean probability of neutral over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.happiness_mean IS 'Mean probability of happiness over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.surprise_mean IS 'Mean probability of surprise over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.sadness_mean IS 'Mean probability of sadness over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.anger_mean IS 'Mean probability of anger over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.disgust_mean IS 'Mean probability of disgust over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.fear_mean IS 'Mean probability of fear over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.contempt_mean IS 'Mean probability of contempt over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au01_mean IS 'AU 1, inner brow raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au02_mean IS 'AU 2, outer brow raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au04_mean IS 'AU 4, brow lowerer: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au05_mean IS 'AU 5, upper lid raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au06_mean IS 'AU 6, cheek raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au07_mean IS 'AU 7, lid tightener: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au09_mean IS 'AU 9, nose wrinkler: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au10_mean IS 'AU 10, upper lip raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au12_mean IS 'AU 12, lip corner puller: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au14_mean IS 'AU 14, dimpler: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au15_mean IS 'AU 15, lip corner depressor: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au16_mean IS 'AU 16, lower lip depressor: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au17_mean IS 'AU 17, chin raiser: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au20_mean IS 'AU 20, lip stretcher: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au23_mean IS 'AU 23, lip tightener: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au24_mean IS 'AU 24, lip pressor: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au25_mean IS 'AU 25, lips part: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au26_mean IS 'AU 26, jaw drop: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au27_mean IS 'AU 27, mouth stretch: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.au43_mean IS 'AU 43, eyes closed: mean alignment with the phrase over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.pain_activity_mean IS 'Mean pain-related facial activity over the scored frames, 0..1; see frames.pain_activity. Not a pain score. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.expressivity_mean IS 'Mean of 1 minus the probability of neutral over the scored frames, 0..1. NULL if none was scored.';
COMMENT ON COLUMN session_rollups.brightness_median IS 'Median brightness of the subject''s face over all frames that measured it, scored or not, 0..1. NULL if none did.';
COMMENT ON COLUMN session_rollups.sharpness_median IS 'Median sharpness of the subject''s face over all frames that measured it, scored or not, from 0. NULL if none did.';
COMMENT ON COLUMN session_rollups.face_size_px_median IS 'Median size of the subject''s face over all frames that measured it, scored or not, pixels. NULL if none did.';
COMMENT ON COLUMN session_rollups.yaw_abs_median_deg IS 'Median of how far the head was turned sideways, either way, over all frames that estimated it, degrees, 0..180. NULL if none did.';

CREATE MACRO session_rollups_of(frame_rows) AS TABLE
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
    median(abs(yaw_deg)) AS yaw_abs_median_deg
FROM (
    SELECT
        *,
        leading_expression_of(neutral, happiness, surprise, sadness, anger, disgust, fear, contempt) AS leading_expression,
        pain_activity_of(au04, au06, au07, au09, au10, au43) AS pain_activity,
        1 - neutral AS expressivity
    FROM query_table(frame_rows)
)
GROUP BY scoring_id, session_id;
COMMENT ON MACRO TABLE session_rollups_of IS 'Rows of session_rollups computed from a relation with the columns of frame_scores, given by name: session_rollups_of(''frame_scores''). Reads all its frames.';
INSERT INTO session_rollups BY NAME FROM session_rollups_of('frame_scores');

CREATE TABLE phrase_quantiles (
    scoring_id    VARCHAR NOT NULL,
    phrase_key    VARCHAR NOT NULL,
    frames_scored BIGINT NOT NULL,
    p10           FLOAT NOT NULL,
    p25           FLOAT NOT NULL,
    p50           FLOAT NOT NULL,
    p75           FLOAT NOT NULL,
    p90           FLOAT NOT NULL
);
COMMENT ON TABLE phrase_quantiles IS 'One row per scoring and phrase: how the alignments with the phrase are spread over the scored frames. A scoring without scored frames has no rows.';
COMMENT ON COLUMN phrase_quantiles.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN phrase_quantiles.phrase_key IS 'Column of the action unit, au01 to au43, or key of an additional phrase, as in bundle_phrases. Unique within a scoring.';
COMMENT ON COLUMN phrase_quantiles.frames_scored IS 'Scored frames behind the quantiles, count, from 1.';
COMMENT ON COLUMN phrase_quantiles.p10 IS '10th percentile of the alignment, 0..1, interpolated between frames.';
COMMENT ON COLUMN phrase_quantiles.p25 IS 'Lower quartile of the alignment, 0..1, interpolated between frames.';
COMMENT ON COLUMN phrase_quantiles.p50 IS 'Median of the alignment, 0..1, interpolated between frames.';
COMMENT ON COLUMN phrase_quantiles.p75 IS 'Upper quartile of the alignment, 0..1, interpolated between frames.';
COMMENT ON COLUMN phrase_quantiles.p90 IS '90th percentile of the alignment, 0..1, interpolated between frames.';

CREATE MACRO phrase_quantiles_of(score_rows) AS TABLE
SELECT
    scoring_id, phrase_key, frames_scored,
    quantiles[1] AS p10, quantiles[2] AS p25, quantiles[3] AS p50, quantiles[4] AS p75, quantiles[5] AS p90
FROM (
    SELECT
        scoring_id, phrase_key,
        count(*) AS frames_scored,
        quantile_cont(score, [0.1, 0.25, 0.5, 0.75, 0.9]) AS quantiles
    FROM query_table(score_rows)
    GROUP BY scoring_id, phrase_key
);
COMMENT ON MACRO TABLE phrase_quantiles_of IS 'Rows of phrase_quantiles computed from a relation with the columns scoring_id, phrase_key and score, given by name: phrase_quantiles_of(''frame_extra_scores'').';

CREATE MACRO au_quantiles_of(frame_rows) AS TABLE
SELECT
    scoring_id, phrase_key, frames_scored,
    quantiles[1] AS p10, quantiles[2] AS p25, quantiles[3] AS p50, quantiles[4] AS p75, quantiles[5] AS p90
FROM (
    SELECT
        scoring_id,
        count(neutral) AS frames_scored,
        quantile_cont(COLUMNS([
            'au01', 'au02', 'au04', 'au05', 'au06', 'au07', 'au09', 'au10', 'au12', 'au14', 'au15', 'au16', 'au17',
            'au20', 'au23', 'au24', 'au25', 'au26', 'au27', 'au43'
        ]), [0.1, 0.25, 0.5, 0.75, 0.9])
    FROM query_table(frame_rows)
    GROUP BY scoring_id
)
UNPIVOT (quantiles FOR phrase_key IN (
    au01, au02, au04, au05, au06, au07, au09, au10, au12, au14, au15, au16, au17, au20, au23, au24, au25, au26, au27,
    au43
));
COMMENT ON MACRO TABLE au_quantiles_of IS 'Rows of phrase_quantiles for the action units, computed from a relation with the columns of frame_scores, given by name: au_quantiles_of(''frame_scores''). Reads all its frames.';
INSERT INTO phrase_quantiles BY NAME FROM au_quantiles_of('frame_scores');
INSERT INTO phrase_quantiles BY NAME FROM phrase_quantiles_of('frame_extra_scores');

CREATE TABLE episodes (
    scoring_id VARCHAR NOT NULL,
    kind       VARCHAR NOT NULL,
    start_s    DOUBLE NOT NULL,
    end_s      DOUBLE NOT NULL,
    frames     BIGINT NOT NULL,
    peak       FLOAT NOT NULL,
    mean       DOUBLE NOT NULL
);
COMMENT ON TABLE episodes IS 'One row per episode of a scoring: frames of a kind with a measure of 0.5 or more, each at most 1 s after the one before; two frames at least. A shorter or weaker one has no row.';
COMMENT ON COLUMN episodes.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN episodes.kind IS 'smile (measured by the probability of happiness), brow_lowering (AU 4), eyes_closed (AU 43; blinks are mostly shorter than two frames) or pain_activity (frames.pain_activity; not a pain score).';
COMMENT ON COLUMN episodes.start_s IS 'Time of the first frame, seconds since the first sampled frame of the session, from 0.';
COMMENT ON COLUMN episodes.end_s IS 'Time of the last frame, seconds since the first sampled frame of the session; above start_s.';
COMMENT ON COLUMN episodes.frames IS 'Frames at 0.5 or above in it, count, from 2.';
COMMENT ON COLUMN episodes.peak IS 'Strength: highest value of the measure, 0.5..1.';
COMMENT ON COLUMN episodes.mean IS 'Strength: mean of the measure over those frames, 0.5..1.';

CREATE MACRO episodes_of(frame_rows) AS TABLE
WITH measured AS (
    SELECT
        scoring_id, frame_index,
        -- Rounded: 0.9999999 s, left by subtracting, is one second.
        round(pts_s - min(pts_s) OVER (PARTITION BY scoring_id), 6) AS time_s,
        happiness AS smile,
        au04 AS brow_lowering,
        au43 AS eyes_closed,
        pain_activity_of(au04, au06, au07, au09, au10, au43) AS pain_activity
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
INSERT INTO episodes BY NAME FROM episodes_of('frame_scores');

-- The same columns as before, read from the rollups.
CREATE OR REPLACE VIEW session_summary AS
SELECT
    scoring_id, session_id, patient_id, session_date, started_at, utc_offset_s,
    bundle_id, options_sha256, scored_at, duration_s,
    frames_decoded, scorings.frames_sampled, frames_with_face, scorings.frames_scored,
    frames_several_faces,
    frames_no_face, frames_not_subject, frames_too_small, frames_too_dark, frames_too_bright, frames_too_blurred,
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
    yaw_abs_median_deg, warning
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

CREATE MACRO scorings_by(of_bundle := 'active', with_options := 'active') AS TABLE
SELECT
    scoring_id, session_id, patient_id, session_date, started_at, bundle_id, options_sha256, scored_at, duration_s,
    frames_decoded, frames_sampled, frames_with_face, frames_scored, warning
FROM scorings
JOIN sessions USING (session_id)
WHERE bundle_id = CASE of_bundle
        WHEN 'active' THEN (SELECT active_bundle.bundle_id FROM active_bundle)
        ELSE of_bundle
    END
    AND options_sha256 = CASE with_options
        WHEN 'active' THEN (SELECT active_bundle.options_sha256 FROM active_bundle)
        ELSE with_options
    END;
COMMENT ON MACRO TABLE scorings_by IS 'The scorings by one bundle with one set of options, at most one per session, with the columns of active_scorings. Either is the active one unless given as 64 hex digits.';

CREATE VIEW active_scorings AS
SELECT
    scoring_id, session_id, patient_id, session_date, started_at, bundle_id, options_sha256, scored_at, duration_s,
    frames_decoded, frames_sampled, frames_with_face, frames_scored, warning
FROM scorings_by();
COMMENT ON VIEW active_scorings IS 'The scorings by the active bundle with the active options, at most one per session. A session that only another bundle scored has no row: ask scorings_by for it, or score it again.';
COMMENT ON COLUMN active_scorings.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN active_scorings.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN active_scorings.patient_id IS 'Whose session it is, as in patients.';
COMMENT ON COLUMN active_scorings.session_date IS 'Local calendar day of the session''s start.';
COMMENT ON COLUMN active_scorings.started_at IS 'Start of the session''s recording.';
COMMENT ON COLUMN active_scorings.bundle_id IS 'The bundle that scored it, as in bundles.';
COMMENT ON COLUMN active_scorings.options_sha256 IS 'SHA-256 of the scoring options, 64 hex digits.';
COMMENT ON COLUMN active_scorings.scored_at IS 'When it was stored.';
COMMENT ON COLUMN active_scorings.duration_s IS 'Last minus first presentation time of the video, seconds, from 0. NULL if the video does not say.';
COMMENT ON COLUMN active_scorings.frames_decoded IS 'Frames decoded from the video, count.';
COMMENT ON COLUMN active_scorings.frames_sampled IS 'Frames sampled, count.';
COMMENT ON COLUMN active_scorings.frames_with_face IS 'Sampled frames with at least one face, count.';
COMMENT ON COLUMN active_scorings.frames_scored IS 'Sampled frames in which the subject was scored, count.';
COMMENT ON COLUMN active_scorings.warning IS 'What the decoder complained about, such as a truncated end; NULL if nothing.';

CREATE VIEW expression_scores AS
SELECT patient_id, session_date, session_id, scoring_id, frame_index, pts_s, expression, probability
FROM (
    SELECT patient_id, session_date, session_id, scoring_id, frame_index, pts_s, neutral, happiness, surprise, sadness, anger, disgust, fear, contempt
    FROM frame_scores
    JOIN active_scorings USING (scoring_id, session_id)
)
UNPIVOT (probability FOR expression IN (neutral, happiness, surprise, sadness, anger, disgust, fear, contempt));
COMMENT ON VIEW expression_scores IS 'Long form: one row per scored frame and expression, by the active bundle. Frames without scores have no rows; frames says why.';
COMMENT ON COLUMN expression_scores.patient_id IS 'Whose session it is, as in patients.';
COMMENT ON COLUMN expression_scores.session_date IS 'Local calendar day of the session''s start.';
COMMENT ON COLUMN expression_scores.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN expression_scores.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN expression_scores.frame_index IS 'Number of the frame in decode order, from 0.';
COMMENT ON COLUMN expression_scores.pts_s IS 'Presentation time from the container, seconds.';
COMMENT ON COLUMN expression_scores.expression IS 'neutral, happiness, surprise, sadness, anger, disgust, fear or contempt.';
COMMENT ON COLUMN expression_scores.probability IS 'Probability of the expression, 0..1; the eight of a frame sum to 1.';

CREATE VIEW au_phrase_scores AS
SELECT patient_id, session_date, session_id, scoring_id, frame_index, pts_s, phrase_key, score
FROM (
    SELECT
        patient_id, session_date, session_id, scoring_id, frame_index, pts_s,
        au01, au02, au04, au05, au06, au07, au09, au10, au12, au14, au15, au16, au17, au20, au23, au24, au25, au26,
        au27, au43
    FROM frame_scores
    JOIN active_scorings USING (scoring_id, session_id)
)
UNPIVOT (score FOR phrase_key IN (
    au01, au02, au04, au05, au06, au07, au09, au10, au12, au14, au15, au16, au17, au20, au23, au24, au25, au26, au27,
    au43
))
UNION ALL
SELECT patient_id, session_date, session_id, scoring_id, frame_index, pts_s, phrase_key, score
FROM frame_extra_scores
JOIN frame_scores USING (scoring_id, session_id, frame_index)
JOIN active_scorings USING (scoring_id, session_id);
COMMENT ON VIEW au_phrase_scores IS 'Long form: one row per scored frame and phrase, action units and additional phrases alike, by the active bundle. Frames without scores have no rows; frames says why.';
COMMENT ON COLUMN au_phrase_scores.patient_id IS 'Whose session it is, as in patients.';
COMMENT ON COLUMN au_phrase_scores.session_date IS 'Local calendar day of the session''s start.';
COMMENT ON COLUMN au_phrase_scores.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN au_phrase_scores.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN au_phrase_scores.frame_index IS 'Number of the frame in decode order, from 0.';
COMMENT ON COLUMN au_phrase_scores.pts_s IS 'Presentation time from the container, seconds.';
COMMENT ON COLUMN au_phrase_scores.phrase_key IS 'Column of the action unit, au01 to au43, or key of an additional phrase, as in bundle_phrases.';
COMMENT ON COLUMN au_phrase_scores.score IS 'Alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity.';

CREATE VIEW bundle_phrases AS
SELECT
    bundle_id,
    phrase ->> 'column' AS phrase_key,
    phrase ->> 'phrase' AS phrase,
    phrase ->> 'region' AS region,
    CAST(phrase ->> 'au' AS INTEGER) AS action_unit,
    CAST(phrase ->> 'seen_in_training' AS BOOLEAN) AS seen_in_training
FROM (
    SELECT bundle_id, unnest(CAST(card -> 'au_phrases' AS JSON[])) AS phrase
    FROM bundles
);
COMMENT ON VIEW bundle_phrases IS 'The phrases that each bundle has, from its card.';
COMMENT ON COLUMN bundle_phrases.bundle_id IS 'The bundle, as in bundles.';
COMMENT ON COLUMN bundle_phrases.phrase_key IS 'Key of its scores: the column of the action unit, au01 to au43, or that of an additional phrase.';
COMMENT ON COLUMN bundle_phrases.phrase IS 'Its wording in this bundle.';
COMMENT ON COLUMN bundle_phrases.region IS 'Where on the face it shows: brow, eye, cheek, nose, mouth or jaw.';
COMMENT ON COLUMN bundle_phrases.action_unit IS 'Number of the action unit in FACS, 1..43. NULL for a phrase that stands for none.';
COMMENT ON COLUMN bundle_phrases.seen_in_training IS 'Whether the bundle was trained with it; scores of a phrase that it was not trained with are weaker evidence.';

CREATE MACRO frame_weighted_mean(value, frames) AS
    CAST(sum(CAST(value AS DECIMAL(10, 9)) * CAST(frames AS DECIMAL(18, 0))) FILTER (value IS NOT NULL) AS DOUBLE)
    / nullif(sum(frames) FILTER (value IS NOT NULL), 0);
COMMENT ON MACRO frame_weighted_mean IS 'Mean of values in 0..1 of sessions, each weighing as much as it has frames: the same whatever the order of the rows. NULL if there are none.';

CREATE MACRO patient_days_by(of_bundle := 'active', with_options := 'active') AS TABLE
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
    CAST(coalesce(sum(smiles), 0) AS BIGINT) AS smiles,
    CAST(coalesce(sum(smile_s), 0) AS DOUBLE) AS smile_s,
    max(smile_peak) AS smile_peak,
    CAST(coalesce(sum(pain_activity_episodes), 0) AS BIGINT) AS pain_activity_episodes
FROM scorings_by(of_bundle, with_options) AS picked
JOIN session_rollups USING (scoring_id, session_id)
LEFT JOIN episode_totals USING (scoring_id)
GROUP BY patient_id, session_date, bundle_id, options_sha256;
COMMENT ON MACRO TABLE patient_days_by IS 'The rows of patient_days for a bundle and options other than the active ones, each given as 64 hex digits.';

CREATE VIEW patient_days AS
SELECT
    patient_id, session_date, bundle_id, options_sha256, sessions, duration_s, frames_sampled, frames_scored,
    scored_share, neutral_share, happiness_share, surprise_share, sadness_share, anger_share, disgust_share,
    fear_share, contempt_share, au01_mean, au02_mean, au04_mean, au05_mean, au06_mean, au07_mean, au09_mean,
    au10_mean, au12_mean, au14_mean, au15_mean, au16_mean, au17_mean, au20_mean, au23_mean, au24_mean, au25_mean,
    au26_mean, au27_mean, au43_mean, pain_activity_mean, expressivity_mean, smiles, smile_s, smile_peak,
    pain_activity_episodes
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
COMMENT ON COLUMN patient_days.smiles IS 'Episodes of kind smile, count.';
COMMENT ON COLUMN patient_days.smile_s IS 'Length of those episodes together, seconds, from 0.';
COMMENT ON COLUMN patient_days.smile_peak IS 'Highest strength of a smile, 0.5..1. NULL if there was none.';
COMMENT ON COLUMN patient_days.pain_activity_episodes IS 'Episodes of kind pain_activity, count.';

CREATE VIEW patient_day_phrases AS
SELECT
    patient_id, session_date, bundle_id, options_sha256, phrase_key,
    count(*) AS sessions,
    CAST(sum(phrase_quantiles.frames_scored) AS BIGINT) AS frames_scored,
    frame_weighted_mean(p10, phrase_quantiles.frames_scored) AS p10,
    frame_weighted_mean(p25, phrase_quantiles.frames_scored) AS p25,
    frame_weighted_mean(p50, phrase_quantiles.frames_scored) AS p50,
    frame_weighted_mean(p75, phrase_quantiles.frames_scored) AS p75,
    frame_weighted_mean(p90, phrase_quantiles.frames_scored) AS p90
FROM phrase_quantiles
JOIN active_scorings USING (scoring_id)
GROUP BY patient_id, session_date, bundle_id, options_sha256, phrase_key;
COMMENT ON VIEW patient_day_phrases IS 'One row per patient, day and phrase, by the active bundle: the sessions'' quantiles, averaged with their scored frames as weights. With one session they are exact; with more they come close to those of all frames.';
COMMENT ON COLUMN patient_day_phrases.patient_id IS 'Whose day it is, as in patients.';
COMMENT ON COLUMN patient_day_phrases.session_date IS 'Local calendar day of the sessions'' start.';
COMMENT ON COLUMN patient_day_phrases.bundle_id IS 'The bundle that scored it, as in bundles.';
COMMENT ON COLUMN patient_day_phrases.options_sha256 IS 'SHA-256 of the scoring options, 64 hex digits.';
COMMENT ON COLUMN patient_day_phrases.phrase_key IS 'Column of the action unit, au01 to au43, or key of an additional phrase, as in bundle_phrases.';
COMMENT ON COLUMN patient_day_phrases.sessions IS 'Sessions behind the row, count.';
COMMENT ON COLUMN patient_day_phrases.frames_scored IS 'Scored frames behind the row, count.';
COMMENT ON COLUMN patient_day_phrases.p10 IS '10th percentile of the alignment, mean over the sessions, 0..1.';
COMMENT ON COLUMN patient_day_phrases.p25 IS 'Lower quartile of the alignment, mean over the sessions, 0..1.';
COMMENT ON COLUMN patient_day_phrases.p50 IS 'Median of the alignment, mean over the sessions, 0..1.';
COMMENT ON COLUMN patient_day_phrases.p75 IS 'Upper quartile of the alignment, mean over the sessions, 0..1.';
COMMENT ON COLUMN patient_day_phrases.p90 IS '90th percentile of the alignment, mean over the sessions, 0..1.';

CREATE VIEW night_quality AS
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
COMMENT ON COLUMN night_quality.brightness_median IS 'Median of the sessions'' median brightness of the face, 0..1. NULL if none measured it.';
COMMENT ON COLUMN night_quality.sharpness_median IS 'Median of the sessions'' median sharpness of the face, from 0. NULL if none measured it.';
COMMENT ON COLUMN night_quality.face_size_px_median IS 'Median of the sessions'' median size of the face, pixels. NULL if none measured it.';

CREATE MACRO patient_baseline(patient, until, days := 28, of_bundle := 'active', with_options := 'active') AS TABLE
SELECT
    measure, bundle_id, options_sha256,
    count(*) AS sessions,
    count(DISTINCT session_date) AS days,
    median(value) AS median,
    mad(value) AS mad,
    quantile_cont(value, 0.1) AS p10,
    quantile_cont(value, 0.9) AS p90
FROM (
    SELECT
        session_date, bundle_id, options_sha256,
        neutral_share, happiness_share, surprise_share, sadness_share, anger_share, disgust_share, fear_share,
        contempt_share, au01_mean, au02_mean, au04_mean, au05_mean, au06_mean, au07_mean, au09_mean, au10_mean,
        au12_mean, au14_mean, au15_mean, au16_mean, au17_mean, au20_mean, au23_mean, au24_mean, au25_mean, au26_mean,
        au27_mean, au43_mean, pain_activity_mean, expressivity_mean
    FROM session_summary
    JOIN scorings_by(of_bundle, with_options) AS picked
        USING (scoring_id, session_id, patient_id, session_date, bundle_id, options_sha256)
    WHERE patient_id = patient
        AND session_date BETWEEN CAST(until AS DATE) - days AND CAST(until AS DATE) - 1
)
UNPIVOT (value FOR measure IN (
    neutral_share, happiness_share, surprise_share, sadness_share, anger_share, disgust_share, fear_share,
    contempt_share, au01_mean, au02_mean, au04_mean, au05_mean, au06_mean, au07_mean, au09_mean, au10_mean,
    au12_mean, au14_mean, au15_mean, au16_mean, au17_mean, au20_mean, au23_mean, au24_mean, au25_mean, au26_mean,
    au27_mean, au43_mean, pain_activity_mean, expressivity_mean
))
GROUP BY measure, bundle_id, options_sha256;
COMMENT ON MACRO TABLE patient_baseline IS 'What is usual for a patient: one row per measure of session_summary (shares of expressions, means of action units, pain_activity_mean, expressivity_mean, all 0..1) over the sessions of the `days` days before the day `until`: sessions and days behind it (count), median, mad (median absolute deviation), p10 and p90. Of one bundle and one set of options only: the active ones unless given as 64 hex digits. No rows where there are no sessions.';

CREATE MACRO scorings_to_check(everything := true) AS TABLE
SELECT scoring_id
FROM scorings
WHERE everything OR run_id NOT IN (SELECT run_id FROM runs WHERE status = 'completed');
COMMENT ON MACRO TABLE scorings_to_check IS 'The scorings whose frames the contracts look at: all of them, or (false) those of runs that have not completed, which is what a night checks before it publishes.';
