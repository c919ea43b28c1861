"""`pmfer findings`: lists flags; accepts a new usual level for a patient, or undoes that."""

import json
from typing import Annotated

import typer

from cli.options import DataDir, Patient, access_to, day, json_value, optional_day
from flows.plain_text import table_console, table_of

app = typer.Typer(
    help="List flags; accept a change as the patient's new usual level, or undo that.", no_args_is_help=True
)

MeasureKey = Annotated[str, typer.Option("--measure", help="Measure, such as pain_activity or smiling.")]
COLUMNS = ("patient_id", "measure", "direction", "opened_on", "last_flagged_on", "closed_on", "days", "outcome")
LEVEL_COLUMNS = ("patient_id", "measure", "from_date", "note", "actor", "accepted_at", "undone_at")


@app.command("list")
def list_(
    patient: Annotated[str | None, typer.Argument(help="Pseudonym of the patient. [default: all patients]")] = None,
    everything: Annotated[
        bool, typer.Option("--all", help="Include flags that have ended and levels that were undone.")
    ] = False,
    as_json: Annotated[bool, typer.Option("--json", help="Print the flags as one JSON object per line.")] = False,
    data_dir: DataDir = None,
) -> None:
    """List open flags, newest first, and accepted levels."""
    from flows.findings import flags

    rows, levels = flags(access_to(data_dir), patient, over=everything)
    if as_json:
        for row in rows.iter_rows(named=True):
            typer.echo(json.dumps(row, default=json_value, ensure_ascii=True))
        return
    console = table_console()
    console.print(table_of(COLUMNS, rows.select(COLUMNS).rows(), ()) if rows.height else "no flags")
    if levels.height:
        console.print("\naccepted levels")
        console.print(table_of(LEVEL_COLUMNS, levels.select(LEVEL_COLUMNS).rows(), ("note",)))


@app.command()
def accept(
    patient: Patient,
    measure: MeasureKey,
    first: Annotated[str, typer.Option("--from", help="First day of the new level, YYYY-MM-DD.")],
    note: Annotated[
        str, typer.Option(help="Why, in at most 500 characters. It appears in reports: do not name anybody.")
    ],
    data_dir: DataDir = None,
) -> None:
    """Accept a change as the patient's new normal: the baseline of the measure starts again on that day."""
    from flows import findings
    from warehouse.records import AcceptedLevel

    level = AcceptedLevel(patient, measure, day(first), note)
    findings.accept(access_to(data_dir), level)
    typer.echo(f"{measure}: new level accepted from {level.from_date}; reports use it from now on")


@app.command()
def undo(
    patient: Patient,
    measure: MeasureKey,
    first: Annotated[
        str | None,
        typer.Option("--from", help="First day of the level, YYYY-MM-DD. [default: the latest accepted level]"),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Undo an accepted level."""
    from flows import findings

    undone = findings.undo(access_to(data_dir), patient, measure, optional_day(first))
    typer.echo(f"{measure}: the level from {undone} no longer counts; reports compare as before from now on")
