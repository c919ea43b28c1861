"""`pmfer quarantine`: look at what was set aside, ask to try it again, or forget it."""

import json
from collections.abc import Iterable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

import polars as pl
import typer
from rich.console import Console
from rich.markup import escape
from rich.table import Table

from flows.data_folder import DataFolder
from flows.settings import read_settings
from flows.sources.printable import printable
from flows.warehouse_address import warehouse_address
from flows.writing import record_reading, require_existing, writing
from pmfer.errors import ConfigurationError, QuarantineReason
from warehouse import queries, store
from warehouse.address import Address
from warehouse.connection import open_reader
from warehouse.publish import publish
from warehouse.records import QuarantineRecord

SHORT_ID = 12  # characters of an identifier in the table; any beginning that is unique will do in a command
COLUMNS = ("night", "source_uri", "reason", "patient_id", "first_seen_at", "message")

app = typer.Typer(help="Look after sessions that were set aside.", no_args_is_help=True)

DataDir = Annotated[Path | None, typer.Option(help="Folder below which all state lies. [PMFER_DATA_DIR, var/pmfer]")]
AsJson = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Names = Annotated[list[str] | None, typer.Argument(help="Identifiers, or their beginnings, or paths in the source.")]
Since = Annotated[str | None, typer.Option("--from", help="First night, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option("--to", help="Last night, YYYY-MM-DD.")]
Reason = Annotated[QuarantineReason | None, typer.Option(help="Only what was set aside for this reason.")]


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


@app.command("list")
def list_(
    since: Since = None, until: Until = None, reason: Reason = None, as_json: AsJson = False, data_dir: DataDir = None
) -> None:
    """Show what is set aside now."""
    rows = look(*_places(data_dir), Choice((), _day(since), _day(until), reason))
    if as_json:
        _print_json(rows)
    else:
        Console().print(table_of(rows) if rows else "nothing is set aside")


@app.command()
def show(names: Names, as_json: AsJson = False, data_dir: DataDir = None) -> None:
    """Show everything about sessions that were set aside."""
    rows = look(*_places(data_dir), Choice(tuple(names or ())))
    if as_json:
        _print_json(rows)
        return
    for row in rows:
        for name, value in row.items():
            typer.echo(f"{name:16} {'-' if value is None else printable(str(value))}")
        typer.echo("")


@app.command()
def replay(
    names: Names = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    data_dir: DataDir = None,
) -> None:
    """Try sessions again tonight, although the same bytes had trouble before."""
    data, warehouse = _places(data_dir)
    rows = ask_again(data, warehouse, Choice(tuple(names or ()), _day(since), _day(until), reason))
    typer.echo(f"{len(rows)} to be tried again by the next scheduled night, or now:")
    for night in sorted({row.night for row in rows}):
        typer.echo(f"  pmfer nightly --source SOURCE --date {night} --data-dir {data.root}")


@app.command()
def drop(
    names: Names = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    yes: Annotated[bool, typer.Option("--yes", help="Do not ask.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Forget sessions that were set aside; a file that still lies in the source comes back when its night is run."""
    data, warehouse = _places(data_dir)
    choice = Choice(tuple(names or ()), _day(since), _day(until), reason)
    count = len(_chosen(data, warehouse, choice))
    if not yes and not typer.confirm(f"forget {count} of what is set aside?"):
        raise typer.Abort
    typer.echo(f"{len(forget(data, warehouse, choice))} forgotten")


def look(data: DataFolder, warehouse: Address, choice: Choice) -> list[dict[str, Any]]:
    """The rows of quarantine that were chosen, as last published.

    Raises:
        ConfigurationError: a name fits no row, or several.
        WarehouseError: nothing was published yet.
    """
    with closing(open_reader(warehouse)) as connection:
        record_reading(data, "quarantine")
        rows = queries.quarantine_all(connection, since=choice.since, until=choice.until, reason=choice.reason)
    return _named(rows, choice.names).to_dicts()


def ask_again(data: DataFolder, warehouse: Address, choice: Choice) -> list[QuarantineRecord]:
    """Ask for another try of what was chosen; the rows that are asked for.

    Raises:
        ConfigurationError: nothing was chosen, a name fits no row or several, or there is no warehouse.
        WarehouseError: the warehouse is being written, or refused.
    """
    rows = _chosen(data, warehouse, choice)
    with writing(data, warehouse) as connection:
        store.ask_replay(connection, rows)
        publish(connection, warehouse)
    return rows


def forget(data: DataFolder, warehouse: Address, choice: Choice) -> list[QuarantineRecord]:
    """Remove what was chosen from quarantine, with an entry in the audit log; the rows that went.

    Raises:
        ConfigurationError, WarehouseError: as for ask_again.
    """
    rows = _chosen(data, warehouse, choice)
    with writing(data, warehouse) as connection:
        store.drop_quarantine(connection, rows)
        publish(connection, warehouse)
    return rows


def table_of(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows for the eye. Messages may hold names of files, which are no markup."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("id", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, no_wrap=name in ("night", "reason"), overflow="fold")
    for row in rows:
        cells = {**row, "first_seen_at": row["first_seen_at"].isoformat(timespec="seconds")}
        asked = " (again)" if row["replay_asked_at"] else ""
        shown = ("-" if cells[name] is None else escape(printable(str(cells[name]))) for name in COLUMNS)
        table.add_row(row["quarantine_id"][:SHORT_ID] + asked, *shown)
    return table


def _chosen(data: DataFolder, warehouse: Address, choice: Choice) -> list[QuarantineRecord]:
    if choice.is_empty:
        raise ConfigurationError("quarantine: name what is meant, by identifier, path, --reason, --from or --to")
    require_existing(warehouse)
    with writing(data, warehouse) as connection:
        rows = queries.quarantine_all(connection, since=choice.since, until=choice.until, reason=choice.reason)
    return [
        QuarantineRecord(
            night=row["night"],
            source_uri=row["source_uri"],
            content_sha256=row["content_sha256"],
            session_id=row["session_id"],
            patient_id=row["patient_id"],
            reason=QuarantineReason(row["reason"]),
            message=row["message"],
            run_id=row["run_id"],
        )
        for row in _named(rows, choice.names).to_dicts()
    ]


def _named(rows: pl.DataFrame, names: Iterable[str]) -> pl.DataFrame:
    """The rows that names stand for, or all if there is no name."""
    wanted = set()
    for name in names:
        fits = rows.filter((pl.col("source_uri") == name) | pl.col("quarantine_id").str.starts_with(name))
        if fits.height != 1:
            found = f"stands for {fits.height} rows; write more of it" if fits.height else "is not in quarantine"
            raise ConfigurationError(f"quarantine: '{printable(name)}' {found}; `pmfer quarantine list` shows all")
        wanted.add(fits["quarantine_id"].item())
    return rows.filter(pl.col("quarantine_id").is_in(sorted(wanted))) if wanted else rows


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, default=str, ensure_ascii=True))


def _places(data_dir: Path | None) -> tuple[DataFolder, Address]:
    settings = read_settings(data_dir=data_dir)
    return DataFolder(settings.data_dir.absolute()), warehouse_address(settings)


def _day(text: str | None) -> date | None:
    try:
        return None if text is None else date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"date '{printable(text or '')}': not a day; write it as YYYY-MM-DD") from None
