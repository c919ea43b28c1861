-- Where migrations are recorded; made together with the first of them.
CREATE TABLE IF NOT EXISTS schema_migrations (
    number     INTEGER PRIMARY KEY,
    name       VARCHAR NOT NULL,
    sha256     VARCHAR NOT NULL,
    applied_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE schema_migrations IS 'One row per migration that ran on this database.';
COMMENT ON COLUMN schema_migrations.number IS 'Number of the migration, from 1.';
COMMENT ON COLUMN schema_migrations.name IS 'Name of the migration file, without number and ending.';
COMMENT ON COLUMN schema_migrations.sha256 IS 'SHA-256 of the migration file, 64 hex digits.';
COMMENT ON COLUMN schema_migrations.applied_at IS 'When it ran.';
