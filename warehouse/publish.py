"""Copies of the whole warehouse: the snapshot that readers open, and the rewritten storage after an erasure.

Readers always find a complete file, either the old one or the new one. The snapshot is a copy of the writer's file. A
separate process makes it, because DuckDB's lock would be released if this process closed another handle on the file;
see connection.py. Readers of a lake read the lake itself, so nothing is published.

DuckDB keeps deleted rows in free blocks of its file until they are overwritten, and so does the snapshot; a lake keeps
its history. Only rewriting the storage removes these bytes. Which rows to delete is decided elsewhere.
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
    WRITING,
    WRITTEN_BY_OTHERS,
    another,
    attach,
    is_written_by_others,
    logs_beside,
    open_writer,
    remove_logs,
)
from warehouse.lake import exclusive_use, forget_history
from warehouse.private_file import make_private_file, make_private_folder
from warehouse.transaction import WORK_SUFFIX, database_path, one_line_errors, transaction

log = logging.getLogger("pmfer.publish")


def publish(connection: duckdb.DuckDBPyConnection, place: Address | Path) -> bool:
    """Write a snapshot of the committed state, unless the present snapshot is of the same state.

    The audit log is what is compared: every write adds an entry, and a snapshot carries the time of its newest entry.
    Changes that somebody made to the warehouse by hand are therefore published with the next write.

    The snapshot is written to a temporary file (0600), flushed to disk and renamed over the old one. Readers that have
    the old one open continue to read it, and a publication that fails at any point leaves it in place. The snapshot is
    encrypted with the key of the warehouse, if there is one. Changes that other programs made to the old snapshot, or
    logs that they left beside it, are discarded.

    Args:
        connection: from open_writer, outside of a transaction.
        place: the address that is open; a path stands for an unencrypted snapshot. Missing folders are created for the
            owner only.

    Returns:
        False if nothing has changed, or if it is a lake.

    Raises:
        WarehouseError: the target is the warehouse itself, cannot be written, or the disk is full.
    """
    address = as_address(place)
    if not isinstance(address, FileAddress):
        return False
    target = address.published
    if target.resolve() == Path(database_path(connection)).resolve():
        raise WarehouseError(f"warehouse {target}: cannot be published over itself; give the snapshot another path")
    if _is_current(connection, address):
        return False
    # Before the copy, so that the snapshot contains this entry, too, and is found to be current next time.
    with transaction(connection):
        audit.record(connection, "snapshot_published")
    state = _state(connection)
    draft = target.with_name(f".{target.name}.draft")
    with one_line_errors(target):
        make_private_folder(target.parent)
        # There is one writer, so a draft found here was left by a publication that was killed.
        remove_database(draft)
        try:
            _copy_file(connection, draft, address.key)
            if state is not None:
                os.utime(draft, ns=(_time_ns(state), _time_ns(state)))
            flush(draft)
            # Before the rename, because DuckDB would apply a log of the old snapshot to the new one.
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
    """Whether there is a snapshot of the present state, as published, that no other program is writing.

    False if it cannot be read, so that it is replaced.
    """
    if not address.published.is_file():
        return False
    # Separate connections, because USE applies to a single connection.
    with another(connection) as writer, another(connection) as reader, suppress(duckdb.Error, OSError):
        if is_written_by_others(address.published):
            log.warning("snapshot %s: %s", address.published, WRITTEN_BY_OTHERS)
            return False
        state = _state(writer)
        if state is None or address.published.stat().st_mtime_ns != _time_ns(state):
            return False
        # Fails if the snapshot is not encrypted although there is a key now, or the other way round.
        attach(reader, address.published, "published", address.key, "READ_ONLY")
        try:
            reader.execute("USE published")
            return _state(reader) == state
        finally:
            writer.execute("DETACH published")
    return False


# The end of the audit log, the number of the newest migration, and the time of the newest entry in microseconds since
# 1970.
_STATE = """
    SELECT entries, audit_head.sha256, (SELECT max(number) FROM schema_migrations), epoch_us(recorded_at)
    FROM audit_head
    JOIN audit_log ON entry = entries
"""


def _state(connection: duckdb.DuckDBPyConnection) -> tuple[int, str, int, int] | None:
    """Identifies the state of the warehouse; None before the first audit entry, or if somebody removed the newest."""
    state: tuple[int, str, int, int] | None = connection.execute(_STATE).fetchone()
    return state


def _time_ns(state: tuple[int, str, int, int]) -> int:
    """The time of a state in nanoseconds since 1970. It is the mtime of its snapshot, which shows later changes."""
    return state[-1] * 1000


def _copy_file(connection: duckdb.DuckDBPyConnection, draft: Path, key: str | None) -> None:
    """Copy the file of the open warehouse and its write-ahead log, and merge the copies into one new file (0600).

    The writer is idle, so both are as after a crash: complete up to the last commit. There is no checkpoint of the
    warehouse itself, because DuckDB invalidates a database whose checkpoint fails, for example on a full disk.
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
            restore_signals=False,  # so that exceeding a file size limit is an error in cp, not a fatal signal
        )
        if copied.returncode:
            reason = copied.stderr.strip().rpartition(": ")[2] or f"cp ended with status {copied.returncode}"
            raise OSError(errno.EIO, reason, str(copy))
    with another(connection) as cursor:
        attach(cursor, draft, "draft", key, *WRITING)
        try:
            cursor.execute("CHECKPOINT draft")
        finally:
            cursor.execute("DETACH draft")


def copy_database(connection: duckdb.DuckDBPyConnection, draft: Path, key: str | None) -> None:
    """Copy everything that is committed to a new database file (0600), encrypted with the key, and checkpoint it."""
    with another(connection) as cursor:
        attach(cursor, draft, "draft", key, *NEW_FILE)
        try:
            draft.chmod(0o600)
            cursor.execute("COPY FROM DATABASE warehouse TO draft")
            cursor.execute("CHECKPOINT draft")
        except BaseException:
            # A failed copy leaves its transaction open, and DETACH is not possible within one.
            with suppress(duckdb.Error):
                cursor.rollback()
            raise
        finally:
            cursor.execute("DETACH draft")


def _record_failure(connection: duckdb.DuckDBPyConnection) -> None:
    """Log that the publication that was just logged failed. If that fails, too, the first error is reported."""
    with suppress(WarehouseError), transaction(connection):
        audit.record(connection, "publication_failed")


def flush(path: Path) -> None:
    """Flush a file, or the entries of a folder, to disk."""
    handle = os.open(path, os.O_RDONLY)
    try:
        os.fsync(handle)
    finally:
        os.close(handle)


def remove_database(draft: Path) -> None:
    """Remove a database file and its write-ahead logs, if they exist."""
    draft.unlink(missing_ok=True)
    remove_logs(draft)


def rewrite(address: Address) -> None:
    """Rewrite the storage of a warehouse with nothing but its present content.

    If it is interrupted at any point, the warehouse is intact and the call can be repeated. Nobody may have the
    warehouse open for writing, including this process. Rewriting a file takes disk space for a second copy.

    Raises:
        WarehouseError: it is open, or there is no space for the copy; the warehouse is unchanged.
    """
    if isinstance(address, FileAddress):
        _rewrite_file(address)
    else:
        forget_history(address)


@contextmanager
def standstill(address: Address) -> Iterator[None]:
    """Exclusive use of a lake within the block; does nothing for a file, which has one writer anyway.

    An older lake is migrated first, because that takes exclusive use itself.

    Raises:
        WarehouseError: a night or shard is running.
    """
    if isinstance(address, FileAddress):
        yield
    else:
        open_writer(address).close()
        with exclusive_use(address):
            yield


def require_room(address: Address) -> None:
    """Check that there is enough disk space for `rewrite` and the publication after it.

    Raises:
        WarehouseError: the disk has less free space than twice the size of the file.
    """
    if isinstance(address, FileAddress):
        free, needed = shutil.disk_usage(address.path.parent).free, 2 * address.path.stat().st_size
        if free < needed:
            raise WarehouseError(
                f"warehouse {address}: rewriting and publishing it takes {needed / 1e6:.0f} MB of disk space, but only "
                f"{free / 1e6:.0f} MB are free; make room and run again"
            )


def storage_files(address: Address) -> Iterator[Path]:
    """The files of a warehouse on this machine, except the snapshot; only `rewrite` may change them.

    A lake may be in PostgreSQL and object storage, and have no files on this machine.
    """
    if isinstance(address, FileAddress):
        yield from _with_companions(address.path, ".wal")
        return
    if address.catalogue == "sqlite":
        yield from _with_companions(Path(address.connection), "-wal", "-shm", "-journal", ".lock", WORK_SUFFIX)
    if not address.data.startswith("s3://"):
        yield from (path for path in sorted(Path(address.data).rglob("*")) if path.is_file())


def _with_companions(path: Path, *suffixes: str) -> Iterator[Path]:
    paths = (path, *(path.with_name(path.name + suffix) for suffix in suffixes))
    yield from (path for path in paths if path.is_file())


def _rewrite_file(address: FileAddress) -> None:
    draft = address.path.with_name(f".{address.path.name}.rewritten")
    with one_line_errors(address):
        connection = open_writer(address)
        try:
            remove_database(draft)
            connection.execute("CHECKPOINT")
            copy_database(connection, draft, address.key)
            flush(draft)
            # While the old file is still locked, so that no other process can write to it in between.
            draft.replace(address.path)
            flush(address.path.parent)
        finally:
            connection.close()
            remove_database(draft)
