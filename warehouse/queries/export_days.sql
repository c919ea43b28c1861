-- The days of which there is something to export, from $first to $last, both included; NULL: without limit.
SELECT day
FROM (
    SELECT session_date AS day FROM sessions
    UNION
    SELECT event_date FROM care_events
)
WHERE ($first IS NULL OR day >= $first) AND ($last IS NULL OR day <= $last)
ORDER BY day
