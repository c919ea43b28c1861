"""Copies of a warehouse that nobody has open: making one anew takes seconds at some addresses, copying it does not."""

import shutil
import sqlite3
from contextlib import closing
from pathlib import Path

from warehouse.address import Address, FileAddress, LakeAddress


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
    """SQL that tells a copied catalogue where its files are now: a lake knows, and the copy's are elsewhere."""
    return f"UPDATE ducklake_metadata SET value = '{address.data}/' WHERE key = 'data_path'"


def move_lake(address: LakeAddress) -> None:
    """Tell the copied SQLite catalogue of a lake where its copied files are."""
    with closing(sqlite3.connect(address.connection)) as catalogue, catalogue:
        catalogue.execute(moved_data(address))
