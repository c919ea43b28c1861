-- The columns of a table as CREATE TABLE states them, in their order.
SELECT column_name, data_type, is_nullable, column_default
FROM duckdb_columns()
WHERE table_name = $name AND NOT internal
ORDER BY column_index
