-- The frames of one session over time, a second at a time; this reads frames, not rollups.
SELECT floor(pts_s) AS second, mean_score(happiness) AS happiness, mean_score(au12) AS au12
FROM frames
WHERE session_id = (SELECT max(session_id) FROM sessions)
GROUP BY second
ORDER BY second;
