"""The `pmfer` command line: all its commands, what they share, and how an error ends one."""

import errno
import io
import os
import sys
from typing import Annotated

import typer

from cli import config, findings, model, nights, ops, patients, quarantine, score, warehouse
from cli.interrupt import ended_by_signals
from cli.options import complain
from flows.environment import adapt_environment
from flows.logs import set_up_logs
from flows.prefect_runs import leaving_at_once
from flows.settings import Settings, read_settings
from pmfer import __version__
from pmfer.errors import ConfigurationError, PmferError

_STORAGE_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}

FIRST_STEPS = """\
Begin with one of these; pmfer --help lists all commands.

  pmfer demo              simulate a ward for three weeks and run the nightly flow over it
  pmfer sql               ask what the nights stored; after the demo, that of the demo
  pmfer score CLIP.mp4    what a video of yours shows
  pmfer doctor            is everything there? what is not, and what to do
"""

app = typer.Typer(
    help="Facial expression monitoring in care: score videos, run the night, render reports, train the model.",
    pretty_exceptions_enable=False,
)
for group in (score, nights, warehouse, patients, model, ops):
    app.add_typer(group.app)
app.add_typer(config.app, name="config")
app.add_typer(patients.consent_app, name="consent")
app.add_typer(patients.events_app, name="events")
app.add_typer(findings.app, name="findings")
app.add_typer(quarantine.app, name="quarantine")
app.add_typer(warehouse.warehouse_app, name="warehouse")
app.add_typer(model.bundle_app, name="bundle")
app.add_typer(model.datasets_app, name="datasets")


def main() -> None:
    """Run the command line; an error that names its cause is one line on stderr and exit status 1."""
    with leaving_at_once():
        _run()


def _run() -> None:
    os.umask(0o077)  # everything written is its owner's alone, DuckDB's write-ahead log included
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a name that is no UTF-8 ends no command
    try:
        with ended_by_signals(_say_interrupted):
            app()
    except PmferError as error:
        complain(str(error))
        sys.exit(1)
    except OSError as error:
        if error.errno not in _STORAGE_TROUBLE:
            raise
        where = error.filename2 or error.filename or "data folder"
        complain(f"{where}: {error.strerror}; make room or give access, then run it again")
        sys.exit(1)
    except ModuleNotFoundError as error:
        if error.name not in {"torch", "onnx", "onnxscript", "transformers"}:
            raise
        sys.exit(
            f"pmfer: this command needs {error.name}; install the extra: pip install -c constraints.txt '.[train]'"
        )


@app.callback(invoke_without_command=True)
def root(
    context: typer.Context,
    version: Annotated[bool, typer.Option("--version", help="Print the version and exit.")] = False,
) -> None:
    """Set up what all commands share; without a command, say what to do first."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(FIRST_STEPS, nl=False)
        raise typer.Exit
    try:
        settings = read_settings()
    except ConfigurationError:
        # A command that needs settings says what is wrong with them; pmfer doctor and pmfer score --help do not.
        settings = Settings.model_construct()
    adapt_environment(settings)
    set_up_logs(settings)


def _say_interrupted() -> None:
    complain("interrupted; what was stored stays, run it again to finish")
