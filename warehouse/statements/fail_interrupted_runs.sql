-- Mark the runs of a night that never finished: their process was killed.
UPDATE runs
SET status = 'failed', finished_at = now(), message = 'interrupted: the process ended before the run did'
WHERE night = $night AND status = 'running'
