-- Bundle and options of the latest completed run for a day up to a date.
SELECT bundle_id, options_sha256
FROM runs
WHERE status = 'completed' AND night <= $until
ORDER BY night DESC, finished_at DESC
LIMIT 1
