"""The operator's commands: doctor, status, backup, restore. What is heavy to import is imported inside them."""

import json
from contextlib import closing
from datetime import UTC, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from flows.console import PlainConsole
from flows.data_folder import DataFolder
from flows.settings import Settings, read_settings
from flows.sources.printable import escaped

if TYPE_CHECKING:
    from flows.unfinished import UnfinishedNight
    from warehouse.address import Address

ops_app = typer.Typer()

DataDir = Annotated[Path | None, typer.Option(help="Folder below which all state lies. [PMFER_DATA_DIR, var/pmfer]")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

TABLE_WIDTH = 100  # columns of text that the table of nights needs
COLOURS = {"ok": "green", "warning": "yellow", "broken": "bold red"}


@ops_app.command()
def doctor(
    data_dir: DataDir = None,
    source: Annotated[str | None, typer.Option(help="Where recordings are found. [PMFER_SOURCE]")] = None,
    notify: Annotated[bool, typer.Option("--notify", help="Also send a test notice.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check what a night needs and say what to do; exit status 1 if something is broken."""
    from inference.runtime import require_runtime

    require_runtime()  # without it the checks themselves cannot be imported
    from flows.doctor import State, as_rows, examine

    console = PlainConsole(soft_wrap=True)
    found = []
    for diagnosis in examine({"data_dir": data_dir, "source": source}, notify=notify):
        found.append(diagnosis)
        if not as_json:
            state = diagnosis.state.value
            line = (f"{state:<8}", COLOURS[state]), f" {diagnosis.name:<12} {escaped(diagnosis.text)}"
            console.print(Text.assemble(*line))
    if as_json:
        typer.echo(json.dumps(as_rows(found), indent=1))
    if any(diagnosis.state is State.BROKEN for diagnosis in found):
        raise typer.Exit(1)


@ops_app.command()
def status(
    nights: Annotated[int, typer.Option(min=1, help="How many nights.")] = 14,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the last nights as readers of the warehouse see them, which are not finished, and how the last run ended."""
    from flows.metrics import read_metrics
    from flows.unfinished import unfinished_nights
    from flows.watch import metrics_path

    settings = read_settings(data_dir=data_dir)
    unfinished = unfinished_nights(DataFolder(settings.data_dir.absolute()))
    rows = [_as_it_stands(row, unfinished) for row in _nights(settings, nights)]
    last = read_metrics(metrics_path(settings))
    if as_json:
        run = None if last is None else {"succeeded": last.succeeded, "ended_at": last.ended_at.isoformat()}
        shown = {"last_run": run, "unfinished": [vars(left) for left in unfinished], "nights": rows}
        typer.echo(json.dumps(shown, indent=1, default=_plain))
        return
    console = PlainConsole(width=max(PlainConsole().width, TABLE_WIDTH))
    console.print(_table(rows))
    for left in unfinished:
        console.print(left.sentence)
    if last is not None:
        ended = f"{last.ended_at.astimezone():%Y-%m-%d %H:%M}"
        how = ("ended well", "") if last.succeeded else ("failed", "bold red")
        console.print(Text.assemble("last run that ended: ", how, f" at {ended}"))


@ops_app.command()
def backup(
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Folder to write; new or empty, outside of the data folder. Left out: one below PMFER_BACKUP_TO."
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Copy the warehouse, logs, receipts and reports into a folder, with their hashes.

    Below PMFER_BACKUP_TO, backups older than PMFER_RETAIN_BACKUPS_DAYS go afterwards.
    """
    from flows.backup_command import back_up, make_backup

    if out is None:
        back_up(*_places(data_dir), read_settings(data_dir=data_dir), typer.echo)
        return
    made = make_backup(*_places(data_dir), out.absolute())
    typer.echo(f"{out}: {len(made.files)} files")


@ops_app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `pmfer backup` wrote.")], data_dir: DataDir = None
) -> None:
    """Check a backup and put it back into a data folder that holds no warehouse."""
    from flows.backup_command import restore_backup

    restored = restore_backup(*_places(data_dir), folder.absolute(), typer.echo)
    made = f"{restored.made_at.astimezone():%Y-%m-%d %H:%M}"
    typer.echo(f"restored {len(restored.files)} files as of {made}")
    typer.echo("now repeat what was erased or withdrawn since then, and run the nights since then (docs/runbook.md)")


def _places(data_dir: Path | None) -> "tuple[DataFolder, Address]":
    from flows.warehouse_address import warehouse_address

    settings = read_settings(data_dir=data_dir)
    return DataFolder(settings.data_dir.absolute()), warehouse_address(settings)


def _nights(settings: Settings, limit: int) -> list[dict[str, Any]]:
    from flows.warehouse_address import warehouse_address
    from warehouse import queries
    from warehouse.connection import open_reader

    with closing(open_reader(warehouse_address(settings))) as reader:
        return list(queries.nights(reader, limit).iter_rows(named=True))


def _as_it_stands(row: dict[str, Any], unfinished: "list[UnfinishedNight]") -> dict[str, Any]:
    """A row of a night; its status may be that of an earlier run: one that failed or was killed publishes none."""
    from flows.unfinished import Standing

    standing = {left.night: left.standing.value for left in unfinished if left.standing is not Standing.WAITING}
    status = standing.get(row["night"], row["status"])
    return row | {"status": "interrupted" if status == "running" and row["night"] not in standing else status}


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("night", "run"):
        table.add_column(heading)
    for heading in ("found", "scored", "set aside", "frames", "no scores", "video", "reports", "took"):
        table.add_column(heading, justify="right")
    for row in rows:
        share = row["abstention_share"]
        table.add_row(
            row["night"].isoformat(),
            row["status"],
            str(row["sessions_found"] if row["sessions_found"] is not None else "-"),
            *(f"{row[name]:,}" for name in ("sessions_stored", "sessions_set_aside", "frames_sampled")),
            "-" if share is None else f"{share:.0%}",
            "-" if row["video_s"] is None else f"{row['video_s'] / 60:,.1f} min",
            f"{row['reports']:,}",
            "-" if row["run_s"] is None else f"{row['run_s']:,.0f} s",
        )
    return table


def _plain(value: object) -> object:
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)
