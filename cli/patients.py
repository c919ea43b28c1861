"""`pmfer erase`, `pmfer consent` and `pmfer events`: what concerns single patients."""

import sys
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table

from cli.options import DataDir, Patient, Yes, complain, places
from flows.plain_text import PlainConsole
from flows.settings import read_settings
from pmfer.errors import ConfigurationError

if TYPE_CHECKING:
    import polars as pl

app = typer.Typer()
consent_app = typer.Typer(help="Keep the register of consents.", no_args_is_help=True)
events_app = typer.Typer(help="Import care events.", no_args_is_help=True)


@app.command()
def erase(patient: Patient, yes: Yes = False, data_dir: DataDir = None) -> None:
    """Erase a patient from everything below the data folder and leave a receipt that names nobody."""
    from flows.privacy.erase import erase_patient

    data, warehouse = places(data_dir)
    settings = read_settings(data_dir=data_dir)
    receipts = erase_patient(data, warehouse, patient, settings, _confirmation(patient, yes), typer.echo)
    for name in receipts:
        typer.echo(f"receipt: {data.receipts / name}.json")
    if not receipts:
        typer.echo("nothing to erase")


@consent_app.command("import")
def import_consents(
    file: Annotated[Path, typer.Argument(help="CSV file; see docs/privacy.md.")], data_dir: DataDir = None
) -> None:
    """Import periods of consent, and withdrawals, into the register."""
    from flows.privacy import consent

    typer.echo(consent.import_consents(*places(data_dir), file))


@consent_app.command("list")
def list_consents(
    patient: Annotated[str | None, typer.Option(help="Pseudonym. [all patients]")] = None,
    data_dir: DataDir = None,
) -> None:
    """Show the register of consents."""
    from flows.privacy import consent

    PlainConsole().print(_consent_table(consent.published_consents(*places(data_dir), patient)))


@events_app.command("import")
def import_events(
    file: Annotated[Path, typer.Argument(help="CSV file; see docs/analysts.md.")],
    zone: Annotated[
        str | None, typer.Option(help="Time zone of times without an offset, such as Europe/Berlin.")
    ] = None,
    data_dir: DataDir = None,
) -> None:
    """Import doses, therapies, transfers and other care events into the warehouse."""
    from flows import care_events

    result = care_events.import_events(
        *places(data_dir), file, zone, consent_required=read_settings(data_dir=data_dir).consent_required
    )
    for fault in result.faults:
        complain(fault)
    if result.faults:
        complain(result.message)
        raise typer.Exit(1)
    typer.echo(result.message)


def _confirmation(patient_id: str, yes: bool) -> Callable[[Sequence[str]], bool]:
    """How an erasure is confirmed: the plan is shown and, unless `yes`, whoever sits there is asked."""

    def confirm(lines: Sequence[str]) -> bool:
        for line in lines:
            typer.echo(line)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise ConfigurationError(f"patient {patient_id}: nobody is there to ask; give --yes to erase")
        return typer.confirm(f"Erase patient {patient_id} for good?")

    return confirm


def _consent_table(rows: "pl.DataFrame") -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in rows.columns:
        table.add_column(name, no_wrap=True)
    for row in rows.iter_rows(named=True):
        recorded = row["recorded_at"].isoformat(timespec="seconds")
        cells = {name: "-" if value is None else str(value) for name, value in row.items()}
        table.add_row(*{**cells, "recorded_at": recorded}.values())
    return table
