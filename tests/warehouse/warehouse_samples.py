"""Records and score batches for the warehouse's tests: made up, but complete, and the same in every process."""

import hashlib
from datetime import date, datetime, timedelta, timezone

import duckdb
import numpy as np
import polars as pl
from stored import store_session

from pmfer.errors import QuarantineReason
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.frame_row import FRAME_SCHEMA, SCORE_COLUMNS
from pmfer.pain import with_pain_activity
from warehouse import migrate
from warehouse.queries import Provenance
from warehouse.records import BundleRecord, QuarantineRecord, RunOutcome, RunRecord, ScoringRecord, SessionRecord

SUMMER_TIME = timezone(timedelta(hours=2))
OPTIONS = {"detector": "centerface", "frames_per_second": 5.0}


def sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


BUNDLE = BundleRecord(sha256("card"), "sample", sha256("weights"), sha256("prompts"), {"name": "sample"})
PROVENANCE = Provenance(BUNDLE.bundle_id, sha256("options"))


def sample_session(name: str, patient_id: str = "p01", day: int = 1, hour: int = 9) -> SessionRecord:
    return SessionRecord(
        session_id=name,
        patient_id=patient_id,
        started_at=datetime(2026, 6, day, hour, tzinfo=SUMMER_TIME),
        source_uri=f"2026-06-{day:02d}/{name}.mp4",
        content_sha256=sha256(name),
        consent=True,
    )


def sample_frames(session_id: str, count: int = 40) -> pl.DataFrame:
    """Five frames per second; the last quarter shows nobody. Scores are random, seeded with the session_id.

    Values have no more decimals than are stored, so that they are read back unchanged.
    """
    rng = np.random.default_rng(int(sha256(session_id)[:8], 16))
    faces = count - count // 4
    expressions = rng.dirichlet(np.ones(8), faces)
    scores = np.hstack([expressions, rng.random((faces, len(SCORE_COLUMNS) - 8))]).round(3)
    seen: dict[str, object] = {name: scores[:, i] for i, name in enumerate(SCORE_COLUMNS)}
    seen |= {
        "track_id": 0,
        "box_x_px": 10.0,
        "box_y_px": 20.0,
        "box_w_px": 90.0,
        "box_h_px": 90.0,
        "face_size_px": 90.0,
    }
    seen |= {"detection_score": 0.9, "yaw_deg": rng.normal(0, 10, faces).round(1), "pitch_deg": 0.0, "roll_deg": 0.0}
    seen |= {"sharpness": (rng.random(faces) * 100).round(2), "brightness": rng.random(faces).round(3)}
    scored = pl.DataFrame(seen).with_columns(face_count=1, is_subject=True)
    empty = pl.DataFrame({"face_count": [0] * (count - faces), "is_subject": False, "reason": "no_face"})
    frames = pl.concat([scored, empty], how="diagonal_relaxed")
    frames = frames.with_columns(
        session_id=pl.lit(session_id),
        frame_index=pl.int_range(pl.len()) * 6,
        pts_s=pl.int_range(pl.len()) / 5 + 0.1,
        occlusion=None,
    )
    frames = with_pain_activity(frames).with_columns(pl.col("pain_activity").round(3))
    return frames.select(pl.col(name).cast(dtype) for name, dtype in FRAME_SCHEMA.items())


def frames_of(patient: str, day: int) -> pl.DataFrame:
    """The frames of a session: the sample frames, with a smile of one second for one patient on the 4th."""
    frames = sample_frames(f"{patient}-{day}")
    if (patient, day) != ("p01", 4):
        return frames
    smile = pl.col("frame_index").is_between(12, 42)
    one = {name: pl.when(smile).then(float(name == "happiness")).otherwise(pl.col(name)) for name in EXPRESSION_NAMES}
    return frames.with_columns(**one).cast(frames.schema)


def sample_scoring(frames: pl.DataFrame, options: str = "options", run_id: str = "run-1") -> ScoringRecord:
    return ScoringRecord(
        options_sha256=sha256(options),
        options=OPTIONS,
        run_id=run_id,
        duration_s=frames["pts_s"].max() - frames["pts_s"].min(),
        frames_decoded=frames.height * 6,
        frames_sampled=frames.height,
        frames_with_face=(frames["face_count"] > 0).sum(),
        frames_scored=frames["reason"].null_count(),
    )


def store_sample(
    connection: duckdb.DuckDBPyConnection, session: SessionRecord, count: int = 40, *, consent_required: bool = False
) -> bool:
    frames = sample_frames(session.session_id, count)
    scoring = sample_scoring(frames)
    return store_session(connection, session, scoring, BUNDLE, frames, consent_required=consent_required)


def sample_run(run_id: str = "run-1", day: int = 1) -> RunRecord:
    return RunRecord(run_id, date(2026, 6, day), "0.1", BUNDLE.bundle_id, PROVENANCE.options_sha256, OPTIONS)


COMPLETED = RunOutcome("completed", 1, 1, 0, 0, 30)

BROKEN = QuarantineRecord(
    night=date(2026, 6, 1),
    source_uri="2026-06-01/s1.mp4",
    content_sha256=sha256("broken"),
    session_id="s1",
    patient_id="p01",
    reason=QuarantineReason.TRUNCATED,
    message="2026-06-01/s1.mp4: half of it is missing; copy it again",
    run_id="run-1",
)


def table_names(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [name for (name,) in connection.execute(migrate.TABLE_NAMES).fetchall()]


def content(connection: duckdb.DuckDBPyConnection) -> dict[str, list[tuple[object, ...]]]:
    """All rows of all tables in a fixed order, without the times at which they were written and without the audit log,
    which tells how often something was tried."""
    written = r"^(first_seen|found|accepted|undone|registered|activated|stored|scored|applied|rendered|finished)_at$"
    tables: dict[str, list[tuple[object, ...]]] = {}
    for name in table_names(connection):
        if name.startswith("audit_"):
            continue
        rows = connection.execute(f"FROM {name}").pl().select(pl.exclude(written))
        tables[name] = sorted(rows.rows(), key=repr)
    return tables


def fingerprint(connection: duckdb.DuckDBPyConnection) -> list[tuple[object, ...]]:
    """A hash of every row of every table, times of writing included."""
    rows = [f"SELECT '{name}', count(*), sum(hash(t)) FROM {name} AS t" for name in table_names(connection)]
    return connection.execute(" UNION ALL ".join(rows) + " ORDER BY ALL").fetchall()


def session_summaries(connection: duckdb.DuckDBPyConnection, patient_id: str) -> pl.DataFrame:
    """Summaries of a patient's sessions, by time."""
    query = "FROM session_summary WHERE patient_id = $patient_id ORDER BY started_at, session_id"
    return connection.execute(query, {"patient_id": patient_id}).pl()
