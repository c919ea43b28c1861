"""Who was erased, by marks that name nobody: nothing of them is stored again until a new consent is recorded.

A mark is a salted hash. It cannot be turned into a pseudonym, but whoever has one can ask whether it is that of
somebody erased: otherwise nobody could be kept out.
"""

from collections.abc import Iterable
from typing import Literal

import duckdb

from warehouse.encryption import is_key_of, key_check

Kind = Literal["patient", "consent"]


# Leave a mark of somebody erased, or of a consent.
_INSERT_TOMBSTONE = "INSERT INTO tombstones (mark, kind, erased_at) VALUES ($mark, $kind, now())"


def bury(connection: duckdb.DuckDBPyConnection, kind: Kind, names: Iterable[str]) -> None:
    """Leave marks, within the caller's transaction; a name that has one is given no other."""
    names = list(names)
    buried = buried_among(connection, kind, names)
    for name in names:
        if name not in buried:
            connection.execute(_INSERT_TOMBSTONE, {"mark": key_check(name), "kind": kind})


def buried_among(connection: duckdb.DuckDBPyConnection, kind: Kind, names: Iterable[str]) -> set[str]:
    """Which of these names have a mark."""
    marks = _marks(connection, kind)
    return {name for name in set(names) if any(is_key_of(mark, name) for mark in marks)} if marks else set()


# Take marks away.
_DELETE_TOMBSTONES = "DELETE FROM tombstones WHERE list_contains(CAST($marks AS VARCHAR[]), mark)"


def lift(connection: duckdb.DuckDBPyConnection, kind: Kind, name: str) -> None:
    """Take the mark of a name away, within the caller's transaction."""
    marks = [mark for mark in _marks(connection, kind) if is_key_of(mark, name)]
    connection.execute(_DELETE_TOMBSTONES, {"marks": marks})


# The marks of those who were erased, or of their consents.
_TOMBSTONES = "SELECT mark FROM tombstones WHERE kind = $kind"


def _marks(connection: duckdb.DuckDBPyConnection, kind: Kind) -> list[str]:
    return [mark for (mark,) in connection.execute(_TOMBSTONES, {"kind": kind}).fetchall()]
