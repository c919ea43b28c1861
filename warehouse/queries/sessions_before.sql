-- Sessions of days before a day.
SELECT session_id
FROM sessions
WHERE session_date < $day
ORDER BY session_id
