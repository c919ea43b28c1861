-- Rows and a hash over all of them for every table, whatever their order: equal exactly when the content is equal.
SELECT 'active_bundle' AS table_name, count(*) AS row_count, sum(hash(t)) AS row_hash FROM active_bundle AS t
UNION ALL SELECT 'audit_head', count(*), sum(hash(t)) FROM audit_head AS t
UNION ALL SELECT 'audit_log', count(*), sum(hash(t)) FROM audit_log AS t
UNION ALL SELECT 'audit_subjects', count(*), sum(hash(t)) FROM audit_subjects AS t
UNION ALL SELECT 'bundles', count(*), sum(hash(t)) FROM bundles AS t
UNION ALL SELECT 'care_events', count(*), sum(hash(t)) FROM care_events AS t
UNION ALL SELECT 'consents', count(*), sum(hash(t)) FROM consents AS t
UNION ALL SELECT 'daily_values', count(*), sum(hash(t)) FROM daily_values AS t
UNION ALL SELECT 'episodes', count(*), sum(hash(t)) FROM episodes AS t
UNION ALL SELECT 'erasures', count(*), sum(hash(t)) FROM erasures AS t
UNION ALL SELECT 'frame_extra_scores', count(*), sum(hash(t)) FROM frame_extra_scores AS t
UNION ALL SELECT 'lake_keys', count(*), sum(hash(t)) FROM lake_keys AS t
UNION ALL SELECT 'patients', count(*), sum(hash(t)) FROM patients AS t
UNION ALL SELECT 'phrase_quantiles', count(*), sum(hash(t)) FROM phrase_quantiles AS t
UNION ALL SELECT 'quarantine', count(*), sum(hash(t)) FROM quarantine AS t
UNION ALL SELECT 'reports', count(*), sum(hash(t)) FROM reports AS t
UNION ALL SELECT 'runs', count(*), sum(hash(t)) FROM runs AS t
UNION ALL SELECT 'schema_comments', count(*), sum(hash(t)) FROM schema_comments AS t
UNION ALL SELECT 'schema_migrations', count(*), sum(hash(t)) FROM schema_migrations AS t
UNION ALL SELECT 'scorings', count(*), sum(hash(t)) FROM scorings AS t
UNION ALL SELECT 'session_rollups', count(*), sum(hash(t)) FROM session_rollups AS t
UNION ALL SELECT 'sessions', count(*), sum(hash(t)) FROM sessions AS t
UNION ALL SELECT 'stored_frames', count(*), sum(hash(t)) FROM stored_frames AS t
UNION ALL SELECT 'tombstones', count(*), sum(hash(t)) FROM tombstones AS t
ORDER BY table_name
