"""Copies of the whole warehouse: the snapshot that readers open, and the storage written anew after an erasure.

Readers always find a whole file, the old one or the new one. The snapshot is a copy of the writer's file, made by a
process of its own: a handle on the file that this process closed would give DuckDB's lock away, see connection.py.
Readers of a lake read the lake: nothing is published.

DuckDB keeps deleted rows in the free blocks of its file until something else is written there, and the snapshot has
them as well; a lake keeps its history. Only what is written anew has lost their bytes. Which rows go is decided
elsewhere.
"""

import errno
import logging
import os
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from pmfer.errors import WarehouseError
from warehouse import audit
from warehouse.address import Address, FileAddress, as_address
from warehouse.connection import (
    NEW_FILE,
    WRITTEN_BY_OTHERS,
    another,
    attach_options,
    is_written_by_others,
    logs_beside,
    open_writer,
    remove_logs,
)
from warehouse.lake import alone, forget_history
from warehouse.private_file import make_private_file, make_private_folder
from warehouse.sql import quoted
from warehouse.transaction import WORK_SUFFIX, database_path, one_line_errors, transaction

log = logging.getLogger("pmfer.publish")


def publish(connection: duckdb.DuckDBPyConnection, place: Address | Path) -> bool:
    """Write a snapshot of what is committed, unless the snapshot there is of the same state.

    The audit log tells: every write adds an entry to it, and a snapshot has the time of its newest entry. What somebody
    changed by hand in the warehouse itself is published with the next write.

    The snapshot is written beside its place (0600), flushed to disk and renamed over it: readers that hold the old one
    go on reading it, and a publication that fails at any point leaves it in place. It is encrypted by the same key as
    the warehouse, if there is one. What other programs wrote into the old one or beside it goes with it.

    Args:
        connection: from open_writer, outside of a transaction.
        place: the address that is open; a path is that of a snapshot that is not to be encrypted. Folders that are
            missing are made for the owner only.

    Returns:
        False if nothing had changed, or if it is a lake.

    Raises:
        WarehouseError: the target is the warehouse itself, cannot be written, or the disk is full.
    """
    address = as_address(place)
    if not isinstance(address, FileAddress):
        return False
    target = address.published
    if target.resolve() == Path(database_path(connection)).resolve():
        raise WarehouseError(f"warehouse {target}: cannot be published onto itself; give the snapshot another path")
    if _is_current(connection, address):
        return False
    # Before the copy, so that the snapshot holds the entry too and the next look finds both alike.
    with transaction(connection):
        audit.record(connection, "snapshot_published")
    state = _state(connection)
    draft = target.with_name(f".{target.name}.draft")
    with one_line_errors(target):
        make_private_folder(target.parent)
        # One writer, hence one draft: what is here was left behind by a publication that was killed.
        remove_database(draft)
        try:
            _copy_file(connection, draft, address.key)
            if state is not None:
                os.utime(draft, ns=(_time_ns(state), _time_ns(state)))
            flush(draft)
            # First, because beside the new snapshot a log of the old one is a fault.
            remove_logs(target)
            draft.replace(target)
            flush(target.parent)
        except BaseException:
            _record_failure(connection)
            raise
        finally:
            remove_database(draft)
    return True


def _is_current(connection: duckdb.DuckDBPyConnection, address: FileAddress) -> bool:
    """Whether there is a snapshot of the present state, as it was published, and nobody else writes it.

    One that cannot be read is to be replaced.
    """
    if not address.published.is_file():
        return False
    # Connections of their own, because USE holds for one only.
    with another(connection) as writer, another(connection) as reader, suppress(duckdb.Error, OSError):
        if is_written_by_others(address.published):
            log.warning("snapshot %s: %s", address.published, WRITTEN_BY_OTHERS)
            return False
        state = _state(writer)
        if state is None or address.published.stat().st_mtime_ns != _time_ns(state):
            return False
        # A snapshot that has no key where there is one now, or the other way round, cannot be attached like this.
        options = attach_options(address.key, "READ_ONLY")
        reader.execute(f"ATTACH {quoted(address.published)} AS published{options}")
        try:
            reader.execute("USE published")
            return _state(reader) == state
        finally:
            writer.execute("DETACH published")
    return False


# How far the audit log and the schema have come, and when the newest entry was written, in microseconds since 1970.
_STATE = """
    SELECT entries, audit_head.sha256, (SELECT max(number) FROM schema_migrations), epoch_us(recorded_at)
    FROM audit_head
    JOIN audit_log ON entry = entries
"""


def _state(connection: duckdb.DuckDBPyConnection) -> tuple[int, str, int, int] | None:
    """What tells one state of the warehouse from another; None before the first entry, or if somebody took it away."""
    state: tuple[int, str, int, int] | None = connection.execute(_STATE).fetchone()
    return state


def _time_ns(state: tuple[int, str, int, int]) -> int:
    """When a state was reached, in nanoseconds since 1970: a snapshot bears that time, so that later changes show."""
    return state[-1] * 1000


def _copy_file(connection: duckdb.DuckDBPyConnection, draft: Path, key: str | None) -> None:
    """Copy the file of the open warehouse and the log beside it, and make one new file (0600) of both.

    The writer is idle, so they are as after a crash: whole up to the last commit. The log is not written into the
    warehouse's own file first, since DuckDB gives a database up where that fails, as on a full disk.
    """
    source = Path(database_path(connection))
    for part in (source, *logs_beside(source)):
        copy = draft.with_name(draft.name + part.name.removeprefix(source.name))
        make_private_file(copy)
        copied = subprocess.run(
            ["env", "LC_ALL=C", "cp", "--", part, copy],
            capture_output=True,
            text=True,
            check=False,
            restore_signals=False,  # a limit of the file's size is then an error of cp, as it is one here
        )
        if copied.returncode:
            said = copied.stderr.strip().rpartition(": ")[2] or f"cp ended with status {copied.returncode}"
            raise OSError(errno.EIO, said, str(copy))
    with another(connection) as cursor:
        cursor.execute(f"ATTACH {quoted(draft)} AS draft{attach_options(key)}")
        try:
            cursor.execute("CHECKPOINT draft")
        finally:
            cursor.execute("DETACH draft")


def copy_database(connection: duckdb.DuckDBPyConnection, draft: Path, key: str | None) -> None:
    """Copy everything that is committed into a new database file (0600), encrypted by the key, and write it out."""
    with another(connection) as cursor:
        cursor.execute(f"ATTACH {quoted(draft)} AS draft{attach_options(key, *NEW_FILE)}")
        try:
            draft.chmod(0o600)
            cursor.execute("COPY FROM DATABASE warehouse TO draft")
            cursor.execute("CHECKPOINT draft")
        except BaseException:
            # A copy that failed leaves its own transaction open, in which nothing can be detached.
            with suppress(duckdb.Error):
                cursor.rollback()
            raise
        finally:
            cursor.execute("DETACH draft")


def _record_failure(connection: duckdb.DuckDBPyConnection) -> None:
    """Say that what was announced did not happen. Where that is refused too, the first error is reported."""
    with suppress(WarehouseError), transaction(connection):
        audit.record(connection, "publication_failed")


def flush(path: Path) -> None:
    """Wait until a file or a folder's entries are on the disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_database(draft: Path) -> None:
    """Remove a database file with its write-ahead logs, if they are there."""
    draft.unlink(missing_ok=True)
    remove_logs(draft)


def rewrite(address: Address) -> None:
    """Leave nothing of a warehouse but its present content. Interrupted at any point, it is whole and can be repeated.

    Nobody may have it open for writing, this process included. A file takes the room of a second one while it works.

    Raises:
        WarehouseError: it is open, or there is no room for the copy; what was there is as it was.
    """
    if isinstance(address, FileAddress):
        _rewrite_file(address)
    else:
        forget_history(address)


@contextmanager
def standstill(address: Address) -> Iterator[None]:
    """Nobody else works on a lake for as long as it lasts; a file has one writer anyway.

    Raises:
        WarehouseError: a night or a shard is at work.
    """
    if isinstance(address, FileAddress):
        yield
    else:
        with alone(address):
            yield


def require_room(address: Address) -> None:
    """Refuse to begin what `rewrite` could not end.

    Raises:
        WarehouseError: the disk has no room for a second copy of the file.
    """
    if isinstance(address, FileAddress):
        free, needed = shutil.disk_usage(address.path.parent).free, 2 * address.path.stat().st_size
        if free < needed:
            raise WarehouseError(
                f"warehouse {address}: is written anew, and published, and needs {needed / 1e6:.0f} MB for that; "
                f"{free / 1e6:.0f} MB are free: make room"
            )


def storage_files(address: Address) -> Iterator[Path]:
    """The files of a warehouse on this machine, without the snapshot: those that only `rewrite` may touch.

    Those of a lake may lie in object storage and in PostgreSQL; there is then nothing on this machine.
    """
    if isinstance(address, FileAddress):
        yield from _with_companions(address.path, ".wal")
        return
    if address.catalogue == "sqlite":
        yield from _with_companions(Path(address.connection), "-wal", "-shm", "-journal", ".lock", WORK_SUFFIX)
    if not address.data.startswith("s3://"):
        yield from (path for path in sorted(Path(address.data).rglob("*")) if path.is_file())


def _with_companions(path: Path, *endings: str) -> Iterator[Path]:
    names = (path, *(path.with_name(path.name + ending) for ending in endings))
    yield from (name for name in names if name.is_file())


def _rewrite_file(address: FileAddress) -> None:
    draft = address.path.with_name(f".{address.path.name}.rewritten")
    with one_line_errors(address):
        connection = open_writer(address)
        try:
            remove_database(draft)
            connection.execute("CHECKPOINT")
            copy_database(connection, draft, address.key)
            flush(draft)
            # While the old file is still held, so that no other process can write into it in between.
            draft.replace(address.path)
            flush(address.path.parent)
        finally:
            connection.close()
            remove_database(draft)
