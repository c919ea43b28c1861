"""Reads the named .sql files of this room: `migrations/`, `statements/` (they write) and `queries/` (they read)."""

from pathlib import Path

ROOM = Path(__file__).parent


def statement(name: str) -> str:
    """Text of `statements/NAME.sql`."""
    return (ROOM / "statements" / f"{name}.sql").read_text(encoding="utf-8")


def query(name: str) -> str:
    """Text of `queries/NAME.sql`."""
    return (ROOM / "queries" / f"{name}.sql").read_text(encoding="utf-8")
