-- The macros of the current database, in lower case, and whether they read a relation whose name they are given.
SELECT lower(function_name) AS name, bool_or(contains(lower(macro_definition), 'query_table')) AS takes_a_relation
FROM duckdb_functions()
WHERE database_name = current_database() AND NOT internal
GROUP BY ALL
