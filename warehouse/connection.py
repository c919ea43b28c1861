"""Opens the warehouse at its address, for writing or for reading. The database is attached by the name `warehouse`.

The writer of a file holds it exclusively, so readers open the published snapshot (publish.py). No other code may open
the writer's file while it is in use, not even to copy it: the operating system's lock belongs to the process, and
closing any other handle on the file gives the lock away without a word. A lake has many writers, one at a time
(transaction.py), and its readers read the lake itself.

The snapshot lies among programs that are not ours. DuckDB opens a file for writing unless it is told otherwise: whoever
opens the snapshot like this locks it, and what they write stands in a write-ahead log beside it. DuckDB takes that log
for one of any later snapshot of that name too, and refuses to open it. So our readers look at no log beside the
snapshot, and read past the lock.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import duckdb

from warehouse.address import Address, FileAddress, LakeAddress, as_address
from warehouse.lake import attach_lake_for_reading, attach_lake_for_writing, check_lake_key, is_lake, record_lake_key
from warehouse.migrate import migrate, require_current_schema
from warehouse.private_file import make_private_folder
from warehouse.sql import TRUSTING, load_extension, quoted, trust_no_more_extensions
from warehouse.transaction import one_line_errors

# Nothing here may reach for the network, or for what lies in a home folder: extensions come from wheels.
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
}
# A file that is made anew. A column of a row group fills one small block rather than half a large one, and storage of
# 1.5 packs decimals best: 81 bytes per frame row become 55. A file that exists keeps what it was made with.
NEW_FILE = ("STORAGE_VERSION 'v1.5.0'", "BLOCK_SIZE 65536")


def open_writer(place: Address | Path) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for writing, creating or migrating it as needed. Times read as UTC.

    Folders that are missing are made for the owner only (0700), as is the file (0600).

    A connection is not for several threads at once: give each its own with `another`.

    Args:
        place: the address; a path is that of a file that is not encrypted.

    Raises:
        WarehouseError: another process has the file open, it is damaged, no warehouse or newer than this release, the
            path cannot be written, the catalogue cannot be reached, or the key is not the right one.
    """
    address = as_address(place)
    with one_line_errors(address):
        connection = _connect(_spill_folder(address))
        try:
            if isinstance(address, LakeAddress):
                attach_lake_for_writing(connection, address)
            else:
                _attach_file_for_writing(connection, address)
            migrate(connection)
            if isinstance(address, LakeAddress):
                record_lake_key(connection, address)
                check_lake_key(connection, address)
            trust_no_more_extensions(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(place: Address | Path) -> duckdb.DuckDBPyConnection:
    """Open the published snapshot of a file, or a lake, read-only. Times read as UTC.

    Either way the reader sees what was stored when it was opened, and nothing that comes later: to see that, open
    another. A snapshot is attached to an instance of its own, as DuckDB shares one instance per path within a process:
    opened directly, a second reader would be given the old snapshot for as long as a first one holds it. What other
    programs do to the snapshot does not concern it, see above.

    Args:
        place: the address; a path is that of a snapshot that is not encrypted.

    Raises:
        WarehouseError: there is no such file or lake, it is damaged or no warehouse, of another release's schema, or
            the key is not the right one.
    """
    address = as_address(place)
    with one_line_errors(address.published if isinstance(address, FileAddress) else address):
        connection = _connect(Path(tempfile.gettempdir()) / f"pmfer-{os.getuid()}.tmp")
        try:
            if isinstance(address, LakeAddress):
                attach_lake_for_reading(connection, address)
            else:
                options = attach_options(address.key, "READ_ONLY")
                attach_snapshot(connection, address.published, "warehouse", options)
                connection.execute("USE warehouse")
            require_current_schema(connection)
            trust_no_more_extensions(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def find_plain_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Let the queries of a reader name the views of `plain` without their schema where nothing else has the name.

    So `FROM days` is answered; `FROM sessions` and `FROM frames` stay the complete ones, on which queries in use rely.
    """
    connection.execute("SET search_path = 'warehouse.main,warehouse.plain'")


def require_opens(address: FileAddress) -> None:
    """Make sure that a file's snapshot is a database that the key opens, of whichever schema.

    Raises:
        WarehouseError: it is not.
    """
    with one_line_errors(address.published), duckdb.connect(config=OFFLINE) as connection:
        attach_snapshot(connection, address.published, "warehouse", attach_options(address.key, "READ_ONLY"))


def is_made(address: Address) -> bool:
    """Whether there is a warehouse at the address, as far as can be told without changing anything there.

    Raises:
        WarehouseError: a lake's catalogue cannot be reached.
    """
    if isinstance(address, FileAddress):
        return address.path.exists() or address.published.exists()
    with one_line_errors(address):
        return is_lake(address)


def another(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """A connection to the same open database, for another thread: a plain `cursor()` would not use the warehouse."""
    cursor = connection.cursor()
    cursor.execute("USE warehouse")
    return cursor


def attach_options(key: str | None, *flags: str) -> str:
    """Options of ATTACH for a DuckDB file, ` (...)` or nothing.

    Args:
        key: encryption key; None: not encrypted.
        flags: further options, such as READ_ONLY or those of NEW_FILE.
    """
    options = [*flags, *([f"ENCRYPTION_KEY {quoted(key)}"] if key is not None else [])]
    return f" ({', '.join(options)})" if options else ""


def _connect(spill: Path) -> duckdb.DuckDBPyConnection:
    # What does not fit into memory is written to disk: encrypted by a key that only this process knows, and at a place
    # that is known, as DuckDB's own choice is the working directory.
    config = OFFLINE | TRUSTING | {"temp_file_encryption": True, "temp_directory": str(spill)}
    connection = duckdb.connect(config=config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def _spill_folder(address: Address) -> Path:
    if isinstance(address, FileAddress):
        return address.path.with_name(address.path.name + ".tmp")
    return Path(tempfile.gettempdir()) / f"pmfer-{os.getuid()}.tmp"


def _attach_file_for_writing(connection: duckdb.DuckDBPyConnection, address: FileAddress) -> None:
    make_private_folder(address.path.parent)
    if address.key is not None:
        load_extension(connection, "httpfs")  # DuckDB's own cryptography only reads
    if not address.path.exists():
        _make_file(connection, address)
    connection.execute(f"ATTACH {quoted(address.path)} AS warehouse{attach_options(address.key)}")
    address.path.chmod(0o600)
    connection.execute("USE warehouse")


def _make_file(connection: duckdb.DuckDBPyConnection, address: FileAddress) -> None:
    """Make an empty database beside its place and move it there whole.

    A full disk or a kill would else leave a file without a header, which no later run could open.
    """
    draft = address.path.with_name(f".{address.path.name}.draft")
    draft.unlink(missing_ok=True)
    connection.execute(f"ATTACH {quoted(draft)} AS draft{attach_options(address.key, *NEW_FILE)}")
    connection.execute("DETACH draft")
    try:
        address.path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was faster, and to rename would replace its file
    except OSError:  # a file system without such links
        draft.rename(address.path)
    draft.unlink(missing_ok=True)


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
