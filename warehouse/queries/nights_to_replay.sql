-- Nights of which something set aside is to be tried again.
SELECT DISTINCT night
FROM quarantine
WHERE replay_asked_at IS NOT NULL
ORDER BY night
