-- Additional phrases have at most one score per frame, and only in scored frames.
SELECT scoring_id, frame_index, phrase_key
FROM extra_scores_to_check
LEFT JOIN frames_to_check USING (scoring_id, session_id, frame_index)
GROUP BY scoring_id, frame_index, phrase_key
HAVING count(*) > 1 OR count(neutral) = 0
