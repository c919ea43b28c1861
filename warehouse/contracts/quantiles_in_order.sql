-- Quantiles lie within 0..1, never decrease from p10 to p90, and are computed from all scored frames of their scoring.
SELECT scoring_id, phrase_key
FROM phrase_quantiles
LEFT JOIN session_rollups USING (scoring_id)
WHERE NOT (p10 >= 0 AND p10 <= p25 AND p25 <= p50 AND p50 <= p75 AND p75 <= p90 AND p90 <= 1)
    OR phrase_quantiles.frames_scored <> session_rollups.frames_scored
