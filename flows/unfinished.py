"""Nights that a later run comes back to: sessions were still being uploaded, or quarantine is to be tried again."""

import json
from datetime import date

import duckdb

from flows.data_folder import DataFolder
from flows.private_file import write_private
from warehouse import queries


def note_unready(data: DataFolder, night: date, count: int) -> None:
    """Note how many sessions of a night were left because they were still being uploaded; 0 takes the note back.

    Raises:
        OSError: the note cannot be written.
    """
    notes = _notes(data)
    if notes.get(night.isoformat(), 0) == count:
        return
    kept = {day: left for day, left in notes.items() if day != night.isoformat()}
    write_private(data.unready, json.dumps(kept | ({night.isoformat(): count} if count else {}), indent=1) + "\n")


def unfinished_nights(connection: duckdb.DuckDBPyConnection, data: DataFolder) -> list[date]:
    """The nights to come back to, in order.

    Raises:
        WarehouseError: the database refused.
    """
    return sorted({*map(date.fromisoformat, _notes(data)), *queries.nights_to_replay(connection)})


def _notes(data: DataFolder) -> dict[str, int]:
    """Sessions left by night. A note that cannot be read is lost, and a backfill finds what it spoke of."""
    try:
        notes = json.loads(data.unready.read_text(encoding="utf-8"))
    except (FileNotFoundError, ValueError):
        return {}
    return dict(notes)
