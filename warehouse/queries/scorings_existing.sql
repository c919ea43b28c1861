-- Which of these scorings are stored.
SELECT scoring_id
FROM scorings
WHERE scoring_id IN (SELECT unnest(CAST($scoring_ids AS VARCHAR[])))
ORDER BY scoring_id
