-- Keys are unique, which a lake cannot enforce.
SELECT 'patients' AS table_name, patient_id AS id FROM patients GROUP BY patient_id HAVING count(*) > 1
UNION ALL
SELECT 'bundles', bundle_id FROM bundles GROUP BY bundle_id HAVING count(*) > 1
UNION ALL
SELECT 'runs', run_id FROM runs GROUP BY run_id HAVING count(*) > 1
UNION ALL
SELECT 'sessions', session_id FROM sessions GROUP BY session_id HAVING count(*) > 1
UNION ALL
SELECT 'sessions', content_sha256 FROM sessions GROUP BY content_sha256 HAVING count(*) > 1
UNION ALL
SELECT 'scorings', scoring_id FROM scorings GROUP BY scoring_id HAVING count(*) > 1
UNION ALL
SELECT 'scorings', session_id FROM scorings GROUP BY session_id, bundle_id, options_sha256 HAVING count(*) > 1
UNION ALL
SELECT 'session_rollups', scoring_id FROM session_rollups GROUP BY scoring_id HAVING count(*) > 1
UNION ALL
SELECT 'phrase_quantiles', scoring_id FROM phrase_quantiles GROUP BY scoring_id, phrase_key HAVING count(*) > 1
UNION ALL
SELECT 'reports', report_id FROM reports GROUP BY report_id HAVING count(*) > 1
UNION ALL
SELECT 'quarantine', quarantine_id FROM quarantine GROUP BY quarantine_id HAVING count(*) > 1
UNION ALL
SELECT 'consents', patient_id FROM consents GROUP BY patient_id, valid_from HAVING count(*) > 1
UNION ALL
SELECT 'audit_subjects', patient_id FROM audit_subjects GROUP BY patient_id HAVING count(*) > 1
UNION ALL
SELECT 'audit_subjects', subject FROM audit_subjects GROUP BY subject HAVING count(*) > 1
UNION ALL
SELECT 'audit_log', CAST(entry AS VARCHAR) FROM audit_log GROUP BY entry HAVING count(*) > 1
UNION ALL
SELECT 'daily_values', patient_id
FROM daily_values
GROUP BY patient_id, session_date, bundle_id, options_sha256, measure, situation
HAVING count(*) > 1
UNION ALL
SELECT 'findings', patient_id
FROM findings
GROUP BY patient_id, session_date, bundle_id, options_sha256, measure
HAVING count(*) > 1
UNION ALL
SELECT 'accepted_levels', patient_id
FROM accepted_levels
WHERE undone_at IS NULL
GROUP BY patient_id, measure, from_date
HAVING count(*) > 1
