-- The owner of every row is stored: of a scoring its session, bundle and run, of a session its patient, else the scoring.
SELECT 'sessions' AS table_name, session_id AS id FROM sessions ANTI JOIN patients USING (patient_id)
UNION ALL
SELECT 'sessions', session_id FROM sessions ANTI JOIN scorings USING (session_id)
UNION ALL
SELECT 'scorings', scoring_id FROM scorings ANTI JOIN sessions USING (session_id)
UNION ALL
SELECT 'scorings', scoring_id FROM scorings ANTI JOIN bundles USING (bundle_id)
UNION ALL
SELECT 'scorings', scoring_id FROM scorings ANTI JOIN runs USING (run_id, bundle_id, options_sha256)
UNION ALL
SELECT 'scorings', scoring_id FROM scorings ANTI JOIN session_rollups USING (scoring_id, session_id)
UNION ALL
SELECT 'session_rollups', scoring_id FROM session_rollups ANTI JOIN scorings USING (scoring_id, session_id)
UNION ALL
SELECT 'phrase_quantiles', scoring_id FROM phrase_quantiles ANTI JOIN scorings USING (scoring_id)
UNION ALL
SELECT 'episodes', scoring_id FROM episodes ANTI JOIN scorings USING (scoring_id)
UNION ALL
SELECT 'frame_scores', scoring_id
FROM (SELECT DISTINCT scoring_id, session_id FROM frames_to_check)
ANTI JOIN scorings USING (scoring_id, session_id)
UNION ALL
SELECT 'frame_extra_scores', scoring_id
FROM (SELECT DISTINCT scoring_id, session_id FROM extra_scores_to_check)
ANTI JOIN scorings USING (scoring_id, session_id)
