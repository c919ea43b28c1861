"""Opens the warehouse at its address, for writing or for reading. The database is attached with the name `warehouse`.

The writer of a file holds it exclusively, so readers open the published snapshot (publish.py). No other code of the
process may open the writer's file while it is in use, not even to copy it: the operating system's lock belongs to the
process, and closing any other handle on the file silently releases it. A lake has many writers, one at a time
(transaction.py), and its readers read the lake itself.

Other programs open the snapshot, too. DuckDB opens a file for writing by default: a program that opens the snapshot
this way locks it, and its writes go to a write-ahead log beside it. DuckDB would then apply that log to any later
snapshot of the same name, and refuse to open it. So our readers ignore logs beside the snapshot, and read it despite
the lock.
"""

import fcntl
import os
import shutil
import tempfile
from pathlib import Path

import duckdb

from pmfer.errors import WarehouseError
from warehouse.address import Address, FileAddress, LakeAddress, as_address
from warehouse.lake import attach_lake_for_reading, attach_lake_for_writing, check_lake_key, is_lake, record_lake_key
from warehouse.migrate import migrate, require_current_schema
from warehouse.private_file import make_private_folder
from warehouse.sql import TRUSTING, load_extension, quoted, trust_no_more_extensions
from warehouse.transaction import BUSY, one_line_errors

# Nothing here may access the network or a home folder; extensions come from wheels.
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
    "allow_persistent_secrets": False,
}
# Options for writing to a file. Row groups of 51,200 rows: DuckDB compresses whole row groups side by side while they
# are inserted, and anything smaller at the commit, in one thread. As scores take 10 bits each, a column of such a row
# group just fills a block of 64 KiB. With 49,152 or 65,536 rows a part of the blocks stays empty, and the file is a
# third or an eighth larger.
WRITING = ("ROW_GROUP_SIZE 51200",)
# Options for creating a file. Storage format 1.5 compresses decimals best. Together with small blocks: 55 instead of 81
# bytes per frame row. An existing file keeps the options that it was created with.
NEW_FILE = (*WRITING, "STORAGE_VERSION 'v1.5.0'", "BLOCK_SIZE 65536")


def open_writer(place: Address | Path) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for writing, creating or migrating it as needed. Timestamps are read in UTC.

    Missing folders are created for the owner only (0700), as is the file (0600).

    A connection must not be shared between threads; give each thread its own with `another`.

    Args:
        place: the address; a path stands for an unencrypted file.

    Raises:
        WarehouseError: another process has the file open, it is damaged, not a warehouse or newer than this release,
            the path cannot be written, the catalogue cannot be reached, or the key is wrong.
    """
    address = as_address(place)
    with one_line_errors(address):
        connection = _connect(beside=address.path if isinstance(address, FileAddress) else None)
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
    """Open the published snapshot of a file, or a lake, read-only. Timestamps are read in UTC.

    Either way the reader sees what was stored when it was opened; to see what was stored later, open another one. The
    snapshot is attached to a new DuckDB instance. Within a process, DuckDB shares one instance per path: if the
    snapshot were opened directly, a second reader would get the old snapshot for as long as the first one is open.
    Other programs that have the snapshot open do not disturb it; see the module docstring.

    Args:
        place: the address; a path stands for an unencrypted snapshot.

    Raises:
        WarehouseError: there is no such file or lake, it is damaged, not a warehouse or has another release's schema,
            or the key is wrong.
    """
    address = as_address(place)
    with one_line_errors(address.published if isinstance(address, FileAddress) else address):
        if isinstance(address, FileAddress) and not is_published(address):
            raise WarehouseError(
                f"warehouse {address.published}: does not exist; run a night first, which publishes it, "
                "or give another data folder"
            )
        connection = _connect()
        try:
            if isinstance(address, LakeAddress):
                attach_lake_for_reading(connection, address)
            else:
                _attach_snapshot(connection, address)
                connection.execute("USE warehouse")
            require_current_schema(connection)
            trust_no_more_extensions(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def find_plain_views(connection: duckdb.DuckDBPyConnection) -> None:
    """Let queries name the views of the schema `plain` without the schema, unless `main` has a table or view so named.

    So `FROM days` works; `FROM sessions` and `FROM frames` still mean the full ones, on which existing queries rely.
    """
    connection.execute("SET search_path = 'warehouse.main,warehouse.plain'")


def require_opens(address: FileAddress) -> None:
    """Check that a file's snapshot is a database that the key opens, whatever its schema.

    Raises:
        WarehouseError: it is not.
    """
    with one_line_errors(address.published), duckdb.connect(config=OFFLINE) as connection:
        _attach_snapshot(connection, address)


def is_made(address: Address) -> bool:
    """Whether there is a warehouse at the address. It changes nothing there, and does not check the content.

    Raises:
        WarehouseError: a lake's catalogue cannot be reached.
    """
    if isinstance(address, FileAddress):
        return address.path.exists() or address.published.exists()
    with one_line_errors(address):
        return is_lake(address)


def is_published(address: Address) -> bool:
    """Whether readers find anything at the address: the snapshot of a file, or a lake.

    Raises:
        WarehouseError: a lake's catalogue cannot be reached.
    """
    return address.published.exists() if isinstance(address, FileAddress) else is_made(address)


def another(connection: duckdb.DuckDBPyConnection) -> duckdb.DuckDBPyConnection:
    """Another connection to the same database, for another thread. A bare `cursor()` would not use the warehouse."""
    cursor = connection.cursor()
    cursor.execute("USE warehouse")
    return cursor


def attach(connection: duckdb.DuckDBPyConnection, path: Path | str, name: str, key: str | None, *options: str) -> None:
    """Attach a DuckDB file.

    Args:
        connection: to attach it to.
        path: the file.
        name: of the database in this connection.
        key: encryption key; None: not encrypted.
        options: READ_ONLY, or those in WRITING or NEW_FILE.

    Raises:
        duckdb.Error: it is not a database, or damaged, or the key is wrong.
    """
    secret = [] if key is None else [f"ENCRYPTION_KEY {quoted(key)}"]
    connection.execute(f"ATTACH {quoted(path)} AS {name} ({', '.join([*options, *secret])})")


def _connect(beside: Path | None = None) -> duckdb.DuckDBPyConnection:
    # What does not fit into memory is written to disk, encrypted with a key that only this process knows, and beside
    # the database that is written, if that is a file: DuckDB's default is the working directory.
    spill = Path(f"{beside or Path(tempfile.gettempdir()) / f'pmfer-{os.getuid()}'}.tmp")
    config = OFFLINE | TRUSTING | {"temp_file_encryption": True, "temp_directory": str(spill)}
    connection = duckdb.connect(config=config)
    connection.execute("SET GLOBAL TimeZone = 'UTC'")
    return connection


def _attach_file_for_writing(connection: duckdb.DuckDBPyConnection, address: FileAddress) -> None:
    make_private_folder(address.path.parent)
    if address.key is not None:
        load_extension(connection, "httpfs")  # DuckDB's own cryptography only reads
    if not address.path.exists():
        _make_file(connection, address)
    attach(connection, address.path, "warehouse", address.key, *WRITING)
    address.path.chmod(0o600)
    connection.execute("USE warehouse")


def _make_file(connection: duckdb.DuckDBPyConnection, address: FileAddress) -> None:
    """Create an empty database under a temporary name beside the target, and move it there when it is complete.

    Otherwise a full disk or a kill would leave a file without a header, which no later run could open.
    """
    draft = address.path.with_name(f".{address.path.name}.draft")
    draft.unlink(missing_ok=True)
    attach(connection, draft, "draft", address.key, *NEW_FILE)
    connection.execute("DETACH draft")
    try:
        address.path.hardlink_to(draft)
    except FileExistsError:
        pass  # another process was faster, and renaming would replace its file
    except OSError:  # the file system has no hard links
        draft.rename(address.path)
    draft.unlink(missing_ok=True)


_LOG_SUFFIXES = (".wal", ".wal.checkpoint", ".wal.recovery")  # of files that DuckDB keeps beside one that it writes
WRITTEN_BY_OTHERS = (
    "another program has it open for writing, or left a write-ahead log beside it; close that program and open the "
    "snapshot read-only (docs/analysts.md): the next publication discards what it wrote"
)


def logs_beside(path: Path) -> list[Path]:
    """The write-ahead logs beside a database file."""
    return [log for suffix in _LOG_SUFFIXES if (log := path.with_name(path.name + suffix)).exists()]


def remove_logs(path: Path) -> None:
    """Remove the write-ahead logs beside a database file. Programs that have one open can still read it."""
    for log in logs_beside(path):
        log.unlink(missing_ok=True)


def is_written_by_others(path: Path) -> bool:
    """Whether another program has a snapshot open for writing, or left a log beside it.

    Do not call it while this process reads the snapshot: closing another handle on it would release DuckDB's lock.

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


def _attach_snapshot(connection: duckdb.DuckDBPyConnection, address: FileAddress) -> None:
    """Attach a snapshot as it was published, even if other programs have it open or left logs beside it.

    Raises:
        duckdb.Error: see attach.
        OSError: it cannot be read, or there is no space for a copy.
    """
    path = address.published
    if not logs_beside(path):
        try:
            attach(connection, path, "warehouse", address.key, "READ_ONLY")
            return
        except duckdb.IOException as error:
            if BUSY not in str(error) and not logs_beside(path):
                raise
    # Copy it to a file without a name: no log can be beside that, and a kill leaves nothing behind. DuckDB opens it by
    # its descriptor.
    with tempfile.TemporaryFile() as copy, path.open("rb") as snapshot:
        shutil.copyfileobj(snapshot, copy)
        copy.flush()
        attach(connection, f"/dev/fd/{copy.fileno()}", "warehouse", address.key, "READ_ONLY")
