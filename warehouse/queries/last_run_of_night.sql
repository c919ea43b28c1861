-- How the latest run of a night ended; no row if there was none.
SELECT status
FROM runs
WHERE night = $night
ORDER BY started_at DESC, run_id
LIMIT 1
