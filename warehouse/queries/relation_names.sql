-- The tables and views of the current database, in lower case.
SELECT lower(table_name) AS name
FROM duckdb_tables()
WHERE database_name = current_database() AND NOT internal
UNION ALL
SELECT lower(view_name)
FROM duckdb_views()
WHERE database_name = current_database() AND NOT internal
ORDER BY name
