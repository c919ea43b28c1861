-- Which of these scorings are stored.
SELECT scoring_id
FROM scorings
WHERE list_contains(CAST($scoring_ids AS VARCHAR[]), scoring_id)
ORDER BY scoring_id
