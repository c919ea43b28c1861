"""One transaction: all of it is stored, or nothing is, and one clear line says why."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import duckdb

from pmfer.errors import WarehouseError

# What to do, by what DuckDB or the operating system says. The first that is found in the message applies.
_ADVICE = (
    ("No space left on device", "the disk is full: make room and run again, what was stored before is intact"),
    ("Disk quota exceeded", "the quota is full: make room and run again, what was stored before is intact"),
    ("File too large", "the size limit is reached: lift it and run again, what was stored before is intact"),
    ("Could not set lock", "another process has it open: wait until it has finished; readers open the snapshot"),
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
    """Store everything in the block, or nothing.

    Raises:
        WarehouseError: DuckDB refused. Nothing of the block is stored, and the connection is free for the next.
    """
    with one_line_errors(database_path(connection)):
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
def one_line_errors(path: Path) -> Iterator[None]:
    """Raise what DuckDB or the operating system says about `path` as WarehouseError: what, which file, what to do."""
    try:
        yield
    except (duckdb.Error, OSError) as error:
        text = str(error)
        # Of a database that broke down earlier, the first cause tells more than the breakdown.
        what = text.partition("Original error: ")[2] or text or type(error).__name__
        what = what.splitlines()[0].split(". See also")[0].strip('"')
        advice = next((advice for sign, advice in _ADVICE if sign in text), "run again; if it stays, report it")
        raise WarehouseError(f"warehouse {path}: {what}; {advice}") from error


def database_path(connection: duckdb.DuckDBPyConnection) -> Path:
    """File of the connection's database; `:memory:` for one without.

    Raises:
        WarehouseError: the database broke down earlier and must be opened anew.
    """
    sql = "SELECT path FROM duckdb_databases() WHERE database_name = current_database()"
    with one_line_errors(Path("(unknown file)")):
        row = connection.execute(sql).fetchone()
    return Path(row[0]) if row and row[0] else Path(":memory:")
