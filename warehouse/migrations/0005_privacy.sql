-- Who consented to what, who did what, and what was erased.
-- Rules that a table cannot state here (unique, ranges) are kept by the code that writes and by contracts.

CREATE TABLE consents (
    patient_id   VARCHAR NOT NULL,
    valid_from   DATE NOT NULL,
    valid_to     DATE,
    withdrawn_on DATE,
    source       VARCHAR NOT NULL,
    recorded_at  TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE consents IS 'One row per period for which a patient consented. A patient with rows here is scored only within them; a patient without follows the sidecar alone, unless records are required.';
COMMENT ON COLUMN consents.patient_id IS 'Pseudonym, as in patients; the patient may have no session yet.';
COMMENT ON COLUMN consents.valid_from IS 'First local calendar day of the period. Unique for a patient.';
COMMENT ON COLUMN consents.valid_to IS 'Last local calendar day of the period, not before valid_from. NULL: without end.';
COMMENT ON COLUMN consents.withdrawn_on IS 'From this local calendar day on the consent no longer holds, whatever valid_to says. NULL: not withdrawn.';
COMMENT ON COLUMN consents.source IS 'Where the consent is on file, such as the number of a form; 1 to 200 characters, never a name.';
COMMENT ON COLUMN consents.recorded_at IS 'When the row was written or last changed.';

CREATE TABLE audit_subjects (
    patient_id VARCHAR NOT NULL,
    subject    VARCHAR NOT NULL
);
COMMENT ON TABLE audit_subjects IS 'Which patient the audit log means by a subject. Erasing a patient deletes the row: the log then still verifies, and nobody can tell who it spoke of.';
COMMENT ON COLUMN audit_subjects.patient_id IS 'Pseudonym, as in patients. Unique.';
COMMENT ON COLUMN audit_subjects.subject IS 'Random, 32 hex digits; nothing about the patient can be computed from it. Unique.';

CREATE TABLE audit_log (
    entry           BIGINT NOT NULL,
    recorded_at     TIMESTAMPTZ NOT NULL,
    account         VARCHAR NOT NULL,
    actor           VARCHAR NOT NULL,
    action          VARCHAR NOT NULL,
    object_id       VARCHAR,
    subject         VARCHAR,
    details         JSON NOT NULL,
    previous_sha256 VARCHAR NOT NULL,
    sha256          VARCHAR NOT NULL
);
COMMENT ON TABLE audit_log IS 'Every write, publication, export and erasure, in the order in which they were stored, chained by hash: `pmfer warehouse verify` finds any edit, deletion, insertion or reordering. Only ever appended to; it holds no patient_id.';
COMMENT ON COLUMN audit_log.entry IS 'Number of the entry, from 1, without gaps.';
COMMENT ON COLUMN audit_log.recorded_at IS 'When it was written, by the clock of the machine that wrote it.';
COMMENT ON COLUMN audit_log.account IS 'Account of the operating system under which it was done.';
COMMENT ON COLUMN audit_log.actor IS 'Who did it, the same on every machine: PMFER_ACTOR, or else the account.';
COMMENT ON COLUMN audit_log.action IS 'What was done, such as session_stored or snapshot_published; docs/privacy.md lists them.';
COMMENT ON COLUMN audit_log.object_id IS 'What it was done to, by an identifier that names no patient: a scoring_id, run_id, bundle_id or erasure_id. NULL where there is none.';
COMMENT ON COLUMN audit_log.subject IS 'Whom it concerned, as in audit_subjects. NULL where it concerned no single patient.';
COMMENT ON COLUMN audit_log.details IS 'More about it: counts, dates and reasons; an object with sorted keys.';
COMMENT ON COLUMN audit_log.previous_sha256 IS 'sha256 of the entry before, 64 hex digits; 64 zeros in the first.';
COMMENT ON COLUMN audit_log.sha256 IS 'SHA-256 over all other columns in their canonical form, 64 hex digits.';

-- Its one row is changed by every entry. Two writers on a lake that append at once therefore collide here, and one of them
-- has to do its transaction again, instead of both adding an entry of the same number.
CREATE TABLE audit_head (
    entries BIGINT NOT NULL,
    sha256  VARCHAR NOT NULL
);
COMMENT ON TABLE audit_head IS 'One row: the newest entry of audit_log.';
COMMENT ON COLUMN audit_head.entries IS 'Entries in audit_log, count, from 0.';
COMMENT ON COLUMN audit_head.sha256 IS 'sha256 of the newest entry, 64 hex digits; 64 zeros while there is none.';
INSERT INTO audit_head (entries, sha256) VALUES (0, repeat('0', 64));

CREATE TABLE erasures (
    erasure_id      VARCHAR NOT NULL,
    subject         VARCHAR NOT NULL,
    begun_at        TIMESTAMPTZ NOT NULL,
    rows_deleted_at TIMESTAMPTZ,
    finished_at     TIMESTAMPTZ,
    receipt         JSON NOT NULL
);
COMMENT ON TABLE erasures IS 'One row per patient erased; it names nobody.';
COMMENT ON COLUMN erasures.erasure_id IS 'Identifier of the erasure, random, 32 hex digits.';
COMMENT ON COLUMN erasures.subject IS 'What the audit log called the patient; nobody can tell any more who it was.';
COMMENT ON COLUMN erasures.begun_at IS 'When it was begun.';
COMMENT ON COLUMN erasures.rows_deleted_at IS 'When the rows were deleted. NULL: interrupted before; erase the patient again.';
COMMENT ON COLUMN erasures.finished_at IS 'When nothing was left. NULL: interrupted before; any `pmfer erase` finishes it.';
COMMENT ON COLUMN erasures.receipt IS 'What was removed: kinds, counts, keyed hashes of files, by whom, and the head of the audit log.';
