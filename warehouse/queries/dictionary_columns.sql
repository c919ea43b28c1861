-- The columns of all tables and views with type and comment, in their order.
SELECT
    table_name AS entry,
    columns.column_name AS name,
    data_type AS type,
    is_nullable AS nullable,
    coalesce(columns.comment, schema_comments.comment) AS comment
FROM duckdb_columns() AS columns
LEFT JOIN schema_comments ON schema_comments.entry = table_name AND schema_comments.column_name = columns.column_name
WHERE database_name = current_database() AND NOT internal
ORDER BY table_name, column_index
