"""Warehouses of every earlier schema, filled as the release of that time did, with plain SQL and none of today's code.

Four patients in three time zones have six sessions over three days; in one of them the patient has left the room.
Scores have all digits of a 32-bit float before migration 7, and the decimals of their columns since.
"""

from collections.abc import Iterator
from contextlib import contextmanager
from unittest import mock

import duckdb

from warehouse import migrate
from warehouse.address import Address
from warehouse.connection import open_writer
from warehouse.migrate import shipped_migrations

ROUNDED = 7  # migration since which frames have three decimals
PAIN_KEPT = 15  # migration since which pain-related activity is stored with frames
EXPRESSIONS = ("neutral", "happiness", "surprise", "sadness", "anger", "disgust", "fear", "contempt")
ACTION_UNITS = tuple(f"au{n:02d}" for n in (1, 2, 4, 5, 6, 7, 9, 10, 12, 14, 15, 16, 17, 20, 23, 24, 25, 26, 27, 43))
FRAMES = 69  # of a session; 414 in all
_ADD_PAIN = """
    ALTER TABLE old_frames ADD COLUMN pain_activity FLOAT;
    UPDATE old_frames
    SET pain_activity = digits((au04 + greatest(au06, au07) * (1 - happiness) + greatest(au09, au10) + au43) / 4);
"""

_ROWS_SINCE = {
    1: """
    INSERT INTO patients (patient_id, first_seen_at)
    SELECT patient_id, min(started_at) + INTERVAL 1 DAY FROM old_sessions GROUP BY patient_id;
    INSERT INTO bundles (bundle_id, name, weights_sha256, prompt_set_sha256, card, registered_at)
    VALUES (sha256('card'), 'sample', sha256('weights'), sha256('prompts'), '{"name": "sample"}', now());
    INSERT INTO runs (
        run_id, night, started_at, finished_at, status, code_version, bundle_id, options_sha256, options,
        sessions_found, sessions_scored, sessions_done_before, sessions_quarantined, frames_scored, message
    )
    SELECT
        'run-' || session_date, session_date, now(), now(), 'completed', '0.1', sha256('card'), sha256('options'),
        '{"frames_per_second": 5.0}', 2, 2, 0, 0, 40, NULL
    FROM (SELECT DISTINCT session_date FROM old_sessions);
    INSERT INTO runs (
        run_id, night, started_at, finished_at, status, code_version, bundle_id, options_sha256, options, message
    )
    VALUES (
        'run-killed', '2026-05-02', now(), now(), 'failed', '0.1', sha256('card'), sha256('options'), '{}', 'killed'
    );
    INSERT INTO sessions (
        session_id, patient_id, session_date, started_at, utc_offset_s, source_uri, content_sha256, consent, stored_at
    )
    SELECT
        session_id, patient_id, session_date, started_at, utc_offset_s, session_date || '/' || session_id || '.mp4',
        sha256(session_id), true, now()
    FROM old_sessions;
    INSERT INTO scorings (
        scoring_id, session_id, bundle_id, options_sha256, options, run_id, scored_at, duration_s,
        frames_decoded, frames_sampled, frames_with_face, frames_scored, warning
    )
    SELECT
        scoring_id, session_id, sha256('card'), sha256('options'), '{"frames_per_second": 5.0}',
        'run-' || session_date, now(), max(pts_s) - min(pts_s), count(*) * 6, count(*),
        count(*) FILTER (face_count > 0), count(neutral), if(session_id = 's2', 'the decoder complained', NULL)
    FROM old_frames JOIN old_sessions USING (session_id)
    GROUP BY scoring_id, session_id, session_date;
    INSERT INTO reports (report_id, kind, patient_id, report_date, path, sha256, input_key, run_id, rendered_at)
    SELECT
        'report-' || session_id, 'patient', patient_id, session_date, 'reports/' || session_id || '.pdf',
        sha256('pdf'), sha256('input'), 'run-' || session_date, now()
    FROM old_sessions
    QUALIFY row_number() OVER (PARTITION BY patient_id, session_date ORDER BY session_id) = 1
    UNION ALL
    SELECT 'report-ward', 'ward', NULL, DATE '2026-05-03', 'reports/ward.pdf', sha256('ward'), sha256('input'),
        'run-2026-05-03', now();
    INSERT INTO quarantine (
        quarantine_id, night, source_uri, content_sha256, session_id, patient_id, reason, message, first_seen_at, run_id
    )
    VALUES
        ('q1', '2026-05-01', 'x.mp4', NULL, NULL, NULL, 'sidecar_missing', 'no sidecar', now(), 'run-2026-05-01'),
        ('q2', '2026-05-02', 'y.mp4', sha256('y'), 's9', 'elm-04', 'no_consent', 'no', now(), 'run-2026-05-02');
    """,
    3: """
    INSERT INTO frame_extra_scores (scoring_id, session_id, frame_index, phrase_key, score)
    SELECT
        scoring_id, session_id, frame_index, phrase_key, digits(sin(frame_index * 1.7 + length(phrase_key)) / 2 + 0.5)
    FROM old_frames, (VALUES ('tongue_out'), ('tears')) AS phrases (phrase_key)
    WHERE neutral IS NOT NULL;
    """,
    4: """
    INSERT INTO session_rollups BY NAME FROM session_rollups_of('old_frames');
    INSERT INTO phrase_quantiles BY NAME FROM au_quantiles_of('old_frames');
    INSERT INTO phrase_quantiles BY NAME FROM phrase_quantiles_of('frame_extra_scores');
    INSERT INTO episodes BY NAME FROM episodes_of('old_frames');
    INSERT INTO active_bundle (bundle_id, options_sha256, night, activated_at)
    VALUES (sha256('card'), sha256('options'), '2026-05-03', now());
    """,
    5: """
    INSERT INTO consents (patient_id, valid_from, valid_to, withdrawn_on, source, recorded_at)
    VALUES
        ('birch-01', '2026-01-01', NULL, NULL, 'form 12', now()),
        ('pine-03', '2026-01-01', '2026-12-31', '2026-06-01', 'form 13', now());
    INSERT INTO audit_subjects (patient_id, subject) SELECT patient_id, md5(patient_id) FROM patients;
    """,
    6: """
    INSERT INTO care_events (
        event_id, patient_id, kind, item, event_date, started_at, utc_offset_s, ended_at, amount, unit, note, source,
        imported_at
    )
    VALUES (
        'e1', 'birch-01', 'medication', 'morphine', '2026-05-02', '2026-05-02 06:00:00+00', 7200, NULL, 5, 'mg', NULL,
        'doses.csv', now()
    );
    """,
    8: """UPDATE reports SET files = '{"' || path || '": "' || sha256 || '"}';""",
    9: "UPDATE quarantine SET replay_asked_at = now() WHERE quarantine_id = 'q1';",
    10: "UPDATE reports SET shown = 'birch-01,oak-02' WHERE kind = 'ward';",
    11: """
    INSERT INTO daily_values (patient_id, session_date, bundle_id, options_sha256, sessions, measure, value)
    VALUES
        ('birch-01', '2026-03-01', sha256('card'), sha256('options'), 2, 'au04', 0.25),
        ('birch-01', '2026-03-01', sha256('card'), sha256('options'), 2, 'smiling', NULL);
    """,
    13: "INSERT INTO tombstones (mark, kind, erased_at) VALUES ('salt:' || sha256('saltash-05'), 'patient', now());",
    16: """
    INSERT INTO findings (
        patient_id, session_date, measure, bundle_id, options_sha256, kind, state, stage, rules, value, baseline_days,
        tentative, direction, opened_on, found_at, code_version
    )
    VALUES (
        'birch-01', '2026-05-02', 'pain_activity', sha256('card'), sha256('options'), 'headline', 'higher', 'new',
        ['ewma'], 0.5, 9, true, 'higher', '2026-05-02', now(), '0.1'
    );
    INSERT INTO accepted_levels (patient_id, measure, from_date, note, actor, accepted_at)
    VALUES ('birch-01', 'pain_activity', '2026-05-01', 'new glasses', 'night-team', now());
    """,
}


@contextmanager
def release_of(version: int) -> Iterator[None]:
    """In the block, this process acts as a release whose newest migration is number `version`."""
    with mock.patch.object(migrate, "shipped_migrations", return_value=shipped_migrations()[:version]):
        yield


def fill_old_warehouse(address: Address, version: int) -> None:
    """Fill a warehouse as the release with `version` as its newest migration did; create it if necessary."""
    with release_of(version), open_writer(address) as connection:
        _define_frames(connection, version)
        if version >= PAIN_KEPT:
            connection.execute(_ADD_PAIN)
        columns = ", ".join(column for column, *_ in connection.execute("DESCRIBE old_frames").fetchall())
        table = "frame_scores" if version < ROUNDED else "stored_frames"
        connection.begin()
        connection.execute(f"INSERT INTO {table} ({columns}) FROM old_frames")
        for since, text in _ROWS_SINCE.items():
            if since <= version:
                connection.execute(text)
        connection.commit()
        connection.execute("DROP TABLE temp.old_frames; DROP TABLE temp.old_sessions; DROP MACRO temp.digits")


def _define_frames(connection: duckdb.DuckDBPyConnection, version: int) -> None:
    """Sessions and frames as tables of this connection, with as many digits as were stored then."""
    digits = f"CAST({'number' if version < ROUNDED else 'round(number, decimals)'} AS FLOAT)"
    weights = {name: f"pow(sin(n * {i + 1} * 0.37 + start) + 1.1, 4)" for i, name in enumerate(EXPRESSIONS)}
    total = " + ".join(weights.values())
    scores = {name: f"({weight}) / ({total})" for name, weight in weights.items()}
    # Slow waves, so that there are episodes.
    scores |= {name: f"0.5 + 0.5 * sin(n * 0.{i + 11} + start)" for i, name in enumerate(ACTION_UNITS)}
    seen = {
        "box_x_px": "100 + n / 7.0",
        "box_y_px": "80 + n / 9.0",
        "box_w_px": "90 + n / 11.0",
        "box_h_px": "90.5",
        "detection_score": "0.9 + 0.05 * sin(n)",
        "sharpness": "40 + n / 3.0",
        "brightness": "0.5 + 0.3 * sin(n * 0.1)",
        "face_size_px": "90 + n / 13.0",
        "yaw_deg": "25 * sin(n * 0.2)",
        "pitch_deg": "5 * sin(n * 0.3)",
        "roll_deg": "3 * sin(n * 0.4)",
    }
    columns = [
        f"if(is_subject, digits({value}, {1 if name.endswith(('_px', '_deg')) else 3}), NULL) AS {name}"
        for name, value in seen.items()
    ]
    columns += [f"if(reason IS NULL, digits({value}), NULL) AS {name}" for name, value in scores.items()]
    connection.execute(f"""
        CREATE TEMP MACRO digits(number, decimals := 3) AS {digits};
        CREATE TEMP TABLE old_sessions AS
        FROM (VALUES
            ('s1', 'birch-01', DATE '2026-05-01', TIMESTAMPTZ '2026-05-01 07:00:00+00', 7200),
            ('s2', 'birch-01', DATE '2026-05-01', TIMESTAMPTZ '2026-05-01 15:00:00+00', 7200),
            ('s3', 'birch-01', DATE '2026-05-02', TIMESTAMPTZ '2026-05-02 07:00:00+00', 7200),
            ('s4', 'oak-02', DATE '2026-05-02', TIMESTAMPTZ '2026-05-02 22:30:00+00', -18000),
            ('s5', 'pine-03', DATE '2026-05-03', TIMESTAMPTZ '2026-05-02 20:00:00+00', 19800),
            ('s6', 'elm-04', DATE '2026-05-03', TIMESTAMPTZ '2026-05-03 08:00:00+00', 7200)
        ) AS listed (session_id, patient_id, session_date, started_at, utc_offset_s);
        CREATE TEMP TABLE old_frames AS
        WITH numbered AS (
            SELECT
                sha256(session_id) AS scoring_id, session_id, n, CAST(substr(session_id, 2) AS INTEGER) AS start,
                CASE
                    WHEN session_id = 's6' OR n % 11 = 0 THEN 'no_face'
                    WHEN n % 13 = 0 THEN 'not_subject'
                    WHEN n % 17 = 0 THEN 'too_dark'
                    WHEN n % 19 = 0 THEN 'too_blurred'
                END AS reason
            FROM old_sessions, range({FRAMES}) AS numbers (n)
        ),
        judged AS (
            SELECT *, reason IS NULL OR reason IN ('too_dark', 'too_blurred') AS is_subject FROM numbered
        )
        SELECT
            scoring_id, session_id, CAST(n * 6 AS INTEGER) AS frame_index, n / 5.0 + 0.1 AS pts_s,
            CAST(if(reason IS NOT DISTINCT FROM 'no_face', 0, 1 + n % 2) AS INTEGER) AS face_count,
            if(is_subject, 0, NULL) AS track_id, is_subject, CAST(NULL AS FLOAT) AS occlusion, reason,
            {", ".join(columns)}
        FROM judged;
    """)
