"""Reads the .sql files of this room: migrations, contracts and the few queries that are too long to stand in Python."""

from pathlib import Path

ROOM = Path(__file__).parent


def query(name: str) -> str:
    """Text of `queries/NAME.sql`."""
    return (ROOM / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def bookkeeping() -> str:
    """What the migrations themselves need: the tables in which they are recorded."""
    return (ROOM / "migrations" / "bookkeeping.sql").read_text(encoding="utf-8")


def contracts() -> dict[str, str]:
    """Text of every `contracts/NAME.sql` by NAME, in the order of the names."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOM / "contracts").glob("*.sql"))}
