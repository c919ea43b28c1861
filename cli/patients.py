"""`pmfer erase`, `pmfer consent` and `pmfer events`: commands about single patients."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Annotated

import typer

from cli.options import DataDir, Patient, Yes, access_to, complain
from flows.plain_text import table_console, table_of
from flows.settings import read_settings
from pmfer.errors import ConfigurationError

app = typer.Typer()
consent_app = typer.Typer(help="Maintain the consent register.", no_args_is_help=True)
events_app = typer.Typer(help="Import care events.", no_args_is_help=True)


@app.command()
def erase(patient: Patient, yes: Yes = False, data_dir: DataDir = None) -> None:
    """Erase a patient from everything in the data folder and write a receipt that names nobody."""
    from flows.privacy.erase import erase_patient
    from flows.warehouse_access import access_of

    settings = read_settings(data_dir=data_dir)
    access = access_of(settings)
    receipts = erase_patient(access, patient, settings, _confirmation(patient, yes), typer.echo)
    for name in receipts:
        typer.echo(f"receipt: {access.data.receipts / name}.json")
    if not receipts:
        typer.echo("nothing to erase")


@consent_app.command("import")
def import_consents(
    file: Annotated[Path, typer.Argument(help="CSV file; see docs/privacy.md.")], data_dir: DataDir = None
) -> None:
    """Import periods of consent and withdrawals into the register."""
    from flows.privacy import consent

    typer.echo(consent.import_consents(access_to(data_dir), file))


@consent_app.command("list")
def list_consents(
    patient: Annotated[str | None, typer.Option(help="Pseudonym of one patient. [default: all patients]")] = None,
    data_dir: DataDir = None,
) -> None:
    """List the consent register."""
    from flows.privacy import consent

    rows = consent.published_consents(access_to(data_dir), patient)
    table_console().print(table_of(rows.columns, rows.rows(), ("source",)))


@events_app.command("import")
def import_events(
    file: Annotated[Path, typer.Argument(help="CSV file; see docs/analysts.md.")],
    zone: Annotated[
        str | None,
        typer.Option(
            help="Time zone of times that have no offset, such as Europe/Berlin. [default: such times are errors]"
        ),
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Import doses, therapies, transfers and other care events into the warehouse."""
    from flows import care_events

    result = care_events.import_events(access_to(data_dir), file, zone)
    for fault in result.faults:
        complain(fault)
    if result.faults:
        complain(result.message)
        raise typer.Exit(1)
    typer.echo(result.message)


def _confirmation(patient_id: str, yes: bool) -> Callable[[Sequence[str]], bool]:
    """A function that shows the plan of an erasure and, unless `yes`, asks the user to confirm it."""

    def confirm(lines: Sequence[str]) -> bool:
        for line in lines:
            typer.echo(line)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise ConfigurationError(
                f"patient {patient_id}: cannot ask for confirmation without a terminal; give --yes to erase"
            )
        return typer.confirm(f"Erase patient {patient_id} for good?")

    return confirm
