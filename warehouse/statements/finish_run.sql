-- Record how a running run ended.
UPDATE runs
SET status = $status, finished_at = now(), sessions_found = $sessions_found, sessions_scored = $sessions_scored,
    sessions_done_before = $sessions_done_before, sessions_quarantined = $sessions_quarantined,
    frames_scored = $frames_scored, message = $message
WHERE run_id = $run_id AND status = 'running'
