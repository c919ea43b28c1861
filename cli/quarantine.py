"""`pmfer quarantine`: lists quarantined sessions, retries them or removes them."""

import json
from collections.abc import Iterable
from typing import Annotated, Any

import typer

from cli.options import DataDir, OptionalFirst, OptionalLast, Yes, access_to, json_value, optional_day
from flows.plain_text import printable, table_console, table_of
from flows.settings import read_settings
from pmfer.errors import QuarantineReason

SHORT_ID = 12  # characters of an identifier in the table; commands accept any unique prefix
COLUMNS = ("source_uri", "reason", "message")  # the columns that fit on a screen; `show` has the rest

app = typer.Typer(help="List, retry or remove quarantined sessions.", no_args_is_help=True)

AsJsonLines = Annotated[bool, typer.Option("--json", help="Print one JSON object per line.")]
Names = Annotated[
    list[str] | None, typer.Argument(help="Identifiers, unique prefixes of identifiers, or paths in the source.")
]
Reason = Annotated[QuarantineReason | None, typer.Option(help="Only sessions quarantined for this reason.")]


@app.command("list")
def list_(
    since: OptionalFirst = None,
    until: OptionalLast = None,
    reason: Reason = None,
    as_json: AsJsonLines = False,
    data_dir: DataDir = None,
) -> None:
    """List quarantined sessions."""
    from flows.quarantine import Choice, look

    rows = look(access_to(data_dir), Choice((), optional_day(since), optional_day(until), reason))
    if as_json:
        _print_json(rows)
        return
    ids = [row["quarantine_id"][:SHORT_ID] + (" (retry)" if row["replay_asked_at"] else "") for row in rows]
    cells = [(id_, *(printable(str(row[name])) for name in COLUMNS)) for id_, row in zip(ids, rows, strict=True)]
    table = table_of(("id", *COLUMNS), cells, ("source_uri", "message"))
    table_console().print(table if rows else "no sessions are quarantined")


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
    since: OptionalFirst = None,
    until: OptionalLast = None,
    reason: Reason = None,
    data_dir: DataDir = None,
) -> None:
    """Retry quarantined sessions in the next scheduled night."""
    from flows.quarantine import Choice, ask_again

    access = access_to(data_dir)
    rows = ask_again(access, Choice(tuple(names or ()), optional_day(since), optional_day(until), reason))
    typer.echo(f"{len(rows)} will be retried by the next scheduled night, or now with:")
    source = "" if read_settings().source else "--source SOURCE "
    for night in sorted({row.night for row in rows}):
        typer.echo(f"  pmfer nightly {source}--date {night} --data-dir {access.data.root}")


@app.command()
def drop(
    names: Names = None,
    since: OptionalFirst = None,
    until: OptionalLast = None,
    reason: Reason = None,
    yes: Yes = False,
    data_dir: DataDir = None,
) -> None:
    """Remove sessions from quarantine. A file that is still in the source is tried again when its night is run."""
    from flows.quarantine import Choice, chosen, forget

    access = access_to(data_dir)
    choice = Choice(tuple(names or ()), optional_day(since), optional_day(until), reason)
    if not yes:
        count = len(chosen(access, choice))
        if not typer.confirm(f"Remove {count} {'session' if count == 1 else 'sessions'} from quarantine?"):
            raise typer.Abort
    typer.echo(f"{len(forget(access, choice))} removed")


def _print_json(rows: Iterable[dict[str, Any]]) -> None:
    for row in rows:
        typer.echo(json.dumps(row, default=json_value, ensure_ascii=True))
