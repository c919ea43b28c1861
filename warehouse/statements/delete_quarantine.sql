-- Take a source out of quarantine.
DELETE FROM quarantine
WHERE source_uri = $source_uri
