"""A warehouse as a lake: DuckLake keeps the catalogue in PostgreSQL or SQLite, and the rows in Parquet files.

Rows are never stored in the catalogue itself, however few: then only the Parquet files have to be encrypted and
rewritten after an erasure. The price is a small file per table and transaction; `tidy` merges them after a night.
"""

import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from datetime import timedelta
from pathlib import Path

import duckdb

from pmfer.errors import WarehouseError
from warehouse.address import LakeAddress, S3Access
from warehouse.encryption import is_key_of, key_check
from warehouse.private_file import make_private_file, make_private_folder
from warehouse.sql import TRUSTING, current_database, load_extension, quoted
from warehouse.transaction import (
    PATIENCE_S,
    advisory_lock,
    exclusive_in_file,
    exclusive_in_postgres,
    file_lock,
    one_line_errors,
    transaction,
)

# How long replaced files are kept for open readers: a reader sees the lake as it was when it was opened.
READERS_LAST = timedelta(days=1)
_SCANNERS = {"postgres": "postgres_scanner", "sqlite": "sqlite_scanner"}


def attach_lake_for_writing(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    """Attach a lake as `warehouse` and use it; create it if it does not exist.

    Raises:
        WarehouseError: the lake is encrypted and there is no key, or the other way round.
        duckdb.Error, OSError: the catalogue or the data folder cannot be reached, or the lake has another data folder.
    """
    _prepare(connection, address)
    if not address.data.startswith("s3://"):
        make_private_folder(Path(address.data))
    options = {"DATA_PATH": quoted(address.data.rstrip("/") + "/"), **_writing_options(address)}
    if address.key is not None:
        load_extension(connection, "httpfs")  # DuckDB's own cryptography only reads
        options["ENCRYPTED"] = "true"
    if address.catalogue == "sqlite":
        make_private_folder(Path(address.connection).parent)
        make_private_file(Path(address.connection))
    # Two processes that create the catalogue at the same time would each create half of it.
    with _creation_lock(address):
        _attach(connection, address, options)
        connection.execute("USE warehouse")
    _require_same_encryption(connection, address)


# The number of the latest state of a lake.
_LAKE_SNAPSHOT = "SELECT id FROM warehouse.current_snapshot()"


def attach_lake_for_reading(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    """Attach a lake as it is now, read-only, as `warehouse`, and use it.

    Raises:
        WarehouseError: there is no lake, or the key is not the one that it was created with.
        duckdb.Error, OSError: the catalogue cannot be reached.
    """
    if address.catalogue == "sqlite" and not Path(address.connection).is_file():
        raise WarehouseError(f"warehouse {address}: does not exist; run a night first, or check the address")
    _prepare(connection, address)
    _attach(connection, address, {"READ_ONLY": "true"})
    _require_same_encryption(connection, address)
    check_lake_key(connection, address)
    ((snapshot,),) = connection.execute(_LAKE_SNAPSHOT).fetchall()
    connection.execute("DETACH warehouse")
    _attach(connection, address, {"READ_ONLY": "true", "SNAPSHOT_VERSION": str(snapshot)})
    connection.execute("USE warehouse")


# One row if the catalogue has DuckLake's tables.
_LAKE_IS_MADE = "SELECT 1 FROM duckdb_tables() WHERE database_name = 'catalogue' AND table_name = 'ducklake_metadata'"


def is_lake(address: LakeAddress) -> bool:
    """Whether there is a lake at the address; an empty PostgreSQL database is not one yet.

    Raises:
        duckdb.Error: the catalogue cannot be reached.
    """
    if address.catalogue == "sqlite" and not Path(address.connection).is_file():
        return False
    with _catalogue(address, "READ_ONLY") as catalogue:
        return bool(catalogue.execute(_LAKE_IS_MADE).fetchall())


def check_lake_key(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    """Check that the key is the one that the lake was created with.

    DuckLake creates a key for every Parquet file and keeps it in the catalogue, so a wrong key would not be noticed
    there. This key encrypts score batches and exports: a typing error must not produce files that nobody can read.

    Raises:
        WarehouseError: it is another key.
    """
    if address.key is None:
        return
    checks = _lake_keys(connection)
    if not all(is_key_of(check, address.key) for check in checks):
        raise WarehouseError(f"warehouse {address}: Wrong encryption key; give the key that it was created with")


# Record the hash of the key that encrypts a lake's score batches and exports.
_INSERT_LAKE_KEY = "INSERT INTO lake_keys (key_check) VALUES ($key_check)"


def record_lake_key(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    """Record a salted hash of the key of a new lake; does nothing if there is one already."""
    if address.key is None or _lake_keys(connection):
        return
    with transaction(connection):
        connection.execute(_INSERT_LAKE_KEY, {"key_check": key_check(address.key)})


_TIDYING = (
    # Rewrite files without their deleted rows, and merge adjacent small files.
    "CALL ducklake_rewrite_data_files('warehouse', delete_threshold => 0)",
    "CALL ducklake_merge_adjacent_files('warehouse')",
    # Forget older states of the lake, except the latest. Then delete the files that no state needs.
    "CALL ducklake_expire_snapshots('warehouse', older_than => now() - to_seconds($keep_s))",
    "CALL ducklake_cleanup_old_files('warehouse', older_than => now() - to_seconds($keep_s))",
)


def tidy(connection: duckdb.DuckDBPyConnection, keep: timedelta = READERS_LAST) -> None:
    """Merge a lake's small files and delete those that no state of the last `keep` needs. Does nothing for a file.

    Raises:
        WarehouseError: the database failed.
    """
    if not current_database(connection).is_lake:
        return
    seconds = {"keep_s": keep.total_seconds()}
    for step in _TIDYING:
        # Each step needs its own transaction, because the next one works on what it has committed.
        with transaction(connection):
            connection.execute(step, seconds if "$keep_s" in step else {})


# Delete the files of the data folder that the catalogue does not know, such as those of a transaction that was killed.
_DELETE_UNKNOWN_FILES = "CALL ducklake_delete_orphaned_files('warehouse', cleanup_all => true)"

# Make the catalogue of a lake forget the smallest and largest text of every column of a table. They are replaced by
# bounds that hold for any text: without bounds, DuckLake would take those of the next rows for those of all rows.
_CATALOGUE_FORGET_EXTREMES = """
    UPDATE ducklake_table_column_stats AS stats
    SET min_value = '', max_value = chr(1114111)
    FROM ducklake_column
    WHERE ducklake_column.table_id = stats.table_id
        AND ducklake_column.column_id = stats.column_id
        AND ducklake_column.column_type = 'varchar'
        AND stats.min_value IS NOT NULL
"""


def forget_history(address: LakeAddress) -> None:
    """Keep only the present state of a lake, so that deleted data is no longer in any of its files.

    Parquet files are rewritten without deleted rows, and all others in the data folder are deleted, even those that a
    killed transaction left, which the catalogue never knew. The catalogue forgets its older states and the smallest and
    largest values of text columns. PostgreSQL and SQLite keep deleted data in their files until these are rewritten, so
    they are rewritten too, including PostgreSQL's statistics. PostgreSQL recycles its write-ahead log in the course of
    time.

    Open readers fail at their next query. Nobody else may write in the meantime, because DuckLake keeps the smallest
    and largest values in memory.

    Raises:
        WarehouseError: the database failed, or another session keeps a table of the catalogue locked.
    """
    with one_line_errors(address), duckdb.connect() as connection:
        _prepare(connection, address)
        _attach(connection, address, _writing_options(address))
        connection.execute("USE warehouse")
        tidy(connection, timedelta(0))
        with transaction(connection):  # as nobody else is within a transaction, no file belongs to one
            connection.execute(_DELETE_UNKNOWN_FILES)
    with one_line_errors(address), _catalogue(address, "READ_WRITE") as catalogue:
        catalogue.execute(_CATALOGUE_FORGET_EXTREMES)
        if address.catalogue == "postgres":
            _vacuum(catalogue)
    if address.catalogue == "sqlite":
        with one_line_errors(address), closing(sqlite3.connect(address.connection, isolation_level=None)) as file:
            file.execute("VACUUM")


# The tables of a lake's catalogue.
_CATALOGUE_TABLES = """
    SELECT table_name
    FROM duckdb_tables()
    WHERE database_name = 'catalogue' AND starts_with(table_name, 'ducklake_')
    ORDER BY table_name
"""


def _vacuum(catalogue: duckdb.DuckDBPyConnection) -> None:
    tables = ", ".join(name for (name,) in catalogue.execute(_CATALOGUE_TABLES).fetchall())
    for statement in (f"VACUUM (FULL, ANALYZE) {tables}", "VACUUM (FULL) pg_catalog.pg_statistic"):
        # PostgreSQL refuses VACUUM within a transaction.
        catalogue.execute(f"CALL postgres_execute('catalogue', {quoted(statement)}, use_transaction := false)")


@contextmanager
def exclusive_use(address: LakeAddress) -> Iterator[None]:
    """Exclusive use of a lake within the block: no night or shard is running on it, and none can start.

    Raises:
        WarehouseError: a night or shard is running, or the catalogue cannot be reached.
    """
    if address.catalogue == "sqlite":
        with exclusive_in_file(Path(address.connection)):
            yield
        return
    with _catalogue(address, "READ_ONLY") as guard, exclusive_in_postgres(guard, "catalogue", str(address)):
        yield


def _prepare(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    load_extension(connection, "ducklake")
    _prepare_catalogue(connection, address)
    if address.data.startswith("s3://"):
        load_extension(connection, "httpfs")
        if address.s3 is not None:
            _allow_s3(connection, address.s3)


def _prepare_catalogue(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    load_extension(connection, _SCANNERS[address.catalogue])
    if address.catalogue == "sqlite":
        _undo_killed_commit(connection, Path(address.connection))
    if address.catalogue == "postgres":
        # DuckDB never shows a password that is in a secret, neither in its list of databases nor in messages. Create
        # the secret even without a password: otherwise DuckDB would look for one on disk, which is forbidden here, and
        # fail.
        password = "" if address.password is None else f", PASSWORD {quoted(address.password)}"
        connection.execute(f"CREATE SECRET catalogue (TYPE postgres{password})")


def _undo_killed_commit(connection: duckdb.DuckDBPyConnection, catalogue: Path) -> None:
    """Let SQLite undo what a killed writer had half committed; until then, read-only connections are refused."""
    if not catalogue.with_name(f"{catalogue.name}-journal").exists():
        return
    # By DuckDB's own SQLite: a second copy of that library in the process would drop the locks of the first.
    connection.execute(f"ATTACH {quoted(catalogue)} AS undone (TYPE sqlite, BUSY_TIMEOUT {round(PATIENCE_S * 1000)})")
    connection.execute("SELECT count(*) FROM duckdb_tables() WHERE database_name = 'undone'")
    connection.execute("DETACH undone")


def _allow_s3(connection: duckdb.DuckDBPyConnection, access: S3Access) -> None:
    options = {"KEY_ID": access.key_id, "SECRET": access.secret, "REGION": access.region}
    if access.endpoint is not None:
        scheme, _, host = access.endpoint.rpartition("://")
        # Most stores other than AWS take the bucket in the path, not in the host name.
        options |= {"ENDPOINT": host, "URL_STYLE": "path", "USE_SSL": str(scheme != "http").lower()}
    settings = ", ".join(f"{name} {quoted(value)}" for name, value in options.items())
    connection.execute(f"CREATE SECRET storage (TYPE s3, {settings})")


def _writing_options(address: LakeAddress) -> dict[str, str]:
    """The options of every attachment that writes."""
    options = {"DATA_INLINING_ROW_LIMIT": "0"}
    if address.catalogue == "sqlite":
        # DuckDB reads each table of the catalogue through its own connection. With a write-ahead log, those would see
        # different states if somebody commits in between, and a table whose files are merged then looks empty. With a
        # rollback journal nobody can commit until the query has ended.
        options["META_JOURNAL_MODE"] = "'DELETE'"
    return options


def _attach(connection: duckdb.DuckDBPyConnection, address: LakeAddress, options: dict[str, str]) -> None:
    if address.catalogue == "postgres":
        options = options | {"META_SECRET": "'catalogue'"}
    if address.catalogue == "sqlite":
        options = options | {"META_BUSY_TIMEOUT": str(round(PATIENCE_S * 1000))}  # milliseconds
    settings = ", ".join(f"{name} {value}" for name, value in options.items())
    connection.execute(f"ATTACH {quoted(address)} AS warehouse ({settings})")


@contextmanager
def _creation_lock(address: LakeAddress) -> Iterator[None]:
    """The same lock as writer_lock, for use before there is a catalogue."""
    if address.catalogue == "sqlite":
        with file_lock(Path(address.connection)):
            yield
        return
    with _catalogue(address, "READ_ONLY") as guard, advisory_lock(guard, "catalogue", str(address)):
        yield


@contextmanager
def _catalogue(address: LakeAddress, mode: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """The catalogue, attached as a plain database with the name `catalogue`."""
    with duckdb.connect(config=TRUSTING) as connection:
        _prepare_catalogue(connection, address)
        secret = ", SECRET catalogue" if address.catalogue == "postgres" else ""
        options = f"(TYPE {address.catalogue}, {mode}{secret})"
        # Without a timeout, a session that was left open within a transaction could block an erasure for ever.
        postgres = address.catalogue == "postgres"
        place = address.settings_with_timeout(PATIENCE_S) if postgres else address.connection
        connection.execute(f"ATTACH {quoted(place)} AS catalogue {options}")
        connection.execute("USE catalogue")
        yield connection


# Whether the Parquet files of a lake are encrypted.
_LAKE_ENCRYPTED = "SELECT bool_or(option_name = 'encrypted' AND value = 'true') FROM warehouse.options()"


def _require_same_encryption(connection: duckdb.DuckDBPyConnection, address: LakeAddress) -> None:
    ((encrypted,),) = connection.execute(_LAKE_ENCRYPTED).fetchall()
    if encrypted and address.key is None:
        raise WarehouseError(
            f"warehouse {address}: is encrypted; give its key in PMFER_WAREHOUSE_KEY or PMFER_WAREHOUSE_KEY_FILE"
        )
    if not encrypted and address.key is not None:
        raise WarehouseError(
            f"warehouse {address}: is not encrypted; give no key, or create a new one with the key at another address"
        )


# The salted hash of the key that the lake was created with, if it is encrypted.
_LAKE_KEYS = "SELECT key_check FROM warehouse.lake_keys"


def _lake_keys(connection: duckdb.DuckDBPyConnection) -> list[str]:
    return [check for (check,) in connection.execute(_LAKE_KEYS).fetchall()]
