"""Unfinished nights, which a later run retries: they were killed, failed, were missed, or wait for uploads or a replay.

Each such night has a marker file in the data folder. It is created when the night begins, locked while the night runs,
and deleted when the night succeeds and leaves nothing undone. An empty marker that nobody has locked thus shows that a
night was killed.
"""

import fcntl
import os
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import UTC, date, datetime
from enum import StrEnum
from pathlib import Path
from typing import Any

import duckdb

from flows.data_folder import DataFolder
from warehouse import quarantine, runs
from warehouse.address import Address
from warehouse.connection import is_published, open_reader
from warehouse.private_file import write_private

LOOKED_BACK = 14  # latest nights in the warehouse whose last run is checked


class Standing(StrEnum):
    """The state of an unfinished night."""

    RUNNING = "running"
    INTERRUPTED = "interrupted"  # killed, or the power was lost
    FAILED = "failed"
    MISSED = "missed"  # never run, for example because the machine was off
    WAITING = "waiting"  # sessions were still being uploaded


@dataclass(frozen=True)
class UnfinishedNight:
    """What is known about an unfinished night."""

    night: date
    standing: Standing
    since: datetime  # when it was noted; for a night that is running or was interrupted, when it began
    sessions: int = 0  # how many were still being uploaded

    @property
    def sentence(self) -> str:
        """The same in one line."""
        left = "the next `pmfer nightly` comes back to it"
        return {
            Standing.RUNNING: f"{self.night}: runs since {self.since.astimezone():%Y-%m-%d %H:%M}",
            Standing.INTERRUPTED: f"{self.night}: did not end; {left}",
            Standing.FAILED: f"{self.night}: failed; {left}",
            Standing.MISSED: f"{self.night}: was missed; {left}",
            Standing.WAITING: f"{self.night}: {self.sessions} sessions were still being uploaded; {left}",
        }[self.standing]


@dataclass
class RunNote:
    """What a successful night leaves undone."""

    waiting: int = 0  # sessions still being uploaded


@contextmanager
def track_night(data: DataFolder, night: date) -> Iterator[RunNote]:
    """Keep a night's marker while the body runs; delete it if the body succeeds and leaves nothing undone.

    Raises:
        OSError: the marker cannot be written.
    """
    data.unfinished.mkdir(mode=0o700, exist_ok=True)
    path = data.unfinished / night.isoformat()
    handle = os.open(path, os.O_RDWR | os.O_CREAT, 0o600)
    note = RunNote()
    try:
        if not _hold(handle):  # another run of the same night holds it, and the warehouse will refuse this one
            yield note
            return
        _write(handle, "")
        try:
            yield note
        except Exception:
            with suppress(OSError):  # on a full disk the night then counts as interrupted
                _write(handle, Standing.FAILED)
            raise
        if note.waiting:
            _write(handle, f"{Standing.WAITING} {note.waiting}")
        else:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


def note_failed(data: DataFolder, night: date) -> None:
    """Mark a night that failed before it began.

    Raises:
        OSError: the marker cannot be written.
    """
    write_private(data.unfinished / night.isoformat(), Standing.FAILED)


def note_missed(data: DataFolder, nights: list[date], tonight: date) -> None:
    """Mark the source's nights between the last scheduled night and tonight, unless they have a marker.

    Raises:
        OSError: a marker cannot be written.
    """
    mark = data.unfinished / "last-scheduled"
    try:
        last = date.fromisoformat(mark.read_text(encoding="utf-8").strip())
    except (OSError, ValueError):
        last = tonight
    for night in nights:
        path = data.unfinished / night.isoformat()
        if last < night < tonight and not path.exists():
            write_private(path, Standing.MISSED)
    if last <= tonight:
        write_private(mark, tonight.isoformat())


def unfinished_nights(data: DataFolder) -> list[UnfinishedNight]:
    """The unfinished nights that have a marker, in order."""
    found = []
    for path in sorted(data.unfinished.glob("????-??-??")):
        with suppress(OSError, ValueError):  # it is deleted while it is read, or is not a marker
            found.append(_read(path))
    return found


def nights_to_come_back_to(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, tonight: date, late: Iterable[date] = ()
) -> list[date]:
    """The nights before tonight that are unfinished, or in `late`, and not running now, in order.

    Raises:
        WarehouseError: the database failed.
    """
    noted = {note.night: note.standing for note in unfinished_nights(data)}
    latest = runs.latest_nights(connection, LOOKED_BACK)
    cut_short = {row["night"] for row in latest.iter_rows(named=True) if row["status"] != "completed"}
    left = {*noted, *cut_short, *quarantine.nights_to_replay(connection), *late}
    return sorted(night for night in left if night < tonight and noted.get(night) is not Standing.RUNNING)


def nights_as_they_stand(warehouse: Address, unfinished: Sequence[UnfinishedNight], limit: int) -> list[dict[str, Any]]:
    """The last nights as readers see them, newest first, each with its current status.

    A run that failed or was killed publishes nothing, so the published status may be that of an earlier run.

    Args:
        warehouse: address of the warehouse.
        unfinished: the nights that are not finished.
        limit: how many nights at most.

    Returns:
        Rows of warehouse.runs.latest_nights; none if nothing is published yet.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    if not is_published(warehouse):
        return []
    with open_reader(warehouse) as reader:
        rows = list(runs.latest_nights(reader, limit).iter_rows(named=True))
    standing = {left.night: left.standing.value for left in unfinished if left.standing is not Standing.WAITING}
    # A night recorded as running whose marker nobody holds was killed.
    on_record = {row["night"]: "interrupted" if row["status"] == "running" else row["status"] for row in rows}
    return [row | {"status": standing.get(row["night"], on_record[row["night"]])} for row in rows]


def was_cut_short(connection: duckdb.DuckDBPyConnection, night: date) -> bool:
    """Whether the latest run of a night failed or was killed, so that its last steps may be missing.

    Raises:
        WarehouseError: the database failed.
    """
    return runs.last_status(connection, night) not in (None, "completed")


def _read(path: Path) -> UnfinishedNight:
    night = date.fromisoformat(path.name)
    handle = os.open(path, os.O_RDONLY)
    try:
        since = datetime.fromtimestamp(os.fstat(handle).st_mtime, UTC)
        standing, _, sessions = os.read(handle, 100).decode().strip().partition(" ")
        if not standing:
            return UnfinishedNight(night, Standing.INTERRUPTED if _hold(handle) else Standing.RUNNING, since)
        return UnfinishedNight(night, Standing(standing), since, int(sessions or 0))
    finally:
        os.close(handle)


def _hold(handle: int) -> bool:
    """Lock an open file until it is closed or its process ends; False if another process holds it."""
    try:
        fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    return True


def _write(handle: int, text: str) -> None:
    os.ftruncate(handle, 0)
    os.pwrite(handle, text.encode(), 0)
    os.utime(handle)
