-- Forget the kept comments, before those of a newer schema are kept.
DELETE FROM schema_comments
