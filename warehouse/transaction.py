"""One transaction at a time: all of it is stored, or nothing is, and one clear line says why.

DuckLake lets two transactions append to the same table side by side, so a rule such as "this session is stored once"
could be checked by both and broken by both; in a file, a constraint would refuse the second. Writers of a lake
therefore hold one lock from before the first look until after the commit. It costs little: storing a session takes a
fraction of a second, scoring it minutes, and scoring is not under the lock.

The lock lives where the catalogue is: in PostgreSQL an advisory lock, beside an SQLite file a lock of the operating
system. Both end with the process that holds them, however it ends.

A night has a lock of its own in the same places, held for as long as it runs, which nobody waits for. And nights and
shards share one that says that somebody is at work: an erasure takes it for itself, so that it has the lake alone.
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

# Words before the cause that say nothing more than the address does.
_PREAMBLE = re.compile(r'Failed to attach DuckLake MetaData .*Unable to connect to Postgres at ".*?": ')

_BUSY = "Could not set lock"

# What to do, by what DuckDB or the operating system says. The first that is found in the message applies.
_ADVICE = (
    ("Wrong encryption key", "this is not the key it was made with: give that one"),
    ("without a key", "it is encrypted: give its key in PMFER_WAREHOUSE_KEY or PMFER_WAREHOUSE_KEY_FILE"),
    ("is not encrypted", "give no key, or export it into a new one that is made with the key"),
    ("password authentication failed", "correct user and password, in the address or in ~/.pgpass"),
    ("no password supplied", "give one in the address or in ~/.pgpass"),
    ("error for HTTP", "check the object store: its endpoint, keys and bucket, and that it is running"),
    ("lock timeout", "another session keeps the catalogue locked: end its transaction and run again"),
    ("Connection refused", "check host and port, and that PostgreSQL is running"),
    ("could not translate host name", "check the host"),
    ("connection to server", "check the address, and that PostgreSQL is running"),
    ("creating a new DuckLake is explicitly disabled", "run a night first, or correct the address"),
    ("does not match existing data path", "give the folder it was made with as ?data=, or none"),
    ("Transaction conflict", "another program changed the lake meanwhile: run again, nothing of this was stored"),
    ("database is locked", "another program holds the catalogue: close it and run again"),
    ("file is not a database", "the catalogue is no SQLite file: correct the address"),
    ("No space left on device", "the disk is full: make room and run again, what was stored before is intact"),
    ("Disk quota exceeded", "the quota is full: make room and run again, what was stored before is intact"),
    ("File too large", "the size limit is reached: lift it and run again, what was stored before is intact"),
    (_BUSY, "another process has it open: wait until it has finished; readers open the snapshot"),
    ("Unique file handle conflict", "this process is writing it: readers open the snapshot"),
    ("different configuration", "this process has it open otherwise: close that first; readers open the snapshot"),
    ("not a valid DuckDB database", "give another path, or restore the file from a snapshot"),
    ("Corrupt database file", "the file is damaged: restore it from a snapshot"),
    ("Could not read enough bytes", "the file is cut short: restore it from a snapshot"),
    ("newer version", "update this software"),
    ("Permission denied", "give this account the right to write there, or choose another path"),
    ("Read-only file system", "choose a path that can be written"),
    ("Not a directory", "a part of the path is a file: choose another path"),
    ("Is a directory", "give the path of a file"),
    ("does not exist", "check the path; a snapshot appears when the first night is published"),
    ("No such file or directory", "check the path"),
    ("Duplicate key", "it is stored already: use another identifier"),
    ("invalidated", "open it anew, what was stored before is intact"),
)


@contextmanager
def transaction(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Store everything in the block, or nothing. Transactions of all writers come one after the other.

    Raises:
        WarehouseError: DuckDB refused, or another writer does not come to an end. Nothing of the block is stored, and
            the connection is free for the next.
    """
    # The lock comes first: what the block reads is then what every earlier transaction left.
    with one_line_errors(database_path(connection)), writer_lock(connection):
        connection.begin()
        try:
            yield
            connection.commit()
        except BaseException:
            # After a commit that failed there is no transaction left; the error to report is the first one.
            with suppress(duckdb.Error):
                connection.rollback()
            raise


@contextmanager
def one_line_errors(place: object) -> Iterator[None]:
    """Raise what DuckDB or the operating system says about a place as WarehouseError: what, where, what to do.

    Args:
        place: the path or address that the block works on; as text it has no password.
    """
    try:
        yield
    except (duckdb.Error, sqlite3.Error, OSError) as error:
        text = str(error)
        # Of a database that broke down earlier, the first cause tells more than the breakdown.
        what = text.partition("Original error: ")[2] or text or type(error).__name__
        what = _PREAMBLE.sub("", what.splitlines()[0].split(". See also")[0].strip('"'))
        advice = next((advice for sign, advice in _ADVICE if sign in text), "run again; if it stays, report it")
        kind = WarehouseBusyError if _BUSY in text else WarehouseError
        raise kind(without_secrets(f"warehouse {place}: {what}; {advice}")) from error


def database_path(connection: duckdb.DuckDBPyConnection) -> str:
    """Where the connection's database is: path of its file, address of its lake; `:memory:` for neither.

    Raises:
        WarehouseError: the database broke down earlier and must be opened anew.
    """
    with one_line_errors("(unknown file)"):
        return str(current_database(connection))


PATIENCE_S = 600.0  # seconds after which a lock that is still taken is somebody's trouble
_PAUSE_S = 0.01  # seconds between two looks
_NO_SNAPSHOT = "SET TRANSACTION ISOLATION LEVEL READ COMMITTED"
_ADVISORY_KEY = 0x706D666572  # "pmfer": a lock of its own among those that others may use in the same database
_WORK_KEY = _ADVISORY_KEY + 1
WORK_SUFFIX = ".work"  # of the file beside an SQLite catalogue that those at work hold


@contextmanager
def writer_lock(connection: duckdb.DuckDBPyConnection) -> Iterator[None]:
    """Hold the lock of the lake that a connection writes; nothing is needed for a file, which has one writer.

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
    """Hold a night of a lake, so that it runs once at a time; of a file there is one writer anyway.

    Raises:
        WarehouseError: another process holds it.
    """
    database = current_database(connection)
    refusal = WarehouseError(
        f"night {night}: another run of it is going on in warehouse {database}; wait until that has finished"
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
    """Say for as long as it lasts that a night or a shard works on a lake; waits until an erasure has ended.

    Raises:
        WarehouseError: one took longer than PATIENCE_S.
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
def alone_in_file(catalogue: Path) -> Iterator[None]:
    """Have the lake of an SQLite catalogue alone, see alone_in."""
    with _flock(catalogue.with_name(catalogue.name + WORK_SUFFIX), fcntl.LOCK_EX) as attempt:
        _require_alone(attempt, f"ducklake:sqlite:{catalogue}")
        yield


@contextmanager
def alone_in(connection: duckdb.DuckDBPyConnection, attached: str, label: str) -> Iterator[None]:
    """Have the lake of a PostgreSQL catalogue alone, attached by that name: nobody is at work or begins to be.

    Raises:
        WarehouseError: somebody is at work.
    """
    with _advisory(connection, attached, _WORK_KEY) as attempt:
        _require_alone(attempt, label)
        yield


def _require_alone(attempt: Callable[[], bool], label: str) -> None:
    if not attempt():
        raise WarehouseError(f"warehouse {label}: a night or a shard is at work; wait until it has finished")


@contextmanager
def _night_file(path: Path, refusal: WarehouseError) -> Iterator[None]:
    """Hold a night by a file that goes with it."""
    handle = os.open(path, os.O_RDWR | os.O_CREAT | os.O_CLOEXEC, 0o600)
    try:
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            raise refusal from None
        # Whoever held it before may just have removed the file, and another may hold the one that is there now.
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
    """Hold the lock of an SQLite catalogue, in a file of its own beside it."""
    with _flock(catalogue.with_name(catalogue.name + ".lock"), fcntl.LOCK_EX) as attempt:
        _wait(attempt, str(Database("", True, f"sqlite:{catalogue}")))
        yield


@contextmanager
def _flock(path: Path, kind: int) -> Iterator[Callable[[], bool]]:
    """A file, on which the attempt that is given back may take a lock of the operating system."""
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
    """Hold the lock of a PostgreSQL catalogue, in a transaction of its own on the database attached by that name."""
    with _advisory(connection, attached, _ADVISORY_KEY) as attempt:
        _wait(attempt, label)
        yield


@contextmanager
def _advisory(
    connection: duckdb.DuckDBPyConnection, attached: str, key: int, kind: str = ""
) -> Iterator[Callable[[], bool]]:
    """A transaction in PostgreSQL, in which the attempt that is given back may take the lock of a key."""
    question = quoted(f"SELECT pg_try_advisory_xact_lock{kind}({key})")
    attempt_sql = f"FROM postgres_query({quoted(attached)}, {question})"
    with connection.cursor() as guard:
        guard.begin()
        try:
            # Otherwise it keeps the snapshot of its first question, and PostgreSQL could clean nothing up for hours.
            guard.execute(f"CALL postgres_execute({quoted(attached)}, {quoted(_NO_SNAPSHOT)})")
            yield lambda: guard.execute(attempt_sql).fetchall() == [(True,)]
        finally:
            # Where the server went away meanwhile, the lock went with it; the first error is the one to report.
            with suppress(duckdb.Error):
                guard.rollback()


def _wait(attempt: Callable[[], bool], label: str) -> None:
    deadline = time.monotonic() + PATIENCE_S
    while not attempt():
        if time.monotonic() > deadline:
            raise WarehouseError(
                f"warehouse {label}: another process has been writing for {PATIENCE_S:.0f} s; see if it hangs, then "
                "run again"
            )
        time.sleep(_PAUSE_S)


def read(connection: duckdb.DuckDBPyConnection, text: str, **parameters: Any) -> pl.DataFrame:
    """The rows that a query gives, times in UTC.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        # By way of Arrow: fetching times row by row would need pytz.
        return connection.execute(text, parameters).pl()
