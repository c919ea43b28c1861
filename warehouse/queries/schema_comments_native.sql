-- Comments that a lake cannot hold, from a database that can: of macros (without a column) and of the columns of views.
SELECT DISTINCT function_name AS entry, NULL AS column_name, comment
FROM duckdb_functions()
WHERE database_name = current_database() AND function_type IN ('macro', 'table_macro') AND NOT internal
    AND comment IS NOT NULL
UNION ALL
SELECT view_name, column_name, duckdb_columns.comment
FROM duckdb_columns()
JOIN duckdb_views() ON view_name = table_name AND duckdb_views.database_name = duckdb_columns.database_name
WHERE duckdb_columns.database_name = current_database() AND NOT duckdb_columns.internal
    AND duckdb_columns.comment IS NOT NULL
ORDER BY entry, column_name
