"""Addresses of the tests' warehouses, and the text that a user would write for them."""

from pathlib import Path

import pytest

from warehouse.address import Address, FileAddress, parse_address

# A lake with its catalogue in an SQLite file takes the way of one in PostgreSQL, but for its locks, and a minute per
# file of tests: `make test` has files and PostgreSQL, `make test-slow` this.
SQLITE = pytest.param("sqlite", marks=pytest.mark.slow)


def lake_in(folder: Path, text: str) -> Address:
    """An address as a user would write it, with everything that it leaves open below a folder."""
    return parse_address(text, published=folder / "published" / "warehouse.duckdb", lake=folder / "lake")


def as_text(address: Address) -> str:
    """An address with its password, as a user would write it."""
    if isinstance(address, FileAddress):
        return f"file:{address.path}"
    password = (address.password or "").replace("'", r"\'")
    return str(address) + (f" password='{password}'" if password else "")
