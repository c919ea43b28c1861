"""The published snapshot among programs that are not ours.

DuckDB opens a file for writing unless it is told otherwise. Whoever opens the snapshot like this locks it, and what
they write stands in a write-ahead log beside it. DuckDB takes that log for one of any later snapshot of that name too,
and refuses to open it. So our readers look at no log beside the snapshot, and read past the lock.
"""

import fcntl
import shutil
import tempfile
from pathlib import Path

import duckdb

from warehouse.literals import quoted

_LOG_ENDINGS = (".wal", ".wal.checkpoint", ".wal.recovery")  # what DuckDB keeps beside a file while it is written
_LOCKED = "Could not set lock"
WRITTEN_BY_OTHERS = (
    "another program has it open for writing, or wrote beside it; close that program and open the snapshot read-only "
    "(docs/analysts.md), what it wrote goes with the next publication"
)


def logs_beside(path: Path) -> list[Path]:
    """The write-ahead logs beside a database file."""
    return [log for ending in _LOG_ENDINGS if (log := path.with_name(path.name + ending)).exists()]


def remove_logs(path: Path) -> None:
    """Remove the write-ahead logs beside a database file; whoever has one open keeps what they have."""
    for log in logs_beside(path):
        log.unlink(missing_ok=True)


def is_written_by_others(path: Path) -> bool:
    """Whether a program that is not ours has a snapshot open for writing, or left a log beside it.

    Not while this process reads the snapshot: to close another handle on it would give DuckDB's lock away.

    Raises:
        OSError: it cannot be read.
    """
    if logs_beside(path):
        return True
    with path.open("rb") as snapshot:
        try:
            fcntl.lockf(snapshot, fcntl.LOCK_SH | fcntl.LOCK_NB)
        except BlockingIOError:
            return True
    return False


def attach_snapshot(connection: duckdb.DuckDBPyConnection, path: Path, name: str, options: str) -> None:
    """Attach a snapshot as it was published, whoever has it open and whatever stands beside it.

    Args:
        connection: to attach it to.
        path: the snapshot.
        name: of the database in this connection.
        options: of ATTACH, with READ_ONLY.

    Raises:
        duckdb.Error: it is no database, or damaged, or the key is not the right one.
        OSError: it cannot be read, or there is no room for a copy.
    """
    if not logs_beside(path):
        try:
            connection.execute(f"ATTACH {quoted(path)} AS {name}{options}")
            return
        except duckdb.IOException as error:
            if _LOCKED not in str(error) and not logs_beside(path):
                raise
    # A copy without a name, so that nothing stands beside it and a kill leaves nothing behind. DuckDB opens it anew.
    with tempfile.TemporaryFile() as copy, path.open("rb") as snapshot:
        shutil.copyfileobj(snapshot, copy)
        copy.flush()
        connection.execute(f"ATTACH '/dev/fd/{copy.fileno()}' AS {name}{options}")
