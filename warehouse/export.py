"""Writes the warehouse as Parquet files, which any tool can read: a folder per kind of row, in it a folder per day.

    FOLDER/README.md                                  how to read it
    FOLDER/data-dictionary.md                         what every column means
    FOLDER/manifest.json                              what was written, with the hash of every file
    FOLDER/bundles.parquet                            the models
    FOLDER/frames/date=2026-03-02/data.parquet        and so on for every day and kind of row

The folder key `date` is not a column of the files, which have date columns of their own; so a tool that adds it does
not get two columns of the same name. EXPORTED lists what is exported. It omits the names of files and of staff: a file
may be named after a patient.
"""

import hashlib
import json
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from datetime import UTC, date, datetime
from pathlib import Path

import duckdb

from warehouse.dictionary import render_dictionary_of
from warehouse.encryption import parquet_options
from warehouse.migrate import shipped_migrations
from warehouse.private_file import make_private_folder, write_private
from warehouse.sql import quoted
from warehouse.transaction import one_line_errors

MANIFEST = "manifest.json"


@dataclass(frozen=True)
class _Relation:
    """A kind of row that is exported."""

    rows: str  # query of the rows; with `days`, of the rows of $day
    days: str | None = None  # query of the days that can have rows; None: all rows go into one file


_DAYS_OF_SESSIONS = "SELECT session_date FROM sessions"

# What is exported, by its name in the data dictionary.
EXPORTED = {
    "patient_days": _Relation(
        """
        FROM patient_days
        WHERE session_date = $day
        ORDER BY patient_id
        """,
        _DAYS_OF_SESSIONS,
    ),
    "session_summary": _Relation(
        """
        FROM session_summary
        WHERE session_date = $day
        ORDER BY patient_id, started_at, scoring_id
        """,
        _DAYS_OF_SESSIONS,
    ),
    "frames": _Relation(
        """
        FROM frames
        WHERE session_date = $day
        ORDER BY patient_id, started_at, scoring_id, frame_index
        """,
        _DAYS_OF_SESSIONS,
    ),
    "frame_extra_scores": _Relation(
        """
        SELECT patient_id, session_date, bundle_id, options_sha256, frame_extra_scores.*
        FROM frame_extra_scores
        JOIN scorings USING (scoring_id, session_id)
        JOIN sessions USING (session_id)
        WHERE session_date = $day
        ORDER BY patient_id, started_at, scoring_id, frame_index, phrase_key
        """,
        _DAYS_OF_SESSIONS,
    ),
    "episodes": _Relation(
        """
        SELECT patient_id, session_date, session_id, bundle_id, options_sha256, episodes.*
        FROM episodes
        JOIN scorings USING (scoring_id)
        JOIN sessions USING (session_id)
        WHERE session_date = $day
        ORDER BY patient_id, started_at, scoring_id, start_s, kind
        """,
        _DAYS_OF_SESSIONS,
    ),
    "care_events": _Relation(
        """
        SELECT * EXCLUDE (source, imported_at)
        FROM care_events
        WHERE event_date = $day
        ORDER BY patient_id, started_at, event_id
        """,
        "SELECT event_date FROM care_events",
    ),
    "findings": _Relation(
        """
        FROM findings
        WHERE session_date = $day
        ORDER BY patient_id, bundle_id, options_sha256, measure
        """,
        "SELECT session_date FROM findings",
    ),
    # A patient who did not consent is counted but not named. Paths of videos, and messages that quote them, are left
    # out.
    "quarantine": _Relation(
        """
        SELECT
            night, reason,
            if(reason = 'no_consent', NULL, patient_id) AS patient_id,
            if(reason = 'no_consent', NULL, session_id) AS session_id,
            first_seen_at
        FROM quarantine
        WHERE night = $day
        ORDER BY reason, patient_id, session_id, first_seen_at
        """,
        "SELECT night FROM quarantine",
    ),
    "accepted_levels": _Relation("""
        SELECT * EXCLUDE (actor)
        FROM accepted_levels
        ORDER BY patient_id, measure, from_date, accepted_at
    """),
    "bundles": _Relation("""
        FROM bundles
        ORDER BY bundle_id
    """),
    "bundle_phrases": _Relation("""
        FROM bundle_phrases
        ORDER BY bundle_id, phrase_key
    """),
}
_DAILY = tuple(name for name, relation in EXPORTED.items() if relation.days is not None)
_WHOLE = tuple(name for name, relation in EXPORTED.items() if relation.days is None)

# The days with something to export, from $first to $last, both included; NULL means no limit.
_EXPORT_DAYS = f"""
    SELECT day
    FROM (
        {" UNION ".join(sorted({relation.days for relation in EXPORTED.values() if relation.days is not None}))}
    ) AS dated (day)
    WHERE ($first IS NULL OR day >= $first) AND ($last IS NULL OR day <= $last)
    ORDER BY day
"""

_README = """\
# An export of the PMFER warehouse

Parquet files: a folder per kind of row, with a folder per local calendar day in it. `data-dictionary.md` explains every
column, `manifest.json` lists the files with their hashes.

| name | a row per |
| --- | --- |
| `patient_days` | patient and day, by the active model |
| `session_summary` | session and model |
| `frames` | sampled frame and model |
| `frame_extra_scores` | scored frame and phrase that the facility added to the model |
| `episodes` | smile, lowered brow, time with closed eyes, or episode of pain-related facial activity |
| `care_events` | dose, therapy, transfer or other care event |
| `findings` | patient, day and measure: what the report said |
| `quarantine` | session that could not be scored; patients who did not consent are not named |
| `accepted_levels.parquet` | new usual level that a person accepted |
| `bundles.parquet` | model; `bundle_id` in the other files refers to it |
| `bundle_phrases.parquet` | phrase of a model, with its wording |

`episodes` and `frame_extra_scores` also have the patient and day of the session, and the model that scored it.

{reading}
Three things to keep in mind: compare a patient with their own past, never patients with each other; compare only scores
with the same `bundle_id` and `options_sha256`; a missing value is NULL, never 0.

These rows are about people, under pseudonyms. Erasing a patient does not reach copies of this folder elsewhere: note
where you put them, and delete them when you are done.
"""
_PLAIN = """\
```python
import polars as pl
summaries = pl.read_parquet("session_summary")
frames = pl.scan_parquet("frames").filter(pl.col("date") >= pl.date(2026, 3, 2)).collect()

import pandas as pd
summaries = pd.read_parquet("session_summary")

import duckdb
summaries = duckdb.sql("FROM 'session_summary/*/*.parquet'").df()
```
"""
_ENCRYPTED = """\
The files are encrypted; KEY is the key of the warehouse. DuckDB reads them and converts them for polars and pandas:

```python
import duckdb
duckdb.sql("PRAGMA add_parquet_key('pmfer', 'KEY')")
rows = duckdb.sql("FROM read_parquet('session_summary/*/*.parquet', encryption_config = {footer_key: 'pmfer'})")
summaries = rows.pl()  # a polars data frame; rows.df() gives a pandas one
```
"""


@dataclass(frozen=True)
class Export:
    """What was written."""

    rows: Mapping[str, int]  # number of rows by kind
    days: tuple[date, ...]  # days with rows
    manifest_sha256: str  # hash of the manifest, which in turn has the hashes of all Parquet files


def write_export(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    key: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Export:
    """Write an export to a folder that does not exist or is empty; only its owner can read it.

    Args:
        connection: from open_reader, so that all files show the same state.
        folder: where to write; missing folders are created.
        key: encrypts the Parquet files, see warehouse.encryption; None: no encryption.
        first: first local calendar day; None: from the beginning.
        last: last local calendar day, included; None: to the end.

    Raises:
        WarehouseError: the disk is full, or the database failed; files written so far are left in place.
    """
    rows = dict.fromkeys(EXPORTED, 0)
    days = []
    files: list[dict[str, str | int]] = []
    with one_line_errors(folder):
        make_private_folder(folder)
        options = parquet_options(connection, key)
        limits = {"first": first, "last": last}
        for (day,) in connection.execute(_EXPORT_DAYS, limits).fetchall():
            written = [
                (name, _copy(connection, name, folder / name / f"date={day}" / "data.parquet", options, day=day))
                for name in _DAILY
            ]
            if any(count for _, count in written):
                days.append(day)
            for name, count in written:
                rows[name] += count
        for name in _WHOLE:
            rows[name] = _copy(connection, name, folder / f"{name}.parquet", options)
        for path in sorted(folder.rglob("*.parquet")):
            files.append(_described(path, folder))
        notes = {
            "README.md": _README.format(reading=_ENCRYPTED if key else _PLAIN),
            "data-dictionary.md": render_dictionary_of(connection),
            MANIFEST: _manifest(rows, files, limits, key is not None),
        }
        for name, text in notes.items():
            write_private(folder / name, text)
    return Export(rows, tuple(days), hashlib.sha256(notes[MANIFEST].encode()).hexdigest())


def is_export(folder: Path) -> bool:
    """Whether a folder is an export, so that a new one may replace it."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == "pmfer export"


def _copy(connection: duckdb.DuckDBPyConnection, name: str, path: Path, options: str, **values: date) -> int:
    """Write one file, unless it would be empty; returns its number of rows."""
    make_private_folder(path.parent)
    target = f"{quoted(path)} (FORMAT parquet, COMPRESSION zstd{options})"
    ((count,),) = connection.execute(f"COPY (\n{EXPORTED[name].rows}) TO {target}", values).fetchall()
    if count:
        path.chmod(0o600)
    else:
        path.unlink()
        for empty in (path.parent, path.parent.parent):
            if not any(empty.iterdir()):
                empty.rmdir()
    return int(count)


def _described(path: Path, folder: Path) -> dict[str, str | int]:
    with path.open("rb") as stream:
        sha256 = hashlib.file_digest(stream, "sha256").hexdigest()
    return {"path": path.relative_to(folder).as_posix(), "bytes": path.stat().st_size, "sha256": sha256}


def _manifest(
    rows: Mapping[str, int],
    files: Iterable[Mapping[str, str | int]],
    limits: Mapping[str, date | None],
    encrypted: bool,
) -> str:
    content = {
        "format": "pmfer export",
        "format_version": 1,
        "schema": max(migration.number for migration in shipped_migrations()),
        "exported_at": datetime.now(UTC).isoformat(timespec="seconds"),
        "encrypted": encrypted,
        **limits,
        "rows": rows,
        "files": list(files),
    }
    return json.dumps(content, indent=1, default=str) + "\n"
