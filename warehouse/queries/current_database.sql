-- The database that unqualified names refer to.
SELECT database_name, type, path
FROM duckdb_databases()
WHERE database_name = current_database()
