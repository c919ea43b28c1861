-- Tables, then views, then macros, with their comments.
SELECT kind, name, title, coalesce(entries.comment, schema_comments.comment) AS comment
FROM (
    SELECT 'Table' AS kind, table_name AS name, table_name AS title, comment
    FROM duckdb_tables()
    WHERE database_name = current_database() AND NOT internal
    UNION ALL
    SELECT 'View', view_name, view_name, comment
    FROM duckdb_views()
    WHERE database_name = current_database() AND NOT internal
    UNION ALL
    SELECT 'Macro', function_name, function_name || '(' || array_to_string(parameters, ', ') || ')', comment
    FROM duckdb_functions()
    WHERE database_name = current_database() AND function_type IN ('macro', 'table_macro') AND NOT internal
) AS entries
LEFT JOIN schema_comments ON kind = 'Macro' AND entry = name AND column_name IS NULL
ORDER BY list_position(['Table', 'View', 'Macro'], kind), name
