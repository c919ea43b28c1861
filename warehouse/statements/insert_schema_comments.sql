-- Keep the comments that a lake cannot hold.
INSERT INTO schema_comments (entry, column_name, comment)
SELECT unnest($entries), unnest($column_names), unnest($comments)
