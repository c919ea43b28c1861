-- The tables that hold rows of single frames.
SELECT table_name
FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal
    AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
    AND column_name = 'frame_index'
ORDER BY table_name
