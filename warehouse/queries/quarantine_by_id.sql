-- Quarantine rows by their identifiers; identifiers without a row are left out.
SELECT *
FROM quarantine
WHERE list_contains(CAST($quarantine_ids AS VARCHAR[]), quarantine_id)
ORDER BY source_uri
