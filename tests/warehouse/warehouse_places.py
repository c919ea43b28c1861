"""Addresses of the tests' warehouses, and the text that a user would write for them."""

from pathlib import Path

import pytest

from warehouse.address import Address, FileAddress, parse_address

# What holds of a warehouse in a file holds of a lake, which takes several times as long: `make test` asks it of files,
# and of lakes in PostgreSQL where ON_EACH is said or a test is about lakes; `make test-slow` asks all of all.
SQLITE = pytest.param("sqlite", marks=pytest.mark.slow)
POSTGRES = pytest.param("postgres", marks=pytest.mark.slow)
ON_EACH = pytest.mark.parametrize("address", ["file", SQLITE, "postgres"], indirect=True)


def lake_in(folder: Path, text: str) -> Address:
    """An address as a user would write it, with everything that it leaves open below a folder."""
    return parse_address(text, published=folder / "published" / "warehouse.duckdb", lake=folder / "lake")


def as_text(address: Address) -> str:
    """An address with its password, as a user would write it."""
    if isinstance(address, FileAddress):
        return f"file:{address.path}"
    password = (address.password or "").replace("'", r"\'")
    return str(address) + (f" password='{password}'" if password else "")
