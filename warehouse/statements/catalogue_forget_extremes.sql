-- Let the catalogue of a lake forget the smallest and largest text of every column of a whole table.
-- Bounds that hold for any text take their place: without bounds DuckLake would take those of the next rows for those of all.
UPDATE ducklake_table_column_stats AS stats
SET min_value = '', max_value = chr(1114111)
FROM ducklake_column
WHERE ducklake_column.table_id = stats.table_id
    AND ducklake_column.column_id = stats.column_id
    AND ducklake_column.column_type = 'varchar'
    AND stats.min_value IS NOT NULL
