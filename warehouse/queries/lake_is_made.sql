-- One row where the catalogue of a lake has DuckLake's tables.
SELECT 1
FROM duckdb_tables()
WHERE database_name = 'catalogue' AND table_name = 'ducklake_metadata'
