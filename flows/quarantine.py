"""Sessions in quarantine: find them, ask for another try, forget them."""

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import dataclass
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
    """Which rows a command is about."""

    names: tuple[str, ...] = ()  # identifiers, their beginnings, or paths; none: all
    since: date | None = None
    until: date | None = None
    reason: QuarantineReason | None = None

    @property
    def is_empty(self) -> bool:
        """Whether nothing was chosen, which for a look means all and for a change nothing."""
        return not (self.names or self.since or self.until or self.reason)


def look(access: WarehouseAccess, choice: Choice) -> list[dict[str, Any]]:
    """The rows of quarantine that were chosen, as last published.

    Raises:
        ConfigurationError: a name fits no row, or several.
        WarehouseError: nothing was published yet.
    """
    with open_reader(access.warehouse) as connection:
        access.record_reading("quarantine")
        rows = quarantine.between(connection, since=choice.since, until=choice.until, reason=choice.reason)
    return _named(rows, choice.names).to_dicts()


def ask_again(access: WarehouseAccess, choice: Choice) -> list[QuarantineRecord]:
    """Ask for another try of what was chosen; the rows that are asked for.

    Raises:
        ConfigurationError: nothing was chosen, a name fits no row or several, or there is no warehouse.
        WarehouseError: the warehouse is being written, or refused.
    """
    return _change(access, choice, quarantine.ask_replay)


def forget(access: WarehouseAccess, choice: Choice) -> list[QuarantineRecord]:
    """Remove what was chosen from quarantine, with an entry in the audit log; the rows that went.

    Raises:
        ConfigurationError, WarehouseError: as for ask_again.
    """
    return _change(access, choice, quarantine.drop_quarantine)


def chosen(access: WarehouseAccess, choice: Choice) -> list[QuarantineRecord]:
    """The rows that were chosen, read from what the writer sees.

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
    """The writer, and the rows that it sees of what was chosen."""
    if choice.is_empty:
        raise ConfigurationError("quarantine: name what is meant, by identifier, path, --reason, --from or --to")
    require_existing(access.warehouse)
    with access.writing() as writer:
        rows = quarantine.between(writer.connection, since=choice.since, until=choice.until, reason=choice.reason)
        yield writer.connection, [record_of(row) for row in _named(rows, choice.names).to_dicts()]


def record_of(row: Mapping[str, Any]) -> QuarantineRecord:
    """The record that a row of quarantine was made from."""
    return QuarantineRecord(
        night=row["night"],
        source_uri=row["source_uri"],
        content_sha256=row["content_sha256"],
        session_id=row["session_id"],
        patient_id=row["patient_id"],
        reason=QuarantineReason(row["reason"]),
        message=row["message"],
        run_id=row["run_id"],
    )


def _named(rows: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The rows that names stand for, or all if there is no name."""
    wanted = set()
    for name in names:
        is_path = pl.col("source_uri").is_in([name, same_name(name)])
        fits = rows.filter(is_path | pl.col("quarantine_id").str.starts_with(name))
        if fits.height != 1:
            found = f"stands for {fits.height} rows; write more of it" if fits.height else "is not in quarantine"
            raise ConfigurationError(f"quarantine: '{printable(name)}' {found}; `pmfer quarantine list` shows all")
        wanted.add(fits["quarantine_id"].item())
    return rows.filter(pl.col("quarantine_id").is_in(sorted(wanted))) if wanted else rows
