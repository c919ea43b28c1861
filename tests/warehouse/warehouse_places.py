"""Addresses of the tests' warehouses, and the text that a user would write for them."""

from pathlib import Path

import pytest

from warehouse.address import Address, FileAddress, parse_address

# What is true of a warehouse in a file is true of a lake, where tests take several times as long. `make test` uses
# files, and lakes in PostgreSQL for tests with ON_EACH or about lakes; `make test-slow` runs every test at every
# address.
SQLITE = pytest.param("sqlite", marks=pytest.mark.slow)
POSTGRES = pytest.param("postgres", marks=pytest.mark.slow)
ON_EACH = pytest.mark.parametrize("address", ["file", SQLITE, "postgres"], indirect=True)


def lake_in(folder: Path, text: str) -> Address:
    """An address parsed from what a user would write; everything that it does not name is below a folder."""
    return parse_address(text, published=folder / "published" / "warehouse.duckdb", lake=folder / "lake")


def as_text(address: Address) -> str:
    """An address with its password, as a user would write it."""
    if isinstance(address, FileAddress):
        return f"file:{address.path}"
    password = (address.password or "").replace("'", r"\'")
    return str(address) + (f" password='{password}'" if password else "")
