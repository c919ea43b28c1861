"""Opens the warehouse, for the one writer or for readers.

The writer holds the file exclusively, so readers open the published snapshot (publish.py). No other code may open the
writer's file while it is in use, not even to copy it: the operating system's lock belongs to the process, and closing
any other handle on the file gives the lock away without a word.
"""

from pathlib import Path

import duckdb

from warehouse.migrate import migrate, require_current_schema
from warehouse.transaction import one_line_errors

# Nothing here may reach for the network: what is needed (icu, json, parquet) is built into the wheel.
OFFLINE: dict[str, str | bool | int | float | list[str]] = {
    "autoinstall_known_extensions": False,
    "autoload_known_extensions": False,
}


def open_writer(path: Path) -> duckdb.DuckDBPyConnection:
    """Open the warehouse for writing, creating or migrating it as needed. Times read as UTC.

    Folders that are missing are made for the owner only (0700), as is the file (0600).

    A connection is not for several threads at once: give each its own `connection.cursor()`.

    Raises:
        WarehouseError: another process has it open, it is damaged, no warehouse or newer than this release, or the
            path cannot be written.
    """
    with one_line_errors(path):
        make_private_folder(path.parent)
        connection = duckdb.connect(path, config=OFFLINE)
        try:
            path.chmod(0o600)
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            migrate(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def open_reader(path: Path) -> duckdb.DuckDBPyConnection:
    """Open a published snapshot read-only. Times read as UTC.

    The snapshot is attached to an instance of its own. DuckDB shares one instance per path within a process: opened
    directly, a second reader would be given the old snapshot for as long as a first one holds it. Threads therefore
    open a reader each; a `cursor()` of this connection does not see the snapshot.

    Raises:
        WarehouseError: there is no such file, it is damaged or no warehouse, or of another release's schema.
    """
    with one_line_errors(path):
        connection = duckdb.connect(config=OFFLINE)
        try:
            connection.execute("SET GLOBAL TimeZone = 'UTC'")
            connection.execute(f"ATTACH {quoted(path)} AS warehouse (READ_ONLY)")
            connection.execute("USE warehouse")
            require_current_schema(connection)
        except BaseException:
            connection.close()
            raise
    return connection


def make_private_folder(folder: Path) -> None:
    """Make the missing folders of a path, for their owner only."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def quoted(path: Path) -> str:
    """A path as an SQL string literal: ATTACH takes no parameters."""
    return "'" + str(path).replace("'", "''") + "'"
