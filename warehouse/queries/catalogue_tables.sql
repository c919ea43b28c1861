-- The tables of a lake's catalogue.
SELECT table_name
FROM duckdb_tables()
WHERE database_name = 'catalogue' AND starts_with(table_name, 'ducklake_')
ORDER BY table_name
