"""The `pmfer` command line: all its commands, what they share, and how an error or a signal ends one.

Ctrl-C and SIGTERM: one line at once, a few seconds to put things down, and then the end, whatever hangs. A night can be
killed at any moment and started again, so waiting longer would gain nothing. What would take longer is Prefect, whose
clients try for a minute and more to tell the end to a server that went away.
"""

import errno
import io
import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType
from typing import Annotated

import typer

from cli import config, findings, model, nights, ops, patients, quarantine, score, warehouse
from cli.options import complain
from flows.environment import adapt_environment
from flows.logs import set_up_logs
from flows.prefect_runs import leaving_at_once
from flows.settings import Settings, read_settings
from pmfer import __version__
from pmfer.errors import ConfigurationError, PmferError

_STORAGE_TROUBLE = {errno.ENOSPC, errno.EDQUOT, errno.EROFS, errno.EACCES, errno.EPERM}
SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 8.0  # seconds to put things down
TELL_S = 1.0  # seconds to say so
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it

FIRST_STEPS = """\
Begin with one of these; pmfer --help lists all commands.

  pmfer demo              simulate a ward for three weeks and run the nightly flow over it
  pmfer sql               ask what the nights stored, or the demo where only that ran
  pmfer score CLIP.mp4    what a video of yours shows
  pmfer doctor            check that everything is there; say what to do if not
"""

app = typer.Typer(
    help="Facial expression monitoring in care: score videos, run the night, render reports, train the model.",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # "rich" takes a default in brackets, such as [yesterday], for markup and drops it
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
            f"pmfer: this command needs {error.name}; run `make setup` in a checkout, "
            "or install the wheel with its extra: pip install 'WHEEL[train]'"
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


@contextmanager
def ended_by_signals(tell: Callable[[], None]) -> Iterator[None]:
    """Have the body end with exit status 128 + N when signal N comes; a second one, or GRACE_S, ends it at once.

    Args:
        tell: says so to people; called in a thread of its own, once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    told = threading.Event()
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise SystemExit(128 + number)

    # Written to by the interpreter itself, even while the main thread is busy elsewhere or others handle the signal.
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, stop) for number in SIGNALS}
    threading.Thread(target=_watch, args=(reader, tell, told), daemon=True).start()
    try:
        yield
    except BaseException:
        if received:  # a library may have made another error of it
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        if received:
            told.wait(TELL_S)
            _kill_descendants()
        else:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(writer)


def _watch(reader: int, tell: Callable[[], None], told: threading.Event) -> None:
    number = _next(reader, None)
    if number is None:  # the body ended by itself
        os.close(reader)
        return

    def say() -> None:
        tell()
        told.set()

    threading.Thread(target=say, daemon=True).start()
    _next(reader, GRACE_S)
    told.wait(TELL_S)
    _kill_descendants()
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), SHOW_CURSOR.encode())
    os._exit(128 + number)


def _next(reader: int, wait_s: float | None) -> int | None:
    """The next of SIGNALS that comes; None if none does in time, or none can any more."""
    deadline = None if wait_s is None else time.monotonic() + wait_s
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([reader], [], [], left)[0]:
            return None
        byte = os.read(reader, 1)
        if not byte or byte[0] in SIGNALS:
            return byte[0] if byte else None


def _kill_descendants() -> None:
    for pid in list(_descendants(os.getpid())):
        with suppress(OSError):  # it ended by itself
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    """All processes below one, itself excluded."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it exited meanwhile
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                child = int(path.parent.name)
                yield from _descendants(child)
                yield child
