-- Forget the earlier trouble of a source that has a new one.
DELETE FROM quarantine
WHERE source_uri = $source_uri AND quarantine_id <> $quarantine_id
