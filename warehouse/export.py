"""Writes the warehouse as Parquet files that anybody's tools read: a folder per kind of row, in it a folder per day.

    FOLDER/README.md                                  how to read it
    FOLDER/data-dictionary.md                         what every column means
    FOLDER/manifest.json                              what was written, with the hash of every file
    FOLDER/bundles.parquet                            the models
    FOLDER/frames/date=2026-03-02/data.parquet        and so on for every day and DAILY

The key `date` of the folders is no column of the files, which have their own: tools that join both then agree.
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
from warehouse.private_file import make_private_folder
from warehouse.sql import quoted
from warehouse.transaction import one_line_errors

MANIFEST = "manifest.json"
DAILY = ("frames", "session_summary", "care_events", "findings")
WHOLE = ("bundles", "accepted_levels")

_README = """\
# An export of the PMFER warehouse

Parquet files, a folder per kind of row, in it a folder per local calendar day. `data-dictionary.md` explains every
column, `manifest.json` lists the files with their hashes. `session_summary` has one row per session and model, `frames`
one per sampled frame; `bundle_id` says which model, as in `bundles.parquet`. `findings` has one per patient, day and
measure: what the report said. `accepted_levels.parquet` has the new usual levels that people accepted.

{reading}
Three things to keep in mind: compare a patient with their own past, never patients with each other; compare scores of
one `bundle_id` and `options_sha256` only; what is missing is NULL, never 0.

These rows are about people, under pseudonyms. An erasure of a patient does not reach a copy of this folder elsewhere:
note where you put it, and remove it when you are done.
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
The files are encrypted; KEY is the key of the warehouse. DuckDB reads them, and hands them on to polars and pandas:

```python
import duckdb
duckdb.sql("PRAGMA add_parquet_key('pmfer', 'KEY')")
rows = duckdb.sql("FROM read_parquet('session_summary/*/*.parquet', encryption_config = {footer_key: 'pmfer'})")
summaries = rows.pl()  # a polars frame; rows.df() is one of pandas
```
"""


@dataclass(frozen=True)
class Export:
    """What was written."""

    rows: Mapping[str, int]  # by kind of row
    days: tuple[date, ...]  # of which something was written
    manifest_sha256: str  # of the manifest, which has the hashes of all Parquet files


# The days of which there is something to export, from $first to $last, both included; NULL: without limit.
_EXPORT_DAYS = """
    SELECT day
    FROM (
        SELECT session_date AS day FROM sessions
        UNION
        SELECT event_date FROM care_events
        UNION
        SELECT session_date FROM findings
    )
    WHERE ($first IS NULL OR day >= $first) AND ($last IS NULL OR day <= $last)
    ORDER BY day
"""


def write_export(
    connection: duckdb.DuckDBPyConnection,
    folder: Path,
    *,
    key: str | None = None,
    first: date | None = None,
    last: date | None = None,
) -> Export:
    """Write an export into a folder that is missing or empty; all of it is private to its owner.

    Args:
        connection: from open_reader, so that all files are of the same moment.
        folder: is made with the folders above it.
        key: encrypts the Parquet files, see warehouse.encryption; None: they are plain.
        first: first local calendar day; None: from the beginning.
        last: last local calendar day, included; None: to the end.

    Raises:
        WarehouseError: the disk is full, or the database refused; what was written so far is left.
    """
    rows = dict.fromkeys((*DAILY, *WHOLE), 0)
    days = []
    files: list[dict[str, str | int]] = []
    with one_line_errors(folder):
        make_private_folder(folder)
        options = parquet_options(connection, key)
        limits = {"first": first, "last": last}
        for (day,) in connection.execute(_EXPORT_DAYS, limits).fetchall():
            written = [
                (name, _copy(connection, name, folder / name / f"date={day}" / "data.parquet", options, day=day))
                for name in DAILY
            ]
            if any(count for _, count in written):
                days.append(day)
            for name, count in written:
                rows[name] += count
        for name in WHOLE:
            rows[name] = _copy(connection, name, folder / f"{name}.parquet", options)
        for path in sorted(folder.rglob("*.parquet")):
            files.append(_described(path, folder))
        notes = {
            "README.md": _README.format(reading=_ENCRYPTED if key else _PLAIN),
            "data-dictionary.md": render_dictionary_of(connection),
            MANIFEST: _manifest(rows, files, limits, key is not None),
        }
        for name, text in notes.items():
            _write(folder / name, text)
    return Export(rows, tuple(days), hashlib.sha256(notes[MANIFEST].encode()).hexdigest())


def is_export(folder: Path) -> bool:
    """Whether a folder is an export, so that another one may take its place."""
    try:
        content = json.loads((folder / MANIFEST).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return False
    return isinstance(content, dict) and content.get("format") == "pmfer export"


# What is exported, by kind of row: of one day, or of all days.
_EXPORTED = {
    "frames": """
        FROM frames
        WHERE session_date = $day
        ORDER BY patient_id, started_at, scoring_id, frame_index
    """,
    "session_summary": """
        FROM session_summary
        WHERE session_date = $day
        ORDER BY patient_id, started_at, scoring_id
    """,
    "care_events": """
        SELECT * EXCLUDE (source, imported_at)
        FROM care_events
        WHERE event_date = $day
        ORDER BY patient_id, started_at, event_id
    """,
    "findings": """
        FROM findings
        WHERE session_date = $day
        ORDER BY patient_id, bundle_id, options_sha256, measure
    """,
    "accepted_levels": """
        SELECT * EXCLUDE (actor)
        FROM accepted_levels
        ORDER BY patient_id, measure, from_date, accepted_at
    """,
    "bundles": """
        FROM bundles
        ORDER BY bundle_id
    """,
}


def _copy(connection: duckdb.DuckDBPyConnection, name: str, path: Path, options: str, **values: date) -> int:
    """Write one file, unless it would have no rows; how many rows it has."""
    make_private_folder(path.parent)
    target = f"{quoted(path)} (FORMAT parquet, COMPRESSION zstd{options})"
    ((count,),) = connection.execute(f"COPY (\n{_EXPORTED[name]}) TO {target}", values).fetchall()
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


def _write(path: Path, text: str) -> None:
    path.touch(mode=0o600)
    path.write_text(text, encoding="utf-8")
