"""Build a ward's warehouse of any size and measure it: rows stored per second, bytes per frame row, time per query.

    python -m benchmarks.warehouse --patients 100 --days 365 --sessions 2 --frames 500 --out FOLDER

Sessions go through `store_sessions`, those of a night in one transaction: checked, with their rollups, quantiles,
episodes and an audit log entry each. The last night is stored session by session, as the nightly flow does it. Frames
are made up, but not noise: scores drift as those of a face do, and have all digits of a 32-bit number. A reader runs
each of QUERIES on the published snapshot five times; the first time is that of a cold start, the median that of an
analyst who keeps asking.
"""

import argparse
import hashlib
import json
import os
import statistics
import tempfile
import time
from collections.abc import Iterator
from dataclasses import asdict, dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import duckdb
import numpy as np
import polars as pl

from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from pmfer.frame_row import FRAME_SCHEMA
from pmfer.pain import with_pain_activity
from warehouse.address import FileAddress
from warehouse.connection import open_reader, open_writer
from warehouse.contracts import broken_contracts
from warehouse.publish import publish
from warehouse.records import BundleRecord, RunOutcome, RunRecord, ScoringRecord, SessionRecord, SessionResult
from warehouse.runs import finish_run, start_run
from warehouse.store import store_sessions

FIRST_DAY = date(2026, 1, 1)
BATCHES = 64  # number of different made-up sessions; the others repeat them
QUERIES = {
    # The frames of one session over time, a second at a time; this reads frames, not rollups.
    "frames_of_a_session": """
        SELECT floor(pts_s) AS second, mean_score(happiness) AS happiness, mean_score(au12) AS au12
        FROM frames
        WHERE session_id = (SELECT max(session_id) FROM sessions)
        GROUP BY second
        ORDER BY second;
    """,
    # What is usual for a patient, from the four weeks before the last day.
    "patient_baseline": """
        FROM patient_baseline('patient-000', (SELECT max(session_date) FROM sessions))
        ORDER BY measure;
    """,
    # How far a patient's brows were lowered on each day of a year: the median and the spread of AU 4.
    "patient_phrase_quantiles": """
        SELECT session_date, p10, p50, p90
        FROM patient_day_phrases
        WHERE patient_id = 'patient-000' AND phrase_key = 'au04'
        ORDER BY session_date;
    """,
    # All of a patient's sessions with every column, as a report reads them.
    "patient_year_sessions": """
        FROM session_summary
        WHERE patient_id = 'patient-000'
        ORDER BY started_at;
    """,
    # A patient's year, day by day: smiles, expressivity and pain-related facial activity beside their means over four
    # weeks.
    "patient_year_trend": """
        SELECT
            session_date, happiness_share, expressivity_mean, pain_activity_mean, smiles,
            avg(expressivity_mean) OVER four_weeks AS expressivity_four_weeks,
            avg(pain_activity_mean) OVER four_weeks AS pain_activity_four_weeks
        FROM patient_days
        WHERE patient_id = 'patient-000'
        WINDOW four_weeks AS (ORDER BY session_date RANGE BETWEEN INTERVAL 27 DAYS PRECEDING AND CURRENT ROW)
        ORDER BY session_date;
    """,
    # A ward's last month: each patient's expressivity and quality of data, and how that compares with the patient's
    # month before.
    "ward_month": """
        WITH latest AS (SELECT max(session_date) AS day FROM sessions)
        SELECT
            patient_id,
            avg(expressivity_mean) FILTER (session_date > day - 30) AS expressivity,
            avg(expressivity_mean) FILTER (session_date > day - 30)
                - avg(expressivity_mean) FILTER (session_date <= day - 30) AS change,
            min(scored_share) AS worst_scored_share
        FROM patient_days
        CROSS JOIN latest
        WHERE session_date > day - 60
        GROUP BY patient_id
        ORDER BY change;
    """,
    # Smiles of a ward in its last month: how many, how long and how strong, by patient.
    "ward_month_smiles": """
        SELECT patient_id, count(*) AS smiles, median(end_s - start_s) AS median_s, max(peak) AS strongest
        FROM episodes
        JOIN active_scorings USING (scoring_id)
        WHERE kind = 'smile' AND session_date > (SELECT max(session_date) - 30 FROM sessions)
        GROUP BY patient_id
        ORDER BY smiles DESC;
    """,
    # The quality of every night of a year.
    "year_of_nights": """
        FROM night_quality
        ORDER BY night;
    """,
}


@dataclass(frozen=True)
class Size:
    """How large a ward is simulated."""

    patients: int
    days: int
    sessions: int  # per patient and day
    frames: int  # per session


def main() -> None:
    """Measure and print; with --json also write the figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=100)
    parser.add_argument("--days", type=int, default=365, help="at least two")
    parser.add_argument("--sessions", type=int, default=2, help="per patient and day")
    parser.add_argument("--frames", type=int, default=500, help="per session, five a second")
    parser.add_argument("--out", type=Path, help="folder for the warehouse; by default a temporary one")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    size = Size(options.patients, options.days, options.sessions, options.frames)
    with tempfile.TemporaryDirectory() as temporary:
        figures = measure(size, options.out or Path(temporary))
    for name, value in figures.items():
        print(f"{name:<44} {value:>16,.1f}" if isinstance(value, float) else f"{name:<44} {value!s:>16}")
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def measure(size: Size, folder: Path) -> dict[str, object]:
    """Build a warehouse in a folder and measure it; figures by name, times in seconds or milliseconds as named."""
    address = FileAddress(folder / "warehouse.duckdb", folder / "published" / "warehouse.duckdb")
    figures: dict[str, object] = {"cores": os.cpu_count(), "load_before": os.getloadavg()[0], **asdict(size)}
    with open_writer(address) as connection:
        began = time.perf_counter()
        spent = store_ward(connection, size)
        figures["ingest_wall_s"] = time.perf_counter() - began
        night = size.patients * size.sessions
        rows = size.days * night * size.frames
        figures |= {"frame_rows": rows, "ingest_rows_per_s": (rows - night * size.frames) / spent.bulk_s}
        figures |= {"ms_per_session_singly": 1000 * spent.singly_s / night, "checks_of_last_night_s": spent.check_s}
        connection.execute("CHECKPOINT")
        began = time.perf_counter()
        publish(connection, address)
        figures["publish_s"] = time.perf_counter() - began
    figures["bytes_per_frame_row"] = address.path.stat().st_size / rows
    figures["snapshot_bytes_per_frame_row"] = address.published.stat().st_size / rows
    with open_reader(address) as reader:
        for name, query in QUERIES.items():
            times = [timed(reader, query) for _ in range(5)]
            figures[f"{name}_first_ms"] = times[0]
            figures[f"{name}_median_ms"] = statistics.median(times)
    figures["load_after"] = os.getloadavg()[0]
    return figures


@dataclass(frozen=True)
class Spent:
    """Seconds that storing a ward took."""

    bulk_s: float  # nights that were stored in one transaction
    singly_s: float  # the last night, session by session
    check_s: float  # contracts of the last night


def store_ward(connection: duckdb.DuckDBPyConnection, size: Size) -> Spent:
    """Store all sessions, each night at once except the last, and check the last as the nightly flow does."""
    bundle = BundleRecord(digest("card"), "bench", digest("weights"), digest("prompts"), {"name": "bench"})
    batches = [made_up_frames(seed, size.frames) for seed in range(BATCHES)]
    bulk_s = 0.0
    for day in range(size.days):
        night = FIRST_DAY + timedelta(days=day)
        run = RunRecord(f"run-{night}", night, "bench", bundle.bundle_id, digest("options"), {})
        start_run(connection, run)
        results = [result_of(session, batches[seed], run) for session, seed in sessions_of(night, size)]
        last = day == size.days - 1
        began = time.perf_counter()
        for results_together in ([result] for result in results) if last else (results,):
            store_sessions(connection, bundle, results_together)
        spent_s = time.perf_counter() - began
        if not last:
            bulk_s += spent_s
        began = time.perf_counter()
        if last and (broken := broken_contracts(connection, everything=False)):
            raise SystemExit(f"contracts are broken: {broken}")
        check_s = time.perf_counter() - began
        count = len(results)
        finish_run(connection, run.run_id, RunOutcome("completed", count, count, 0, 0, count * size.frames))
    return Spent(bulk_s, spent_s, check_s)


def sessions_of(night: date, size: Size) -> Iterator[tuple[SessionRecord, int]]:
    """The sessions of a night, each with the number of the batch that it repeats."""
    for patient in range(size.patients):
        for number in range(size.sessions):
            name = f"patient-{patient:03d}-{night}-{number}"
            start = datetime(night.year, night.month, night.day, 8 + number % 12, patient % 60, tzinfo=UTC)
            session = SessionRecord(name, f"patient-{patient:03d}", start, f"{night}/{name}.mp4", digest(name), True)
            yield session, int(digest(name)[:8], 16) % BATCHES


def result_of(session: SessionRecord, batch: pl.DataFrame, run: RunRecord) -> SessionResult:
    """The result of one session, scored in a run."""
    frames = batch.with_columns(session_id=pl.lit(session.session_id))
    scoring = ScoringRecord(
        options_sha256=run.options_sha256,
        options={},
        run_id=run.run_id,
        duration_s=frames["pts_s"][-1],
        frames_decoded=6 * frames.height,
        frames_sampled=frames.height,
        frames_with_face=frames.filter(pl.col("face_count") > 0).height,
        frames_scored=frames["reason"].null_count(),
    )
    return SessionResult(session, scoring, frames)


def made_up_frames(seed: int, count: int) -> pl.DataFrame:
    """A score batch at five frames a second; a tenth of the frames show nobody."""
    rng = np.random.default_rng(seed)
    wander = np.cumsum(rng.normal(0, 0.25, (count, 8 + len(AU_COLUMNS))), axis=0)
    logits = 1.5 * wander / (1 + np.abs(wander) / 3)
    expressions = np.exp(logits[:, :8] + np.array([2.5, *[0.0] * 7]))
    columns = dict(zip(EXPRESSION_NAMES, (expressions / expressions.sum(axis=1, keepdims=True)).T, strict=True))
    columns |= dict(zip(AU_COLUMNS, 1 / (1 + np.exp(1.5 - logits[:, 8:].T)), strict=True))
    drift = np.cumsum(rng.normal(0, 0.4, (count, 8)), axis=0).T
    columns |= {"box_x_px": 200 + drift[0], "box_y_px": 120 + drift[1], "box_w_px": 150 + drift[2] / 5}
    columns |= {"box_h_px": 180 + drift[3] / 5, "face_size_px": np.sqrt((150 + drift[2] / 5) * (180 + drift[3] / 5))}
    columns |= {"detection_score": rng.uniform(0.8, 0.99, count), "sharpness": rng.uniform(20, 60, count)}
    columns |= {"brightness": rng.uniform(0.4, 0.6, count)}
    columns |= {"yaw_deg": drift[4], "pitch_deg": drift[5], "roll_deg": drift[6] / 2}
    seen = np.arange(count) % 100 >= 10
    frames = pl.DataFrame({name: np.where(seen, values, np.nan) for name, values in columns.items()}).fill_nan(None)
    frames = frames.with_columns(
        session_id=pl.lit(""),
        frame_index=pl.int_range(pl.len()) * 6,
        pts_s=pl.int_range(pl.len()) / 5,
        face_count=pl.Series(seen.astype(int)),
        is_subject=pl.Series(seen),
        track_id=pl.Series(np.where(seen, 0.0, np.nan)).fill_nan(None),
        occlusion=pl.lit(None),
        reason=pl.when(~pl.Series(seen)).then(pl.lit("no_face")),
    )
    frames = with_pain_activity(frames)
    return frames.select(pl.col(name).cast(dtype) for name, dtype in FRAME_SCHEMA.items())


def timed(connection: duckdb.DuckDBPyConnection, query: str) -> float:
    """Milliseconds until the whole result has been read."""
    began = time.perf_counter()
    connection.execute(query).pl()
    return 1000 * (time.perf_counter() - began)


def digest(text: str) -> str:
    """SHA-256 of a text, 64 hex digits."""
    return hashlib.sha256(text.encode()).hexdigest()


if __name__ == "__main__":
    main()
