"""`pmfer quarantine`: look at quarantined sessions, ask to try them again, or forget them."""

import json
from collections.abc import Iterable, Sequence
from typing import Annotated, Any

import typer
from rich.table import Table

from cli.options import DataDir, Yes, access_to, optional_day
from flows.plain_text import printable, table_console
from pmfer.errors import QuarantineReason

SHORT_ID = 12  # characters of an identifier in the table; any beginning that is unique will do in a command
COLUMNS = ("source_uri", "reason", "message")  # what fits beside each other; `show` has the rest

app = typer.Typer(help="Show, retry or forget quarantined sessions.", no_args_is_help=True)

AsJsonLines = Annotated[bool, typer.Option("--json", help="One JSON object per line.")]
Names = Annotated[list[str] | None, typer.Argument(help="Identifiers, or their beginnings, or paths in the source.")]
Since = Annotated[str | None, typer.Option("--from", help="First night, YYYY-MM-DD.")]
Until = Annotated[str | None, typer.Option("--to", help="Last night, YYYY-MM-DD.")]
Reason = Annotated[QuarantineReason | None, typer.Option(help="Only sessions quarantined for this reason.")]


@app.command("list")
def list_(
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    as_json: AsJsonLines = False,
    data_dir: DataDir = None,
) -> None:
    """List the sessions in quarantine."""
    from flows.quarantine import Choice, look

    rows = look(access_to(data_dir), Choice((), optional_day(since), optional_day(until), reason))
    if as_json:
        _print_json(rows)
    else:
        table_console().print(table_of(rows) if rows else "nothing is in quarantine")


@app.command()
def show(names: Names, as_json: AsJsonLines = False, data_dir: DataDir = None) -> None:
    """Show everything about quarantined sessions."""
    from flows.quarantine import Choice, look

    rows = look(access_to(data_dir), Choice(tuple(names or ())))
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
    """Try sessions again in the next scheduled night."""
    from flows.quarantine import Choice, ask_again

    access = access_to(data_dir)
    rows = ask_again(access, Choice(tuple(names or ()), optional_day(since), optional_day(until), reason))
    typer.echo(f"{len(rows)} to be tried again by the next scheduled night, or now:")
    for night in sorted({row.night for row in rows}):
        typer.echo(f"  pmfer nightly --source SOURCE --date {night} --data-dir {access.data.root}")


@app.command()
def drop(
    names: Names = None,
    since: Since = None,
    until: Until = None,
    reason: Reason = None,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Forget quarantined sessions; a file still in the source comes back when its night is run."""
    from flows.quarantine import Choice, chosen, forget

    access = access_to(data_dir)
    choice = Choice(tuple(names or ()), optional_day(since), optional_day(until), reason)
    if not yes and not typer.confirm(f"forget {len(chosen(access, choice))} of what is in quarantine?"):
        raise typer.Abort
    typer.echo(f"{len(forget(access, choice))} forgotten")


def table_of(rows: Sequence[dict[str, Any]]) -> Table:
    """The rows for the eye."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    table.add_column("id", no_wrap=True)
    for name in COLUMNS:
        table.add_column(name, no_wrap=name == "reason", overflow="fold")
    for row in rows:
        asked = " (again)" if row["replay_asked_at"] else ""
        shown = (printable(str(row[name])) for name in COLUMNS)
        table.add_row(row["quarantine_id"][:SHORT_ID] + asked, *shown)
    return table


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, default=str, ensure_ascii=True))
