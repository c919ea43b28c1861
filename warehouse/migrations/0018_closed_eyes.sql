-- Closed eyes are told from AU 43 at 0.3, and reports follow an expression by its mean probability.

-- Next to no face with open eyes scores 0.3, and one half misses a third of the closed ones (docs/results.md).
-- Episodes whose frames are on record are computed again.

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
    WHERE value >= CASE kind WHEN 'eyes_closed' THEN 0.3 ELSE 0.5 END
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

COMMENT ON TABLE episodes IS 'One row per episode of a scoring: frames of a kind with a measure of 0.5 or more (0.3 for closed eyes), each at most 1 s after the one before; two frames at least. A shorter or weaker one has no row.';
COMMENT ON COLUMN episodes.frames IS 'Frames in it, count, from 2.';
COMMENT ON COLUMN episodes.peak IS 'Strength: highest value of the measure, 0.5..1; 0.3..1 for closed eyes.';
COMMENT ON COLUMN episodes.mean IS 'Strength: mean of the measure over those frames, 0.5..1; 0.3..1 for closed eyes.';

DELETE FROM episodes
WHERE kind = 'eyes_closed' AND scoring_id IN (SELECT scoring_id FROM stored_frames);
INSERT INTO episodes BY NAME
SELECT * FROM episodes_of('frame_scores')
WHERE kind = 'eyes_closed';

-- What was kept of days without sessions is the share of frames in which an expression was the likeliest. That is another
-- number than the mean probability, and no baseline may mix the two.
DELETE FROM daily_values
WHERE measure IN ('smiling', 'sadness', 'fear', 'anger', 'neutral', 'surprise', 'disgust', 'contempt');
