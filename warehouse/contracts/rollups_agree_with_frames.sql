-- Rollups, quantiles and episodes are what the frames say.
WITH
computed AS (FROM session_rollups_of('frame_scores') WHERE scoring_id IN (FROM scorings_to_check($everything))),
computed_quantiles AS (
    FROM au_quantiles_of('frame_scores') WHERE scoring_id IN (FROM scorings_to_check($everything))
    UNION ALL BY NAME
    FROM phrase_quantiles_of('frame_extra_scores') WHERE scoring_id IN (FROM scorings_to_check($everything))
),
computed_episodes AS (FROM episodes_of('frame_scores') WHERE scoring_id IN (FROM scorings_to_check($everything)))
SELECT scoring_id, 'session_rollups' AS table_name FROM (FROM computed EXCEPT FROM session_rollups)
UNION ALL
SELECT scoring_id, 'phrase_quantiles' FROM (FROM computed_quantiles EXCEPT FROM phrase_quantiles)
UNION ALL
SELECT scoring_id, 'episodes' FROM (FROM computed_episodes EXCEPT FROM episodes)
UNION ALL
SELECT scoring_id, 'episodes'
FROM (SELECT episodes.* FROM episodes JOIN computed USING (scoring_id) EXCEPT FROM computed_episodes)
