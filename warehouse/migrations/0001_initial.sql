-- The first schema: who was recorded, what was scored with which bundle, what was set aside, what was printed.
-- Times are TIMESTAMPTZ. Missing is NULL, never 0. Scores are probabilities or alignments in 0..1.
-- There are no foreign keys: DuckDB checks them too eagerly for updates, and store.py writes what belongs together in
-- one transaction.

CREATE TABLE patients (
    patient_id    VARCHAR PRIMARY KEY,
    first_seen_at TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE patients IS 'One row per patient of whom a session was scored, by pseudonym only.';
COMMENT ON COLUMN patients.patient_id IS 'Pseudonym: 1 to 64 letters, digits, dots, underscores and hyphens, the first one a letter or digit.';
COMMENT ON COLUMN patients.first_seen_at IS 'When the first session of the patient was stored here, not when it was recorded.';

CREATE TABLE bundles (
    bundle_id         VARCHAR PRIMARY KEY,
    name              VARCHAR NOT NULL,
    weights_sha256    VARCHAR NOT NULL,
    prompt_set_sha256 VARCHAR NOT NULL,
    card              JSON NOT NULL,
    registered_at     TIMESTAMPTZ NOT NULL
);
COMMENT ON TABLE bundles IS 'Every model bundle that ever scored a session here. Scores of two bundles are not comparable.';
COMMENT ON COLUMN bundles.bundle_id IS 'Digest of the bundle card, 64 hex digits.';
COMMENT ON COLUMN bundles.name IS 'Name of the bundle.';
COMMENT ON COLUMN bundles.weights_sha256 IS 'SHA-256 of the ONNX weights, 64 hex digits.';
COMMENT ON COLUMN bundles.prompt_set_sha256 IS 'SHA-256 of the prompt set baked into the weights, 64 hex digits.';
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
    options_sha256        VARCHAR NOT NULL,
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
COMMENT ON COLUMN runs.finished_at IS 'End of the run; NULL while it runs. For a killed run, when the next run of the night found out.';
COMMENT ON COLUMN runs.status IS 'running, completed or failed. A killed run stays running until the next run of the night marks it failed.';
COMMENT ON COLUMN runs.code_version IS 'Version of this software.';
COMMENT ON COLUMN runs.bundle_id IS 'Bundle used; in bundles once a session was scored with it.';
COMMENT ON COLUMN runs.options_sha256 IS 'SHA-256 of the scoring options used, 64 hex digits.';
COMMENT ON COLUMN runs.options IS 'Scoring options used: sampling rate, detector and thresholds.';
COMMENT ON COLUMN runs.sessions_found IS 'Sessions in the source for the night, count. NULL until the run has finished, or if it was killed.';
COMMENT ON COLUMN runs.sessions_scored IS 'Sessions scored and stored by this run, count. NULL until the run has finished, or if it was killed.';
COMMENT ON COLUMN runs.sessions_done_before IS 'Sessions skipped because the same content was scored before, count. NULL until the run has finished, or if it was killed.';
COMMENT ON COLUMN runs.sessions_quarantined IS 'Sessions set aside by this run, count. NULL until the run has finished, or if it was killed.';
COMMENT ON COLUMN runs.frames_scored IS 'Frames with scores stored by this run, count. NULL until the run has finished, or if it was killed.';
COMMENT ON COLUMN runs.message IS 'Why the run failed, in one line; NULL otherwise.';

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
COMMENT ON TABLE sessions IS 'One row per recorded session that was scored, whatever the number of bundles that scored it.';
COMMENT ON COLUMN sessions.session_id IS 'Identifier from the sidecar: 1 to 64 letters, digits, dots, underscores and hyphens.';
COMMENT ON COLUMN sessions.patient_id IS 'Whose session it is, as in patients.';
COMMENT ON COLUMN sessions.session_date IS 'Local calendar day of the start.';
COMMENT ON COLUMN sessions.started_at IS 'Start of the recording.';
COMMENT ON COLUMN sessions.utc_offset_s IS 'Offset of the local clock from UTC at the start, seconds: started_at + offset is the time on the wall.';
COMMENT ON COLUMN sessions.source_uri IS 'Where the video was, relative to the source.';
COMMENT ON COLUMN sessions.content_sha256 IS 'SHA-256 of the video file, 64 hex digits.';
COMMENT ON COLUMN sessions.consent IS 'Consent as stated by the sidecar when the session was first scored. Always true: nothing is stored without it.';
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
COMMENT ON COLUMN scorings.scoring_id IS 'SHA-256 over content hash, bundle and options, 64 hex digits.';
COMMENT ON COLUMN scorings.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN scorings.bundle_id IS 'The bundle, as in bundles.';
COMMENT ON COLUMN scorings.options_sha256 IS 'SHA-256 of the scoring options, 64 hex digits.';
COMMENT ON COLUMN scorings.options IS 'Scoring options: sampling rate, detector and thresholds.';
COMMENT ON COLUMN scorings.run_id IS 'The run that stored it, as in runs.';
COMMENT ON COLUMN scorings.scored_at IS 'When it was stored.';
COMMENT ON COLUMN scorings.duration_s IS 'Last minus first presentation time of the video, seconds, from 0. NULL if the video does not say.';
COMMENT ON COLUMN scorings.frames_decoded IS 'Frames decoded from the video, count.';
COMMENT ON COLUMN scorings.frames_sampled IS 'Frames sampled, count; each of them has a row in frame_scores.';
COMMENT ON COLUMN scorings.frames_with_face IS 'Sampled frames with at least one face, count.';
COMMENT ON COLUMN scorings.frames_scored IS 'Sampled frames in which the subject was scored, count.';
COMMENT ON COLUMN scorings.warning IS 'What the decoder complained about, such as a truncated end; NULL if nothing.';

-- No primary key: (scoring_id, frame_index) is unique because a batch is checked and a scoring is stored once, and an
-- index over every frame would cost more than the frames.
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
COMMENT ON TABLE frame_scores IS 'One row per sampled frame of a scoring. A frame without scores has NULLs and a reason. Faces of other people are counted, never boxed or scored.';
COMMENT ON COLUMN frame_scores.scoring_id IS 'The scoring, as in scorings.';
COMMENT ON COLUMN frame_scores.session_id IS 'The session, as in sessions.';
COMMENT ON COLUMN frame_scores.frame_index IS 'Number of the frame in decode order, from 0; unique and increasing within a scoring.';
COMMENT ON COLUMN frame_scores.pts_s IS 'Presentation time from the container, seconds; right for variable frame rates. Never decreases within a scoring.';
COMMENT ON COLUMN frame_scores.face_count IS 'Faces found in the frame, count, those of other people included.';
COMMENT ON COLUMN frame_scores.track_id IS 'Track of the subject''s face within the session; NULL without the subject.';
COMMENT ON COLUMN frame_scores.is_subject IS 'True when the box in this row is that of the session''s subject; false when the frame has no face of the subject.';
COMMENT ON COLUMN frame_scores.box_x_px IS 'Left edge of the subject''s face box, pixels of the decoded frame; may lie outside. NULL without the subject.';
COMMENT ON COLUMN frame_scores.box_y_px IS 'Top edge of the subject''s face box, pixels of the decoded frame; may lie outside. NULL without the subject.';
COMMENT ON COLUMN frame_scores.box_w_px IS 'Width of the subject''s face box, pixels. NULL without the subject.';
COMMENT ON COLUMN frame_scores.box_h_px IS 'Height of the subject''s face box, pixels. NULL without the subject.';
COMMENT ON COLUMN frame_scores.detection_score IS 'Confidence of the face detector, 0..1; detectors differ in scale. NULL without the subject.';
COMMENT ON COLUMN frame_scores.sharpness IS 'Sharpness of the subject''s face, from 0, larger is sharper; comparable within one set of scoring options. NULL if not measured.';
COMMENT ON COLUMN frame_scores.brightness IS 'Mean brightness of the subject''s face, 0 black to 1 white. NULL if not measured.';
COMMENT ON COLUMN frame_scores.face_size_px IS 'Square root of box width times height, pixels. NULL without the subject.';
COMMENT ON COLUMN frame_scores.yaw_deg IS 'Head turned sideways, degrees, -180..180, 0 facing the camera, positive when the nose points to the right of the picture; a rough estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.pitch_deg IS 'Head tilted up or down, degrees, -180..180, 0 facing the camera, positive when the chin is raised; a rough estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.roll_deg IS 'Head leaning to a shoulder, degrees, -180..180, 0 upright, positive clockwise in the picture; an estimate from landmarks. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.occlusion IS 'Share of the subject''s face that is covered, 0..1. NULL if not estimated.';
COMMENT ON COLUMN frame_scores.reason IS 'Why the frame has no scores: no_face, not_subject, too_small, too_dark, too_bright or too_blurred. NULL when scored.';
COMMENT ON COLUMN frame_scores.neutral IS 'Probability of neutral, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.happiness IS 'Probability of happiness, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.surprise IS 'Probability of surprise, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.sadness IS 'Probability of sadness, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.anger IS 'Probability of anger, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.disgust IS 'Probability of disgust, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.fear IS 'Probability of fear, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.contempt IS 'Probability of contempt, 0..1; the eight expressions of a frame sum to 1. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au01 IS 'AU 1, inner brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au02 IS 'AU 2, outer brow raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au04 IS 'AU 4, brow lowerer: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au05 IS 'AU 5, upper lid raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au06 IS 'AU 6, cheek raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au07 IS 'AU 7, lid tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au09 IS 'AU 9, nose wrinkler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au10 IS 'AU 10, upper lip raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au12 IS 'AU 12, lip corner puller: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au14 IS 'AU 14, dimpler: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au15 IS 'AU 15, lip corner depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au16 IS 'AU 16, lower lip depressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au17 IS 'AU 17, chin raiser: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au20 IS 'AU 20, lip stretcher: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au23 IS 'AU 23, lip tightener: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au24 IS 'AU 24, lip pressor: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au25 IS 'AU 25, lips part: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au26 IS 'AU 26, jaw drop: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au27 IS 'AU 27, mouth stretch: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';
COMMENT ON COLUMN frame_scores.au43 IS 'AU 43, eyes closed: alignment of the face with the phrase, 0..1, independent of the others; not a FACS intensity. NULL if not scored.';

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
COMMENT ON COLUMN reports.report_id IS 'Kind, date and patient in one word, such as patient-2026-03-01-p01 or ward-2026-03-01.';
COMMENT ON COLUMN reports.kind IS 'patient for the report of one patient, ward for the overview.';
COMMENT ON COLUMN reports.patient_id IS 'The patient, as in patients; NULL for the ward overview.';
COMMENT ON COLUMN reports.report_date IS 'The day reported on.';
COMMENT ON COLUMN reports.path IS 'Where the PDF is, relative to the data folder.';
COMMENT ON COLUMN reports.sha256 IS 'SHA-256 of the PDF file, 64 hex digits.';
COMMENT ON COLUMN reports.input_key IS 'Digest of everything that the report was made from; the same key means that rendering again changes nothing.';
COMMENT ON COLUMN reports.run_id IS 'The run that rendered it, as in runs; NULL when rendered by hand.';
COMMENT ON COLUMN reports.rendered_at IS 'When it was rendered.';

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
COMMENT ON TABLE quarantine IS 'Sessions set aside now, with a reason code from a closed list. The row goes when its source is scored after all.';
COMMENT ON COLUMN quarantine.quarantine_id IS 'SHA-256 over source_uri, content hash and reason, 64 hex digits: the same trouble with the same file is one row.';
COMMENT ON COLUMN quarantine.night IS 'The day whose sessions were processed.';
COMMENT ON COLUMN quarantine.source_uri IS 'Where the file is, relative to the source.';
COMMENT ON COLUMN quarantine.content_sha256 IS 'SHA-256 of the video file, 64 hex digits; NULL if it was not read.';
COMMENT ON COLUMN quarantine.session_id IS 'Identifier from the sidecar; NULL if that could not be read.';
COMMENT ON COLUMN quarantine.patient_id IS 'Pseudonym from the sidecar; NULL if that could not be read.';
COMMENT ON COLUMN quarantine.reason IS 'sidecar_missing, sidecar_invalid, sidecar_date_mismatch, video_missing, no_consent, duplicate_content, session_conflict, empty_file, not_a_video, no_video_stream, no_frames, truncated or unreadable.';
COMMENT ON COLUMN quarantine.message IS 'What was wrong and what to do, in one line.';
COMMENT ON COLUMN quarantine.first_seen_at IS 'When it was first set aside.';
COMMENT ON COLUMN quarantine.run_id IS 'The run that first set it aside, as in runs.';
