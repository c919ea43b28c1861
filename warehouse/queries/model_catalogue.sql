-- What a lake has in another form than a file: views, indexes, and tables with constraints other than NOT NULL.
SELECT 'view' AS kind, view_name AS name
FROM duckdb_views()
WHERE NOT internal
UNION
SELECT 'index', index_name
FROM duckdb_indexes()
UNION
SELECT 'constrained', table_name
FROM duckdb_constraints()
WHERE constraint_type <> 'NOT NULL'
