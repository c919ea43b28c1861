"""The operator's commands: doctor, status, backup, restore, deploy, server, worker."""

import json
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.table import Table
from rich.text import Text

from cli.options import AsJson, DataDir, Source, access_to, json_value, source_given, where_to_look
from flows.environment import prefect_server, prepare_prefect
from flows.plain_text import PlainConsole, escaped
from flows.settings import read_settings

app = typer.Typer()

LOOPBACK = "127.0.0.1"
PORT = 4200
COLOURS = {"ok": "green", "warning": "yellow", "broken": "bold red"}


@app.command()
def doctor(
    data_dir: DataDir = None,
    source: Source = None,
    notify: Annotated[bool, typer.Option("--notify", help="Also send a test notification.")] = False,
    as_json: AsJson = False,
) -> None:
    """Check everything that a night needs and say how to fix what is wrong. Exit status 1 if something is broken."""
    from inference.hardware import require_runtime

    require_runtime()  # the checks themselves cannot be imported without it
    from flows.doctor import Grade, diagnose

    console = PlainConsole()
    found = []
    for diagnosis in diagnose({"data_dir": data_dir, "source": source}, notify=notify):
        found.append(diagnosis)
        if not as_json:
            state = diagnosis.state.value
            line = (f"{state:<8}", COLOURS[state]), f" {diagnosis.name:<12} {escaped(diagnosis.text)}"
            console.print(Text.assemble(*line))
    if as_json:
        rows = [{"check": part.name, "state": part.state, "text": part.text} for part in found]
        typer.echo(json.dumps(rows, indent=1))
    if any(diagnosis.state is Grade.BROKEN for diagnosis in found):
        raise typer.Exit(1)


@app.command()
def status(
    nights: Annotated[int, typer.Option(min=1, help="How many nights to show.")] = 14,
    data_dir: DataDir = None,
    as_json: AsJson = False,
) -> None:
    """Show the last published nights, which nights are unfinished, and how the last run ended."""
    from flows.metrics import metrics_path, read_metrics
    from flows.unfinished import nights_as_they_stand, unfinished_nights
    from flows.warehouse_access import warehouse_address

    settings = read_settings(data_dir=where_to_look(data_dir))
    unfinished = unfinished_nights(settings.data)
    rows = nights_as_they_stand(warehouse_address(settings), unfinished, nights)
    last = read_metrics(metrics_path(settings))
    if as_json:
        run = None if last is None else {"succeeded": last.succeeded, "ended_at": last.ended_at.isoformat()}
        shown = {"last_run": run, "unfinished": [vars(left) for left in unfinished], "nights": rows}
        typer.echo(json.dumps(shown, indent=1, default=json_value))
        return
    console = PlainConsole()
    console.print(_table(rows) if rows else f"{settings.data_dir}: no night has been published yet")
    for left in unfinished:
        console.print(left.sentence)
    if last is not None:
        ended = f"{last.ended_at.astimezone():%Y-%m-%d %H:%M}"
        how = ("succeeded", "") if last.succeeded else ("failed", "bold red")
        console.print(Text.assemble("last finished run: ", how, f" at {ended}"))


@app.command()
def backup(
    out: Annotated[
        Path | None,
        typer.Argument(
            help="Folder to write: new or empty, outside the data folder. [default: a new one in PMFER_BACKUP_TO]"
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Copy the warehouse, logs, receipts and reports to a folder, with their hashes.

    Without a folder, backups in PMFER_BACKUP_TO that are older than PMFER_RETAIN_BACKUPS_DAYS are deleted afterwards.
    """
    from flows.backup import back_up

    back_up(read_settings(data_dir=data_dir), out.absolute() if out else None, typer.echo)


@app.command()
def restore(
    folder: Annotated[Path, typer.Argument(help="Folder that `pmfer backup` wrote.")], data_dir: DataDir = None
) -> None:
    """Check a backup and restore it into a data folder that has no warehouse yet."""
    from flows.backup import restore_backup

    restored = restore_backup(access_to(data_dir), folder.absolute(), typer.echo)
    typer.echo(f"restored {len(restored.files)} files as of {restored.made_at.astimezone():%Y-%m-%d %H:%M}")
    typer.echo(
        "now repeat all erasures and withdrawals made since then, and rerun the nights since then (docs/runbook.md)"
    )


@app.command()
def deploy(
    source: Source = None,
    data_dir: DataDir = None,
    gpus: Annotated[
        int | None,
        typer.Option(min=1, help="Shards that may run at the same time. [default: unchanged; 1 at the first deploy]"),
    ] = None,
) -> None:
    """Create or update work pools, queues, limits and deployments on the Prefect server. Run it after every update."""
    from flows.prefect_server import login_to_server, require_server

    source = source_given(source)
    settings = read_settings(data_dir=data_dir)
    login = login_to_server(settings)
    require_server(prefect_server(), login)
    prepare_prefect(settings, login)
    from flows.deploy import deploy as make_deployments

    make_deployments(source, settings.data.root, gpus, typer.echo)


@app.command()
def server(
    host: Annotated[
        str, typer.Option(help="Address to listen on; use any but the default only behind TLS.")
    ] = LOOPBACK,
    port: Annotated[int, typer.Option(min=1, max=65535, help="Port to listen on.")] = PORT,
    data_dir: DataDir = None,
) -> None:
    """Run the Prefect server. Clients need the secret in DATA_DIR/server/secret, which the first start creates."""
    from flows.prefect_server import become_server

    become_server(read_settings(data_dir=data_dir).data, host, port)


@app.command()
def worker(
    pool: Annotated[str, typer.Argument(help="Work pool: pmfer, or pmfer-gpu for shards.")],
    limit: Annotated[int, typer.Option(min=1, help="Maximum number of runs at the same time.")] = 1,
    name: Annotated[
        str | None, typer.Option(help="Name of the worker. [default: derived from the machine's name]")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Start a worker for a work pool of the Prefect server; it refuses a server that needs no secret."""
    from flows.prefect_server import become_worker

    become_worker(read_settings(data_dir=data_dir), pool, limit, name)


def _table(rows: list[dict[str, Any]]) -> Table:
    table = Table(box=None, header_style="bold")
    for heading in ("night", "run"):
        table.add_column(heading, no_wrap=True)
    for heading in ("found", "scored", "quarantined", "frames", "no scores", "video", "reports", "took"):
        table.add_column(heading, justify="right", no_wrap=True)
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
