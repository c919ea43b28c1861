"""Transactions, the locks between writers of a lake, and errors in one clear line.

DuckLake lets two concurrent transactions append to the same table. So both could check a rule such as "this session is
stored once" and then both break it; in a file, a constraint would reject the second. Therefore writers of a lake hold a
lock from before their first read until after the commit. This costs little: storing a session takes a fraction of a
second, scoring it takes minutes, and scoring is not under the lock.

The lock is where the catalogue is: an advisory lock in PostgreSQL, or an operating system lock on a file beside the
SQLite file. Both are released when the process that holds them ends, however it ends.

In the same places, each night has a lock of its own while it runs; a second run of the night fails instead of waiting.
Nights and shards also share a lock that says that somebody is at work. An erasure takes that lock exclusively, so that
nobody else uses the lake.

PostgreSQL drops a lock when its connection ends, and DuckDB then silently makes a new connection without it. So every
transaction first checks that the locks of this process are still held.
"""

import fcntl
import os
import re
import sqlite3
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date
from pathlib import Path
from typing import Any

import duckdb
import polars as pl

from pmfer.errors import WarehouseBusyError, WarehouseError
from warehouse.address import without_secrets
from warehouse.sql import Database, current_database, quoted

# The beginning of a message of PostgreSQL's, which only repeats the address or a query of DuckLake's.
_PREAMBLE = re.compile(r'.*(?:Unable to connect to Postgres at|Failed to prepare COPY) ".*?": ')

BUSY = "Could not set lock"  # a part of DuckDB's message when another process has the file open

# What to do, by a part of the message of DuckDB or the operating system. The first match applies.
_ADVICE = (
    ("Wrong encryption key", "give the key that the warehouse was created with"),
    ("without a key", "it is encrypted: give its key in PMFER_WAREHOUSE_KEY or PMFER_WAREHOUSE_KEY_FILE"),
    ("is not encrypted", "give no key, or create a new warehouse with the key"),
    ("password authentication failed", "correct the user and password in the address or in ~/.pgpass"),
    ("no password supplied", "give one in the address or in ~/.pgpass"),
    ("for HTTP ", "check the object store: its endpoint, keys and bucket, and that it is running"),
    ("lock timeout", "another session keeps the catalogue locked: end its transaction and run again"),
    ("Connection refused", "check host and port, and that PostgreSQL is running"),
    ("could not translate host name", "check the host in the address"),
    ("connection to server", "check the address, and that PostgreSQL is running"),
    ("server closed the connection", "check that PostgreSQL is running, and run again"),
    ("terminating connection", "check that PostgreSQL is running, and run again"),
    ("creating a new DuckLake is explicitly disabled", "run a night first, or check the address"),
    ("does not match existing data path", "give the folder that it was created with as ?data=, or leave ?data= out"),
    ("Transaction conflict", "another program changed the lake at the same time: nothing was stored, run again"),
    ("database is locked", "another program has locked the catalogue: close it and run again"),
    ("file is not a database", "the catalogue is not an SQLite file: check the address"),
    ("No space left on device", "the disk is full: make room and run again, what was stored before is intact"),
    ("Disk quota exceeded", "the quota is used up: make room and run again, what was stored before is intact"),
    ("File too large", "a size limit was reached: raise it and run again, what was stored before is intact"),
    (BUSY, "another process has it open: wait until it has finished; readers open the snapshot"),
    ("Unique file handle conflict", "this process is writing it: readers open the snapshot"),
    ("different configuration", "this process has it open in another way: close that; readers open the snapshot"),
    ("not a valid DuckDB database", "give another path, or restore the file from a snapshot"),
    ("Corrupt database file", "the file is damaged: restore it from a snapshot"),
    ("Could not read enough bytes", "the file is truncated: restore it from a snapshot"),
    ("newer version", "update this software"),
    ("Permission denied", "give this account permission to write there, or choose another path"),
    ("Read-only file system", "choose a writable path"),
    ("Not a directory", "a part of the path is a file: choose another path"),
    ("Is a directory", "give the path of a file"),
    ("does not exist", "check the address"),
    ("No such file or directory", "check the path"),
    ("Duplicate key", "it is already stored: use another identifier"),
    ("invalidated", "reopen it, what was stored before is intact"),
)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Store everything that the block writes, or nothing. Transactions of different writers never overlap.

    Raises:
        WarehouseError: the database failed, or another writer held the lock too long. Nothing in the block is stored,
            and the connection can be used again.
    """
    # Take the lock first, so that the block sees what every earlier transaction has written.
    with one_line_errors(database_path(connection)), writer_lock(connection):
        _require_locks(database_path(connection))
        connection.begin()
        try:
            yield
            connection.commit()
        except BaseException:
            # After a failed commit there is no transaction to roll back; the error to report is the first one.
            with suppress(duckdb.Error):
                connection.rollback()
            raise


@contextmanager
def one_line_errors(place: object) -> Iterator[None]:
    """Raise errors of DuckDB or the operating system as WarehouseError in one line: where, what, and what to do.

    Args:
        place: the path or address that the block works on; its text contains no password.
    """
    try:
        yield
    except (duckdb.Error, sqlite3.Error, OSError) as error:
        text = str(error)
        # If the database was invalidated earlier, the original error says more.
        what = text.partition("Original error: ")[2] or text or type(error).__name__
        what = _PREAMBLE.sub("", what.splitlines()[0].split(". See also")[0].strip('"'))
        advice = next((advice for part, advice in _ADVICE if part in text), "run again; if it fails again, report it")
        kind = WarehouseBusyError if BUSY in text else WarehouseError
        raise kind(without_secrets(f"warehouse {place}: {what}; {advice}")) from error


def database_path(connection: duckdb.DuckDBPyConnection) -> str:
    """Where the connection's database is: the path of a file, the address of a lake, or `:memory:`.

    Raises:
        WarehouseError: the database was invalidated by an earlier error and must be reopened.
    """
    with one_line_errors("(unknown file)"):
        return str(current_database(connection))


PATIENCE_S = 600.0  # seconds to wait for a lock before giving up
_PAUSE_S = 0.01  # seconds between two attempts
# For a transaction that only holds a lock, for hours. With a snapshot, PostgreSQL could not vacuum meanwhile.
_HOLDING = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED; SET LOCAL idle_in_transaction_session_timeout = 0"
_ADVISORY_KEY = 0x706D666572  # "pmfer", to differ from the locks of other programs in the same database
_WORK_KEY = _ADVISORY_KEY + 1
WORK_SUFFIX = ".work"  # of the lock file beside an SQLite catalogue that nights, shards and erasures hold
# The connections by which this process holds locks in PostgreSQL, each with the name of the database attached in it.
_guards: list[tuple[duckdb.DuckDBPyConnection, str]] = []


@contextmanager
def writer_lock(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Hold the lock of the lake that a connection writes. Does nothing for a file, which has one writer.

    Raises:
        WarehouseError: another process held it for PATIENCE_S.
    """
    database = current_database(connection)
    if not database.is_lake:
        yield
    elif path := database.sqlite_catalogue:
        with file_lock(path):
            yield
    else:
        with advisory_lock(connection, f"__ducklake_metadata_{database.name}", str(database)):
            yield


@contextmanager
def night_lock(connection: duckdb.DuckDBPyConnection, night: date) -> Iterator[None]:
    """Hold the lock of a night, so that only one run of it is active in a lake. Does nothing for a file.

    Raises:
        WarehouseError: another process holds it.
    """
    database = current_database(connection)
    refusal = WarehouseError(
        f"night {night}: another run of it is active in warehouse {database}; wait until that has finished"
    )
    if not database.is_lake:
        yield
    elif path := database.sqlite_catalogue:
        with at_work(connection), _night_file(path.with_name(f"{path.name}.{night}.lock"), refusal):
            yield
    else:
        attached = f"__ducklake_metadata_{database.name}"
        key = (_ADVISORY_KEY << 20) + night.toordinal()  # 59 bits, and no day has more than 20
        with at_work(connection), _advisory(connection, attached, key) as attempt:
            if not attempt():
                raise refusal
            yield


@contextmanager
def at_work(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Mark a lake as in use by a night or shard within the block. Waits for a running erasure to end.

    Raises:
        WarehouseError: the erasure took longer than PATIENCE_S.
    """
    database = current_database(connection)
    if not database.is_lake:
        yield
    elif path := database.sqlite_catalogue:
        with _flock(path.with_name(path.name + WORK_SUFFIX), fcntl.LOCK_SH) as attempt:
            _wait(attempt, str(database))
            yield
    else:
        with _advisory(connection, f"__ducklake_metadata_{database.name}", _WORK_KEY, "_shared") as attempt:
            _wait(attempt, str(database))
            yield


@contextmanager
def exclusive_in_file(catalogue: Path) -> Iterator[None]:
    """Exclusive use of a lake with an SQLite catalogue; see exclusive_in_postgres."""
    with _flock(catalogue.with_name(catalogue.name + WORK_SUFFIX), fcntl.LOCK_EX) as attempt:
        _require_exclusive(attempt, f"ducklake:sqlite:{catalogue}")
        yield


@contextmanager
def exclusive_in_postgres(connection: duckdb.DuckDBPyConnection, attached: str, label: str) -> Iterator[None]:
    """Exclusive use of a lake with a PostgreSQL catalogue: no night or shard is running, and none can start.

    Args:
        connection: a connection.
        attached: name of the catalogue's database in this connection.
        label: the lake, for messages.

    Raises:
        WarehouseError: a night or shard is running.
    """
    with _advisory(connection, attached, _WORK_KEY) as attempt:
        _require_exclusive(attempt, label)
        yield


def _require_exclusive(attempt: Callable[[], bool], label: str) -> None:
    if not attempt():
        raise WarehouseError(
            f"warehouse {label}: a night or shard is running, and an erasure or update needs the lake to itself; wait "
            "until it has finished"
        )


@contextmanager
def _night_file(path: Path, refusal: WarehouseError) -> Iterator[None]:
    """Hold the lock of a night on a file, which is deleted afterwards."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        # The previous holder may have just deleted this file, and another process may hold its successor.
        if not path.exists() or path.stat().st_ino != os.fstat(handle).st_ino:
            raise refusal
        try:
            yield
        finally:
            path.unlink(missing_ok=True)
    finally:
        os.close(handle)


@contextmanager
def file_lock(catalogue: Path) -> Iterator[None]:
    """Hold the lock of an SQLite catalogue, on a separate file beside it."""
    with _flock(catalogue.with_name(catalogue.name + ".lock"), fcntl.LOCK_EX) as attempt:
        _wait(attempt, str(Database("", True, f"sqlite:{catalogue}")))
        yield


@contextmanager
def _flock(path: Path, kind: int) -> Iterator[Callable[[], bool]]:
    """Open a lock file; yields a function that tries to take the operating system's lock on it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)

    def attempt() -> bool:
        try:
            fcntl.flock(handle, kind | fcntl.LOCK_NB)
        except BlockingIOError:
            return False
        return True

    try:
        yield attempt
    finally:
        os.close(handle)


@contextmanager
def advisory_lock(connection: duckdb.DuckDBPyConnection, attached: str, label: str) -> Iterator[None]:
    """Hold the lock of a PostgreSQL catalogue, in a separate transaction on the database `attached`."""
    with _advisory(connection, attached, _ADVISORY_KEY) as attempt:
        _wait(attempt, label)
        yield


@contextmanager
def _advisory(
    connection: duckdb.DuckDBPyConnection, attached: str, key: int, kind: str = ""
) -> Iterator[Callable[[], bool]]:
    """Open a transaction in PostgreSQL; yields a function that tries to take the lock of a key in it."""
    try_lock = quoted(f"SELECT pg_try_advisory_xact_lock{kind}({key})")
    attempt_sql = f"FROM postgres_query({quoted(attached)}, {try_lock})"
    with connection.cursor() as guard:
        guard.begin()
        _guards.append((guard, attached))
        try:
            guard.execute(f"CALL postgres_execute({quoted(attached)}, {quoted(_HOLDING)})")
            yield lambda: guard.execute(attempt_sql).fetchall() == [(True,)]
        finally:
            _guards.remove((guard, attached))
            # If the server has gone away, so has the lock; the error to report is the first one.
            with suppress(duckdb.Error):
                guard.rollback()


def _require_locks(label: str) -> None:
    """Check that PostgreSQL still holds the locks of this process.

    Raises:
        WarehouseError: it was restarted, or ended the connection.
    """
    try:
        for guard, attached in _guards:
            guard.execute(f"FROM postgres_query({quoted(attached)}, 'SELECT 1')").fetchall()
    except duckdb.Error as error:
        raise WarehouseError(
            f"warehouse {label}: PostgreSQL was restarted or ended a connection, so the lock of this run is lost; run "
            "again, what was stored is intact"
        ) from error


def _wait(attempt: Callable[[], bool], label: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not attempt():
        if time.monotonic() > deadline:
            raise WarehouseError(
                f"warehouse {label}: another process has been writing for {PATIENCE_S:.0f} s; check whether it hangs, "
                "then run again"
            )
        time.sleep(_PAUSE_S)


def read(connection: duckdb.DuckDBPyConnection, text: str, **parameters: Any) -> pl.DataFrame:
    """The rows of a query, with timestamps in UTC.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        # Through Arrow, because fetching timestamps row by row would need pytz.
        return connection.execute(text, parameters).pl()
