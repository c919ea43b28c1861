-- The columns of all tables that hold text.
SELECT table_name, column_name
FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal
    AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
    AND data_type IN ('VARCHAR', 'JSON')
ORDER BY table_name, column_name
