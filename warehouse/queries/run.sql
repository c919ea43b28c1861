-- One run's night; no row if there is no such run.
SELECT night
FROM runs
WHERE run_id = $run_id
