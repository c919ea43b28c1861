-- Forget rows of quarantine.
DELETE FROM quarantine
WHERE list_contains(CAST($quarantine_ids AS VARCHAR[]), quarantine_id)
