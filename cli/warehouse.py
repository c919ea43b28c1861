"""`pmfer sql` and `pmfer warehouse`: query, export, check and maintain the warehouse."""

import sys
from datetime import date
from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, OptionalFirst, OptionalLast, access_to, optional_day, where_to_look
from flows.plain_text import PlainConsole
from flows.settings import read_settings
from pmfer.errors import ConfigurationError

app = typer.Typer()
warehouse_app = typer.Typer(help="Export, check and maintain the warehouse.", no_args_is_help=True)


@app.command()
def sql(
    query: Annotated[
        str | None,
        typer.Argument(help="One SQL query, or - to read it from standard input. [default: open a prompt]"),
    ] = None,
    file: Annotated[Path | None, typer.Option(help="Read the query from this file.")] = None,
    parameters: Annotated[
        list[str] | None,
        typer.Option("--param", help="NAME=VALUE: the value of $NAME in the query; may be repeated."),
    ] = None,
    format_: Annotated[
        str | None,
        typer.Option(
            "--format",
            help="table, csv, json (one object per line) or parquet. [default: by the suffix of --out, else table]",
        ),
    ] = None,
    out: Annotated[Path | None, typer.Option(help="File to write. [default: standard output]")] = None,
    limit: Annotated[int, typer.Option(min=0, help="Maximum number of rows in a table; 0 for all.")] = 50,
    time_zone: Annotated[
        str, typer.Option(help="Time zone of timestamps and of the hours taken from them, such as Europe/Berlin.")
    ] = "UTC",
    data_dir: DataDir = None,
) -> None:
    """Query the warehouse, read-only; without a query, open a prompt. See docs/analysts.md."""
    from cli.sql import make_request, run_prompt, run_sql

    if query is None and file is None and sys.stdin.isatty():
        if out or format_ or parameters:
            raise ConfigurationError(
                "--out, --format and --param need a query; give one, or leave them out to open a prompt"
            )
        run_prompt(access_to(where_to_look(data_dir)), limit, time_zone, PlainConsole())
        return
    request = make_request(query, file, parameters or [], format_, out, limit, time_zone)
    run_sql(access_to(where_to_look(data_dir)), request, PlainConsole())


@warehouse_app.command()
def dictionary(out: Annotated[Path, typer.Argument(help="Markdown file to write.")]) -> None:
    """Write the data dictionary from the comments in the database."""
    from warehouse.dictionary import render_dictionary

    try:
        out.write_text(render_dictionary(), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be written ({error.strerror}); choose another file") from None


@warehouse_app.command()
def export(
    out: Annotated[Path | None, typer.Option(help="Folder to write. [default: DATA_DIR/exports/warehouse]")] = None,
    first: OptionalFirst = None,
    last: OptionalLast = None,
    data_dir: DataDir = None,
) -> None:
    """Export the warehouse as one Parquet file per table and day; see docs/analysts.md."""
    from flows.export import export_warehouse

    for line in export_warehouse(access_to(where_to_look(data_dir)), out, optional_day(first), optional_day(last)):
        typer.echo(line)


@warehouse_app.command()
def retain(
    dry_run: Annotated[bool, typer.Option("--dry-run", help="Only show what would be deleted.")] = False,
    data_dir: DataDir = None,
) -> None:
    """Delete data past its retention period (PMFER_RETAIN_..._DAYS), as every night does."""
    from flows.privacy.retention import retain_now, retention_of
    from flows.warehouse_access import access_of

    settings = read_settings(data_dir=data_dir)
    retention = retention_of(settings)
    if dry_run and not retention.is_set:
        typer.echo("nothing to delete: no retention period is set (PMFER_RETAIN_..._DAYS, see docs/privacy.md)")
        return
    counts = retain_now(access_of(settings), retention, date.today(), dry_run)
    for name, count in counts.items():
        typer.echo(f"{count:>10,}  {name}")
    if not counts:
        typer.echo("nothing is past its retention period")


@warehouse_app.command()
def verify(data_dir: DataDir = None) -> None:
    """Check that no entry of the audit log or the read log has been altered, removed, inserted or moved."""
    from flows.verify import verify_logs

    for line in verify_logs(access_to(where_to_look(data_dir))):
        typer.echo(line)


@warehouse_app.command()
def check(data_dir: DataDir = None) -> None:
    """Check that the stored rows keep the data contracts. A night checks this too, but only for its own frames."""
    from flows.verify import check_contracts

    check_contracts(access_to(where_to_look(data_dir)).warehouse, typer.echo)
