-- The scorings of some sessions.
SELECT scoring_id
FROM scorings
WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
ORDER BY scoring_id
