-- Take sources out of quarantine.
DELETE FROM quarantine
WHERE source_uri IN (SELECT unnest(CAST($source_uris AS VARCHAR[])))
