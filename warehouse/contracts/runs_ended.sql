-- A run that has ended has an end time; a completed run has its counts, and a failed run says why.
SELECT run_id, status
FROM runs
WHERE status NOT IN ('running', 'completed', 'failed')
    OR (status = 'running') <> (finished_at IS NULL)
    OR finished_at < started_at
    OR (status = 'failed') <> (message IS NOT NULL)
    OR (status = 'completed'
        AND (sessions_found + sessions_scored + sessions_done_before + sessions_quarantined + frames_scored) IS NULL)
