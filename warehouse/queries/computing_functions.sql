-- Functions that give a value, not rows.
SELECT DISTINCT lower(function_name)
FROM duckdb_functions()
WHERE function_type IN ('scalar', 'aggregate', 'macro')
