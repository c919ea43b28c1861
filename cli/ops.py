"""The operator's commands: doctor, status, backup, restore, deploy, server, worker."""

import json
from datetime import UTC, datetime
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cli.options import AsJson, DataDir, Source, access_to, source_given, where_to_look
from flows.data_folder import DataFolder
from flows.environment import prefect_server, prepare_prefect
from flows.plain_text import PlainConsole, escaped
from flows.settings import read_settings

app = typer.Typer()

TABLE_WIDTH = 100  # columns of text that the table of nights needs
LOOPBACK = "127.0.0.1"
PORT = 4200
COLOURS = {"ok": "green", "warning": "yellow", "broken": "bold red"}


@app.command()
def doctor(
    data_dir: DataDir = None,
    source: Source = None,
    notify: Annotated[bool, typer.Option("--notify", help="Also send a test notice.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check what a night needs and say what to do; exit status 1 if something is broken."""
    from inference.hardware import require_runtime

    require_runtime()  # without it the checks themselves cannot be imported
    from flows.doctor import Grade, as_rows, diagnose

    console = PlainConsole(soft_wrap=True)
    found = []
    for diagnosis in diagnose({"data_dir": data_dir, "source": source}, notify=notify):
        found.append(diagnosis)
        if not as_json:
            state = diagnosis.state.value
            line = (f"{state:<8}", COLOURS[state]), f" {diagnosis.name:<12} {escaped(diagnosis.text)}"
            console.print(Text.assemble(*line))
    if as_json:
        typer.echo(json.dumps(as_rows(found), indent=1))
    if any(diagnosis.state is Grade.BROKEN for diagnosis in found):
        raise typer.Exit(1)


@app.command()
def status(
    nights: Annotated[int, typer.Option(min=1, help="How many nights.")] = 14,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the last nights as readers see them, which of them are not finished, and how the last run ended."""
    from flows.monitoring import metrics_path, read_metrics
    from flows.unfinished import nights_as_they_stand, unfinished_nights
    from flows.warehouse_access import warehouse_address

    settings = read_settings(data_dir=where_to_look(data_dir))
    unfinished = unfinished_nights(DataFolder(settings.data_dir.absolute()))
    rows = nights_as_they_stand(warehouse_address(settings), unfinished, nights)
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
        console.print(Text.assemble("last finished run: ", how, f" at {ended}"))


@app.command()
def backup(
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Folder to write: new or empty, outside the data folder. [a new one below PMFER_BACKUP_TO]"
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Copy the warehouse, logs, receipts and reports into a folder, with their hashes.

    Below PMFER_BACKUP_TO, backups older than PMFER_RETAIN_BACKUPS_DAYS are deleted afterwards.
    """
    from flows.backup import back_up, make_backup
    from flows.warehouse_access import access_of

    settings = read_settings(data_dir=data_dir)
    access = access_of(settings)
    if out is None:
        back_up(access, settings, typer.echo)
        return
    made = make_backup(access, out.absolute())
    typer.echo(f"{out}: {len(made.files)} files")


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `pmfer backup` wrote.")], data_dir: DataDir = None
) -> None:
    """Check a backup and put it back into a data folder that holds no warehouse."""
    from flows.backup import restore_backup

    restored = restore_backup(access_to(data_dir), folder.absolute(), typer.echo)
    made = f"{restored.made_at.astimezone():%Y-%m-%d %H:%M}"
    typer.echo(f"restored {len(restored.files)} files as of {made}")
    typer.echo("now repeat what was erased or withdrawn since then, and run the nights since then (docs/runbook.md)")


@app.command()
def deploy(
    source: Source = None,
    data_dir: DataDir = None,
    gpus: Annotated[
        int | None, typer.Option(min=1, help="Shards that may run at the same time. [unchanged; at first 1]")
    ] = None,
) -> None:
    """Make work pools, queues, limits and deployments on the Prefect server; repeat it after every update."""
    from flows.prefect_server import login_to_server, require_server

    source = source_given(source)
    settings = read_settings(data_dir=data_dir)
    login = login_to_server(settings)
    require_server(prefect_server(), login)
    prepare_prefect(settings, login)
    from flows.deploy import deploy as make_deployments

    make_deployments(source, settings.data_dir.absolute(), gpus, typer.echo)


@app.command()
def server(
    host: Annotated[str, typer.Option(help="Address to listen on; use another one only behind TLS.")] = LOOPBACK,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port.")] = PORT,
    data_dir: DataDir = None,
) -> None:
    """Run Prefect's server; clients need the secret in DATA_DIR/server/secret, which the first start makes."""
    from flows.prefect_server import become_server

    become_server(DataFolder(read_settings(data_dir=data_dir).data_dir.absolute()), host, port)


@app.command()
def worker(
    pool: Annotated[str, typer.Argument(help="Work pool: pmfer, or pmfer-gpu for shards.")],
    limit: Annotated[int, typer.Option(min=1, help="Runs at the same time.")] = 1,
    name: Annotated[str | None, typer.Option(help="Name of the worker. [after the machine]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Run what is in a work pool of the Prefect server; a server that asks for no secret is refused."""
    from flows.prefect_server import become_worker

    become_worker(read_settings(data_dir=data_dir), pool, limit, name)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("night", "run"):
        table.add_column(heading)
    for heading in ("found", "scored", "quarantined", "frames", "no scores", "video", "reports", "took"):
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
