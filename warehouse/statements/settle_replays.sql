-- What was to be tried again of a night was tried.
UPDATE quarantine SET replay_asked_at = NULL
WHERE night = $night AND replay_asked_at IS NOT NULL
