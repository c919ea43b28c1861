-- Who was erased, so that a run that goes on, or recordings that are still in the source, bring nobody back.
CREATE TABLE tombstones (
    mark      VARCHAR NOT NULL,
    kind      VARCHAR NOT NULL,
    erased_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE tombstones IS 'One row per patient erased, and one per consent that was on record of such a patient. Nothing is stored under that pseudonym until a consent is recorded that was not on record then. It names nobody.';
COMMENT ON COLUMN tombstones.mark IS 'SALT:HASH, the SHA-256 of a random salt and the pseudonym, or the pseudonym, first day and source of a consent: it answers to whoever has these, and tells them to nobody else.';
COMMENT ON COLUMN tombstones.kind IS 'patient or consent.';
COMMENT ON COLUMN tombstones.erased_at IS 'When the rows were deleted.';
