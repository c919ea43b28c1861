-- What the migrations themselves need; made together with the first of them.
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     INTEGER NOT NULL,
    name       VARCHAR NOT NULL,
    sha256     VARCHAR NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE schema_migrations IS 'One row per migration that ran on this database.';
COMMENT ON COLUMN schema_migrations.number IS 'Number of the migration, from 1.';
COMMENT ON COLUMN schema_migrations.name IS 'Name of the migration file, without number and ending.';
COMMENT ON COLUMN schema_migrations.sha256 IS 'SHA-256 of the migration file, 64 hex digits.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When it ran.';

CREATE TABLE IF NOT EXISTS schema_comments (
    entry       VARCHAR NOT NULL,
    column_name VARCHAR,
    comment     VARCHAR NOT NULL
);
COMMENT ON TABLE schema_comments IS 'The comments on macros and on the columns of views, which a lake cannot keep where a DuckDB file keeps them; the same at either address.';
COMMENT ON COLUMN schema_comments.entry IS 'Name of the macro or view.';
COMMENT ON COLUMN schema_comments.column_name IS 'Column of the view; NULL for a macro.';
COMMENT ON COLUMN schema_comments.comment IS 'Meaning, unit and range.';

CREATE TABLE IF NOT EXISTS lake_keys (
    key_check VARCHAR NOT NULL
);
COMMENT ON TABLE lake_keys IS 'One row in a lake that is encrypted, by which a wrong key is refused; empty elsewhere.';
COMMENT ON COLUMN lake_keys.key_check IS 'A random salt, a colon, and the SHA-256 of salt and key; the key cannot be found from it.';
