-- Nights of which a recording is stored or set aside.
SELECT session_date AS night FROM sessions
UNION
SELECT night FROM quarantine
ORDER BY night
