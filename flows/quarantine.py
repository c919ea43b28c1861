"""Sessions in quarantine: list them, request a replay, or drop them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass, fields
from datetime import date
from typing import Any

import duckdb
import polars as pl

from flows.plain_text import printable
from flows.sources.names import same_name
from flows.warehouse_access import WarehouseAccess, require_existing
from pmfer.errors import ConfigurationError, QuarantineReason
from warehouse import quarantine
from warehouse.connection import open_reader
from warehouse.records import QuarantineRecord

Change = Callable[[duckdb.DuckDBPyConnection, Sequence[QuarantineRecord]], int]


@dataclass(frozen=True)
class Choice:
    """Which rows of quarantine a command applies to."""

    names: tuple[str, ...] = ()  # ids, beginnings of ids, or paths; empty: all
    since: date | None = None
    until: date | None = None
    reason: QuarantineReason | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was chosen. A listing then shows all rows, and a change is refused."""
        return not (self.names or self.since or self.until or self.reason)


def look(access: WarehouseAccess, choice: Choice) -> list[dict[str, Any]]:
    """The chosen rows of quarantine, as last published.

    Raises:
        ConfigurationError: a name matches no row, or several.
        WarehouseError: nothing was published yet.
    """
    with open_reader(access.warehouse) as connection:
        access.record_reading("quarantine")
        rows = quarantine.between(connection, since=choice.since, until=choice.until, reason=choice.reason)
    return _named(rows, choice.names).to_dicts()


def ask_again(access: WarehouseAccess, choice: Choice) -> list[QuarantineRecord]:
    """Request a replay of the chosen sessions; return their rows.

    Raises:
        ConfigurationError: nothing was chosen, a name matches no row or several, or there is no warehouse.
        WarehouseError: the warehouse is being written, or the database failed.
    """
    return _change(access, choice, quarantine.ask_replay)


def forget(access: WarehouseAccess, choice: Choice) -> list[QuarantineRecord]:
    """Remove the chosen rows from quarantine, with an entry in the audit log; return them.

    Raises:
        ConfigurationError, WarehouseError: as for ask_again.
    """
    return _change(access, choice, quarantine.drop_quarantine)


def chosen(access: WarehouseAccess, choice: Choice) -> list[QuarantineRecord]:
    """The chosen rows, as the writer sees them.

    Raises:
        ConfigurationError, WarehouseError: as for ask_again.
    """
    with _choosing(access, choice) as (_, rows):
        return rows


def _change(access: WarehouseAccess, choice: Choice, change: Change) -> list[QuarantineRecord]:
    with _choosing(access, choice) as (connection, rows):
        change(connection, rows)
    return rows


@contextmanager
def _choosing(
    access: WarehouseAccess, choice: Choice
) -> Iterator[tuple[duckdb.DuckDBPyConnection, list[QuarantineRecord]]]:
    """The writer's connection and the chosen rows."""
    if choice.is_empty:
        raise ConfigurationError("quarantine: name what is meant, by identifier, path, --reason, --from or --to")
    require_existing(access.warehouse)
    with access.writing() as writer:
        rows = quarantine.between(writer.connection, since=choice.since, until=choice.until, reason=choice.reason)
        yield writer.connection, [record_of(row) for row in _named(rows, choice.names).to_dicts()]


def record_of(row: Mapping[str, Any]) -> QuarantineRecord:
    """The record that a row of quarantine was written from."""
    stated = {field.name: row[field.name] for field in fields(QuarantineRecord)}
    return QuarantineRecord(**stated | {"reason": QuarantineReason(row["reason"])})


def _named(rows: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The rows that match the names, or all rows if no name is given."""
    wanted = set()
    for name in names:
        is_path = pl.col("source_uri").is_in([name, same_name(name)])
        matches = rows.filter(is_path | pl.col("quarantine_id").str.starts_with(name))
        if matches.height != 1:
            fault = f"matches {matches.height} rows; write more of it" if matches.height else "is not in quarantine"
            raise ConfigurationError(f"quarantine: '{printable(name)}' {fault}; `pmfer quarantine list` shows all")
        wanted.add(matches["quarantine_id"].item())
    return rows.filter(pl.col("quarantine_id").is_in(sorted(wanted))) if wanted else rows
