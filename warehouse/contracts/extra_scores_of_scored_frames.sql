-- Additional phrases have one score each, for frames that were scored.
SELECT scoring_id, frame_index, phrase_key
FROM frame_extra_scores
LEFT JOIN frame_scores USING (scoring_id, session_id, frame_index)
WHERE scoring_id IN (FROM scorings_to_check($everything))
GROUP BY scoring_id, frame_index, phrase_key
HAVING count(*) > 1 OR count(neutral) = 0
