"""Reads the named .sql files of this room.

`migrations/`, `statements/` (they write), `queries/` (they read) and `contracts/` (they must find nothing).
"""

from pathlib import Path

ROOM = Path(__file__).parent


def statement(name: str) -> str:
    """Text of `statements/NAME.sql`."""
    return (ROOM / "statements" / f"{name}.sql").read_text(encoding="utf-8")


def query(name: str) -> str:
    """Text of `queries/NAME.sql`."""
    return (ROOM / "queries" / f"{name}.sql").read_text(encoding="utf-8")


def contracts() -> dict[str, str]:
    """Text of every `contracts/NAME.sql` by NAME, in the order of the names."""
    return {path.stem: path.read_text(encoding="utf-8") for path in sorted((ROOM / "contracts").glob("*.sql"))}
