-- Migration 7 rounded the frames that were stored before it, and left what had been computed from them as it was.
-- That is computed again here, so that it agrees with the frames. Scorings whose frames were too old to be kept stay as
-- they are.

CREATE VIEW frames_rounded_later AS
SELECT * FROM frame_scores
WHERE scoring_id IN (
    SELECT scoring_id FROM scorings
    WHERE scored_at <= (SELECT applied_at FROM schema_migrations WHERE number = 7)
);
CREATE VIEW extra_scores_of_frames_rounded_later AS
SELECT * FROM frame_extra_scores
WHERE scoring_id IN (SELECT scoring_id FROM frames_rounded_later);

DELETE FROM session_rollups WHERE scoring_id IN (SELECT scoring_id FROM frames_rounded_later);
DELETE FROM phrase_quantiles WHERE scoring_id IN (SELECT scoring_id FROM frames_rounded_later);
DELETE FROM episodes WHERE scoring_id IN (SELECT scoring_id FROM frames_rounded_later);
INSERT INTO session_rollups BY NAME FROM session_rollups_of('frames_rounded_later');
INSERT INTO phrase_quantiles BY NAME FROM au_quantiles_of('frames_rounded_later');
INSERT INTO phrase_quantiles BY NAME FROM phrase_quantiles_of('extra_scores_of_frames_rounded_later');
INSERT INTO episodes BY NAME FROM episodes_of('frames_rounded_later');

DROP VIEW extra_scores_of_frames_rounded_later;
DROP VIEW frames_rounded_later;
