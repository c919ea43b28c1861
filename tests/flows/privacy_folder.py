"""A small data folder with patients in everything that it can hold, made by the functions of the flows."""

import gzip
import hashlib
import json
import shutil
import sqlite3
from dataclasses import replace
from datetime import date, datetime, timedelta, timezone
from pathlib import Path

import duckdb
import numpy as np
import polars as pl
from stored import store_session
from warehouse_copies import copy_warehouse, move_lake

from flows.data_folder import DataFolder
from flows.printing import Printing
from flows.report import render_by_hand
from flows.settings import read_settings
from flows.warehouse_access import WarehouseAccess
from pmfer.errors import QuarantineReason
from pmfer.frame_row import FRAME_SCHEMA, SCORE_COLUMNS
from pmfer.pain import with_pain_activity
from reports import Format
from reports.write import Recipient
from warehouse import quarantine, runs
from warehouse.address import Address, FileAddress, LakeAddress
from warehouse.consent import Consent, record_consents
from warehouse.records import BundleRecord, QuarantineRecord, RunOutcome, RunRecord, ScoringRecord, SessionRecord

PATIENT, OTHER, ANOTHER = "ash-01", "elm-02", "ash-01b"  # the third contains the name of the first
DAYS = tuple(date(2026, 3, day) for day in (2, 3))
DAY = DAYS[0]
ABSENT = DAYS[1]  # on this day only the others were recorded
OPTIONS = {"detector": "centerface", "frames_per_second": 5.0}
FRAMES = 40
PASSWORD = "a word for the night team"
PRINTING = Printing(tuple(Format), (Recipient("night-team", PASSWORD),))  # every format that a report can have
BUNDLE = BundleRecord("b" * 64, "sample", "c" * 64, "d" * 64, {"name": "sample"})


def file_of(data: DataFolder) -> FileAddress:
    """The warehouse of a data folder, if no setting names another."""
    return FileAddress(data.warehouse, data.published)


def printing_settings(folder: Path) -> dict[str, str]:
    """The environment that asks for PRINTING; the facility's files are in a folder outside the data folder."""
    password = folder / "night-team.password"
    password.write_text(PASSWORD + "\n")
    password.chmod(0o600)
    recipients = folder / "recipients.toml"
    recipients.write_text(f'[[recipient]]\nname = "night-team"\npassword_file = "{password}"\n')
    return {
        "PMFER_REPORT_FORMATS": ",".join(Format),
        "PMFER_REPORT_RECIPIENTS": str(recipients),
        "PMFER_REPORT_OPEN_PDF": "true",
    }


def lake_of(data: DataFolder) -> LakeAddress:
    """A lake within a data folder, with its catalogue in an SQLite file."""
    return LakeAddress("sqlite", str(data.root / "warehouse" / "catalogue.sqlite"), str(data.lake))


def access_to(data: DataFolder, warehouse: Address | None = None) -> WarehouseAccess:
    """Access to a data folder and its warehouse, a file unless another is given, as the actor in the settings."""
    settings = read_settings()
    return WarehouseAccess(data, warehouse or file_of(data), settings.actor, settings.consent_required)


def new_house(empty_file: FileAddress, root: Path) -> DataFolder:
    """The data folder of a facility with an empty warehouse."""
    data = DataFolder(root)
    copy_warehouse(empty_file, file_of(data))
    return data


def make_folder(data: DataFolder, warehouse: Address | None = None) -> None:
    """Two days of a ward: sessions, quarantine, consents, reports, a snapshot, and stray files."""
    warehouse = warehouse or file_of(data)
    with access_to(data, warehouse).writing() as writer:
        connection = writer.connection
        for day in DAYS:
            store_day(connection, day)
        record_consents(
            connection, [Consent(patient, DAY, None, None, f"form of {patient}") for patient in (PATIENT, OTHER)]
        )
    for day in DAYS:
        render_by_hand(access_to(data, warehouse), day, None, PRINTING)
    access_to(data).record_reading("sql", tables=["sessions"])
    _scatter(data)


def copy_ward(ward: DataFolder, root: Path) -> DataFolder:
    """A copy of such a folder, for a test that changes it."""
    copy = DataFolder(Path(shutil.copytree(ward.root, root)))
    if copy.lake.exists():
        move_lake(lake_of(copy))
    return copy


def sessions_of(patient: str, day: date) -> SessionRecord:
    name = f"{patient}-{day}-am"
    return SessionRecord(
        session_id=name,
        patient_id=patient,
        started_at=datetime(day.year, day.month, day.day, 9, tzinfo=timezone(timedelta(hours=1))),
        source_uri=f"{day}/{name}.mp4",
        content_sha256=_sha256(name),
        consent=True,
    )


def scoring_of(run: str) -> ScoringRecord:
    """The scoring that produced the frames of `frames_of`."""
    return ScoringRecord(_sha256("options"), OPTIONS, run, 7.8, 240, FRAMES, FRAMES, FRAMES)


def store_day(connection: duckdb.DuckDBPyConnection, day: date) -> None:
    """The sessions of a day of the ward. The first patient is there only on the first day."""
    run = f"run-{day}"
    runs.start_run(connection, RunRecord(run, day, "0.1", BUNDLE.bundle_id, _sha256("options"), OPTIONS))
    for patient in (PATIENT, OTHER, ANOTHER):
        if patient == PATIENT and day >= ABSENT:
            continue
        session = sessions_of(patient, day)
        frames = frames_of(session.session_id)
        store_session(connection, session, scoring_of(run), BUNDLE, frames)
    if day == DAY:
        _quarantine(connection, day, run)
    runs.finish_run(
        connection, run, RunOutcome("failed" if day == DAYS[1] else "completed", 3, 3, 0, 0, 120, _message(day))
    )
    if day == DAYS[1]:
        again = f"{run}-again"
        runs.start_run(connection, RunRecord(again, day, "0.1", BUNDLE.bundle_id, _sha256("options"), OPTIONS))
        runs.finish_run(connection, again, RunOutcome("completed", 3, 0, 3, 0, 0))


def _message(day: date) -> str | None:
    return f"score batch of session {PATIENT}-{DAY}-am: broken" if day == DAYS[1] else None


def _quarantine(connection: duckdb.DuckDBPyConnection, day: date, run: str) -> None:
    uri = f"{day}/{PATIENT}-noon.mp4"
    trouble = QuarantineRecord(day, uri, None, f"{PATIENT}-noon", PATIENT, QuarantineReason.EMPTY_FILE, "empty", run)
    quarantine.add_quarantine(connection, trouble)
    unknown = replace(trouble, source_uri=f"{day}/{PATIENT}-eve.mp4", session_id=None, patient_id=None)
    quarantine.add_quarantine(connection, unknown)
    twin = f"the same video is already stored as session {PATIENT}-{day}-am"
    other = replace(trouble, source_uri=f"{day}/twin.mp4", session_id="twin", patient_id=OTHER, message=twin)
    quarantine.add_quarantine(connection, other)
    own = replace(trouble, source_uri=f"{day}/{OTHER}-noon.mp4", session_id=f"{OTHER}-noon", patient_id=OTHER)
    quarantine.add_quarantine(connection, own)


def _scatter(data: DataFolder) -> None:
    """Leave below a data folder what killed runs, people and other programs leave there."""
    night = data.root / "source" / DAY.isoformat()
    night.mkdir(parents=True)
    for patient, name in ((PATIENT, "camera-7"), (OTHER, "camera-8")):
        (night / f"{name}.mp4").write_bytes(b"\0 frames of " + name.encode())
        (night / f"{name}.json").write_text(json.dumps({"session_id": name, "patient_id": patient}))
    later = data.root / "source" / DAYS[1].isoformat()
    later.mkdir()
    (later / "manifest.csv").write_text(f"file,session_id,patient_id\na.mp4,x1,{PATIENT}\nb.mp4,x2,{OTHER}\n")
    for name in ("a.mp4", "b.mp4"):
        (later / name).write_bytes(b"\0" + name.encode())
    data.staging.mkdir()
    (data.staging / f"{_sha256(sessions_of(PATIENT, DAY).session_id)}.mp4").write_bytes(b"\0 frames")
    frames_of(sessions_of(PATIENT, DAY).session_id).write_parquet(data.staging / "batch.parquet")
    data.exports.mkdir()
    frames_of(sessions_of(PATIENT, DAY).session_id).write_parquet(data.exports / "frames.parquet")
    notes = data.root / "notes"
    (notes / PATIENT).mkdir(parents=True)
    (notes / PATIENT / "page.html").write_text("<p>nothing</p>")
    (notes / "utf16.txt").write_bytes(f"{PATIENT} slept".encode("utf-16"))
    (notes / "log.gz").write_bytes(gzip.compress(f"{PATIENT} slept".encode() * 50))
    (notes / "table.parquet").write_bytes(b"")
    pl.DataFrame({"who": [PATIENT] * 1000}).write_parquet(notes / "table.parquet", compression="zstd")
    (notes / "ours.txt").write_text(f"{OTHER} slept, {ANOTHER} too")
    data.published.parent.mkdir(exist_ok=True)
    for copy in (data.published.parent / ".warehouse.duckdb.draft", data.root / "backup.duckdb"):
        with duckdb.connect(copy) as connection:
            connection.execute("CREATE TABLE seen AS SELECT $patient AS patient_id", {"patient": PATIENT})
    data.prefect_home.mkdir()
    with sqlite3.connect(data.prefect_home / "prefect.db") as prefect:
        prefect.execute("CREATE TABLE artifact (data JSON)")
        prefect.execute("INSERT INTO artifact VALUES (?)", (json.dumps([{"session": f"{PATIENT}-am"}]),))
    prefect.close()


def frames_of(session_id: str, count: int = FRAMES) -> pl.DataFrame:
    """Five frames a second, all scored, with random values seeded by the session's name."""
    rng = np.random.default_rng(int(_sha256(session_id)[:8], 16))
    scores = np.hstack([rng.dirichlet(np.ones(8), count), rng.random((count, len(SCORE_COLUMNS) - 8))])
    columns: dict[str, object] = {name: scores[:, i] for i, name in enumerate(SCORE_COLUMNS)}
    columns |= {"session_id": session_id, "face_count": 1, "is_subject": True, "track_id": 0, "reason": None}
    columns |= {"frame_index": np.arange(count) * 6, "pts_s": np.arange(count) / 5}
    measured = ("box_x_px", "box_y_px", "box_w_px", "box_h_px", "face_size_px", "sharpness")
    columns |= dict.fromkeys(measured, 90.0) | {"detection_score": 0.9, "brightness": 0.5, "occlusion": None}
    columns |= dict.fromkeys(("yaw_deg", "pitch_deg", "roll_deg"), 0.0)
    frames = with_pain_activity(pl.DataFrame(columns))
    return frames.select(pl.col(name).cast(dtype) for name, dtype in FRAME_SCHEMA.items())


def _sha256(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()
