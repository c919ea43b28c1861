-- The first schema: who was recorded, what was scored with which bundle, what was set aside, what was printed.
-- Times are TIMESTAMPTZ. Missing is NULL, never 0. Scores are probabilities in 0..1.

CREATE TABLE patients (
    patient_id    VARCHAR PRIMARY KEY,
    first_seen_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE patients IS 'One row per patient, by pseudonym only.';
COMMENT ON COLUMN patients.patient_id IS 'Pseudonym, letters, digits, dot, underscore and hyphen.';
COMMENT ON COLUMN patients.first_seen_at IS 'When the first session of the patient was stored.';

CREATE TABLE bundles (
    bundle_id         VARCHAR PRIMARY KEY,
    name              VARCHAR NOT NULL,
    weights_sha256    VARCHAR NOT NULL,
    prompt_set_sha256 VARCHAR NOT NULL,
    card              JSON NOT NULL,
    registered_at     TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE bundles IS 'Every model bundle that ever scored a session.';
COMMENT ON COLUMN bundles.bundle_id IS 'Digest of the bundle card, 64 hex digits.';
COMMENT ON COLUMN bundles.name IS 'Name of the bundle.';
COMMENT ON COLUMN bundles.weights_sha256 IS 'SHA-256 of the ONNX weights.';
COMMENT ON COLUMN bundles.prompt_set_sha256 IS 'SHA-256 of the prompt set baked into the weights.';
COMMENT ON COLUMN bundles.card IS 'The whole bundle card: input, crop, phrases, calibration, training data, metrics.';
COMMENT ON COLUMN bundles.registered_at IS 'When the bundle was first used here.';

CREATE TABLE runs (
    run_id                VARCHAR PRIMARY KEY,
    night                 DATE NOT NULL,
    started_at            TIMESTAMPTZ NOT NULL,
    finished_at           TIMESTAMPTZ,
    status                VARCHAR NOT NULL CHECK (status IN ('running', 'completed', 'failed')),
    code_version          VARCHAR NOT NULL,
    bundle_id             VARCHAR NOT NULL,
    options               JSON NOT NULL,
    sessions_found        INTEGER,
    sessions_scored       INTEGER,
    sessions_done_before  INTEGER,
    sessions_quarantined  INTEGER,
    frames_scored         BIGINT,
    message               VARCHAR
);
COMMENT ON TABLE runs IS 'One row per run of the nightly flow that had something to do.';
COMMENT ON COLUMN runs.run_id IS 'Identifier of the run.';
COMMENT ON COLUMN runs.night IS 'The day whose sessions were processed.';
COMMENT ON COLUMN runs.started_at IS 'Start of the run.';
COMMENT ON COLUMN runs.finished_at IS 'End of the run; NULL while it runs or if it was killed.';
COMMENT ON COLUMN runs.status IS 'running, completed or failed. A killed run stays running until the next run of the night marks it failed.';
COMMENT ON COLUMN runs.code_version IS 'Version of this software.';
COMMENT ON COLUMN runs.bundle_id IS 'Bundle used.';
COMMENT ON COLUMN runs.options IS 'Scoring options used.';
COMMENT ON COLUMN runs.sessions_found IS 'Sessions in the source for the night.';
COMMENT ON COLUMN runs.sessions_scored IS 'Sessions scored and stored by this run.';
COMMENT ON COLUMN runs.sessions_done_before IS 'Sessions skipped because the same content was scored before.';
COMMENT ON COLUMN runs.sessions_quarantined IS 'Sessions set aside by this run.';
COMMENT ON COLUMN runs.frames_scored IS 'Frames with scores stored by this run.';
COMMENT ON COLUMN runs.message IS 'Why the run failed; NULL otherwise.';

CREATE TABLE sessions (
    session_id     VARCHAR PRIMARY KEY,
    patient_id     VARCHAR NOT NULL,
    session_date   DATE NOT NULL,
    started_at     TIMESTAMPTZ NOT NULL,
    utc_offset_s   INTEGER NOT NULL,
    source_uri     VARCHAR NOT NULL,
    content_sha256 VARCHAR NOT NULL UNIQUE,
    consent        BOOLEAN NOT NULL,
    stored_at      TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE sessions IS 'One row per recorded session that was scored.';
COMMENT ON COLUMN sessions.session_id IS 'Identifier from the sidecar.';
COMMENT ON COLUMN sessions.patient_id IS 'Whose session it is.';
COMMENT ON COLUMN sessions.session_date IS 'Local calendar day of the start.';
COMMENT ON COLUMN sessions.started_at IS 'Start of the recording.';
COMMENT ON COLUMN sessions.utc_offset_s IS 'Offset of the local clock from UTC at the start, seconds: started_at + offset is the time on the wall.';
COMMENT ON COLUMN sessions.source_uri IS 'Where the video was, relative to the source.';
COMMENT ON COLUMN sessions.content_sha256 IS 'SHA-256 of the video file.';
COMMENT ON COLUMN sessions.consent IS 'Consent as stated by the sidecar when the session was scored.';
COMMENT ON COLUMN sessions.stored_at IS 'When the session was stored.';

CREATE TABLE scorings (
    scoring_id       VARCHAR PRIMARY KEY,
    session_id       VARCHAR NOT NULL,
    bundle_id        VARCHAR NOT NULL,
    options_sha256   VARCHAR NOT NULL,
    options          JSON NOT NULL,
    run_id           VARCHAR NOT NULL,
    scored_at        TIMESTAMPTZ NOT NULL,
    duration_s       DOUBLE,
    frames_decoded   INTEGER NOT NULL,
    frames_sampled   INTEGER NOT NULL,
    frames_with_face INTEGER NOT NULL,
    frames_scored    INTEGER NOT NULL,
    warning          VARCHAR
);
COMMENT ON TABLE scorings IS 'One row per session, bundle and scoring options: the identity of a result. The same three are never scored twice.';
COMMENT ON COLUMN scorings.scoring_id IS 'SHA-256 over content hash, bundle and options.';
COMMENT ON COLUMN scorings.session_id IS 'The session.';
COMMENT ON COLUMN scorings.bundle_id IS 'The bundle.';
COMMENT ON COLUMN scorings.options_sha256 IS 'SHA-256 of the scoring options.';
COMMENT ON COLUMN scorings.options IS 'Scoring options: sampling rate, detector and thresholds.';
COMMENT ON COLUMN scorings.run_id IS 'The run that stored it.';
COMMENT ON COLUMN scorings.scored_at IS 'When it was stored.';
COMMENT ON COLUMN scorings.duration_s IS 'Last minus first presentation time of the video, seconds.';
COMMENT ON COLUMN scorings.frames_decoded IS 'Frames decoded from the video.';
COMMENT ON COLUMN scorings.frames_sampled IS 'Frames sampled, each of which has a row in frame_scores.';
COMMENT ON COLUMN scorings.frames_with_face IS 'Sampled frames with at least one face.';
COMMENT ON COLUMN scorings.frames_scored IS 'Sampled frames in which the subject was scored.';
COMMENT ON COLUMN scorings.warning IS 'What the decoder complained about, such as a truncated end; NULL if nothing.';

CREATE TABLE frame_scores (
    scoring_id      VARCHAR NOT NULL,
    session_id      VARCHAR NOT NULL,
    frame_index     INTEGER NOT NULL,
    pts_s           DOUBLE NOT NULL,
    face_count      INTEGER NOT NULL,
    track_id        INTEGER,
    is_subject      BOOLEAN NOT NULL,
    box_x_px        FLOAT,
    box_y_px        FLOAT,
    box_w_px        FLOAT,
    box_h_px        FLOAT,
    detection_score FLOAT,
    sharpness       FLOAT,
    brightness      FLOAT,
    face_size_px    FLOAT,
    yaw_deg         FLOAT,
    pitch_deg       FLOAT,
    roll_deg        FLOAT,
    occlusion       FLOAT,
    reason          VARCHAR,
    neutral FLOAT, happiness FLOAT, surprise FLOAT, sadness FLOAT,
    anger FLOAT, disgust FLOAT, fear FLOAT, contempt FLOAT,
    au01 FLOAT, au02 FLOAT, au04 FLOAT, au05 FLOAT, au06 FLOAT, au07 FLOAT, au09 FLOAT, au10 FLOAT, au12 FLOAT, au14 FLOAT,
    au15 FLOAT, au16 FLOAT, au17 FLOAT, au20 FLOAT, au23 FLOAT, au24 FLOAT, au25 FLOAT, au26 FLOAT, au27 FLOAT, au43 FLOAT
);
COMMENT ON TABLE frame_scores IS 'One row per sampled frame. A frame without scores has NULLs and a reason.';

CREATE TABLE reports (
    report_id   VARCHAR PRIMARY KEY,
    kind        VARCHAR NOT NULL CHECK (kind IN ('patient', 'ward')),
    patient_id  VARCHAR,
    report_date DATE NOT NULL,
    path        VARCHAR NOT NULL,
    sha256      VARCHAR NOT NULL,
    input_key   VARCHAR NOT NULL,
    run_id      VARCHAR,
    rendered_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE reports IS 'Every report rendered; a newer one of the same kind, patient and date replaces the older row.';

CREATE TABLE quarantine (
    quarantine_id  VARCHAR PRIMARY KEY,
    night          DATE NOT NULL,
    source_uri     VARCHAR NOT NULL,
    content_sha256 VARCHAR,
    session_id     VARCHAR,
    patient_id     VARCHAR,
    reason         VARCHAR NOT NULL,
    message        VARCHAR NOT NULL,
    first_seen_at  TIMESTAMPTZ NOT NULL,
    run_id         VARCHAR NOT NULL
);
COMMENT ON TABLE quarantine IS 'Sessions set aside, with a reason code from a closed list. Nothing here was scored.';
