-- The columns of all tables by which a row belongs to a patient, a session or a scoring.
SELECT table_name, column_name
FROM duckdb_columns()
WHERE database_name = current_database() AND NOT internal
    AND table_name IN (SELECT table_name FROM duckdb_tables() WHERE database_name = current_database())
    AND column_name IN ('patient_id', 'session_id', 'scoring_id')
ORDER BY table_name, column_name
