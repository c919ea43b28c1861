"""One transaction: all of it is stored, or nothing is, and one clear line says why."""

import re
import sqlite3
from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb

from pmfer.errors import WarehouseBusyError, WarehouseError
from warehouse.address import without_secrets
from warehouse.database import current_database
from warehouse.lock import writer_lock

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
