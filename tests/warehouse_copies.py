"""Copies of a warehouse that nobody has open. Creating one takes seconds at some addresses, copying it does not."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from warehouse.address import Address, FileAddress, LakeAddress
from warehouse.connection import open_writer
from warehouse.sql import identifier
from warehouse.transaction import transaction


def make_lake(address: LakeAddress) -> None:
    """Make an empty lake in which every table once had a row.

    A look at a table that never did takes 40 ms instead of 6, because DuckLake 1.5 then asks its catalogue twice for
    each column. That is the first minute of a lake's life, and most of what these tests would wait for.
    """
    with open_writer(address) as connection:
        empty = [name for (name,) in connection.execute(_EMPTY_TABLES).fetchall()]
        with transaction(connection):
            columns = connection.execute(_COLUMNS).fetchall()
            for name in empty:
                kinds = [kind for table, kind in columns if table == name]
                values = [f"coalesce({', '.join(f'TRY_CAST({v} AS {kind})' for v in _ANY)})" for kind in kinds]
                connection.execute(f"INSERT INTO {identifier(name)} SELECT {', '.join(values)}")
        with transaction(connection):
            for name in empty:
                connection.execute(f"DELETE FROM {identifier(name)}")


_EMPTY_TABLES = """
    SELECT table_name
    FROM duckdb_tables()
    WHERE database_name = current_database() AND estimated_size = 0
    ORDER BY table_name
"""
_COLUMNS = """
    SELECT table_name, data_type
    FROM duckdb_columns()
    WHERE database_name = current_database() AND schema_name = 'main'
    ORDER BY column_index
"""
_ANY = ("'0'", "'2000-01-01'", "'[]'")  # one of them is a valid value of any type


def copy_warehouse(template: Address, address: Address) -> None:
    """Copy a file, or a lake with its catalogue in an SQLite file, to an address at which there is nothing yet."""
    if isinstance(template, FileAddress) and isinstance(address, FileAddress):
        address.path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(template.path, address.path)
    elif isinstance(template, LakeAddress) and isinstance(address, LakeAddress):
        Path(address.connection).parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        shutil.copy(template.connection, address.connection)
        shutil.copytree(template.data, address.data)
        move_lake(address)
    else:
        raise TypeError(f"{template} and {address}: a warehouse is copied to an address of its own kind")


def moved_data(address: LakeAddress) -> str:
    """SQL that tells a copied catalogue where its files are now, because a lake stores their place."""
    return f"UPDATE ducklake_metadata SET value = '{address.data}/' WHERE key = 'data_path'"


def move_lake(address: LakeAddress) -> None:
    """Tell the copied SQLite catalogue of a lake where its copied files are."""
    with closing(sqlite3.connect(address.connection)) as catalogue, catalogue:
        catalogue.execute(moved_data(address))
