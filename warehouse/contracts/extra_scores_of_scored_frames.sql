-- Additional phrases have one score each, for frames that were scored.
SELECT scoring_id, frame_index, phrase_key
FROM extra_scores_to_check
LEFT JOIN frames_to_check USING (scoring_id, session_id, frame_index)
GROUP BY scoring_id, frame_index, phrase_key
HAVING count(*) > 1 OR count(neutral) = 0
