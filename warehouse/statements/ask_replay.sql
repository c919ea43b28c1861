-- Ask to try sources again.
UPDATE quarantine SET replay_asked_at = now()
WHERE list_contains(CAST($quarantine_ids AS VARCHAR[]), quarantine_id) AND replay_asked_at IS NULL
