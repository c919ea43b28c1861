-- Rollups, quantiles and episodes agree with the frames that they are computed from.
WITH
computed AS (FROM session_rollups_of('frames_to_check')),
computed_quantiles AS (
    FROM au_quantiles_of('frames_to_check')
    UNION ALL BY NAME
    FROM phrase_quantiles_of('extra_scores_to_check')
),
computed_episodes AS (FROM episodes_of('frames_to_check'))
SELECT scoring_id, 'session_rollups' AS table_name FROM (FROM computed EXCEPT FROM session_rollups)
UNION ALL
SELECT scoring_id, 'phrase_quantiles' FROM (FROM computed_quantiles EXCEPT FROM phrase_quantiles)
UNION ALL
SELECT scoring_id, 'episodes' FROM (FROM computed_episodes EXCEPT FROM episodes)
UNION ALL
SELECT scoring_id, 'episodes'
FROM (SELECT episodes.* FROM episodes JOIN computed USING (scoring_id) EXCEPT FROM computed_episodes)
