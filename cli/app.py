"""The `pmfer` command line: its commands, their common setup, and what happens on an error or a signal.

On Ctrl-C or SIGTERM the command prints one line at once, has a few seconds to clean up, and then exits, even if
something hangs. A night can be killed at any moment and started again, so waiting longer would gain nothing. Without
this limit, Prefect's clients would try for a minute or more to report the end to a server that has gone away.
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
from cli.options import OncePerOption, complain
from flows.environment import adapt_environment
from flows.logs import set_up_logs
from flows.prefect_runs import leaving_at_once
from flows.settings import Settings, read_settings
from pmfer import __version__
from pmfer.errors import MACHINE_REMEDIES, ConfigurationError, PmferError

_REMEDIES = MACHINE_REMEDIES | {
    errno.EFBIG: "allow larger files (ulimit -f)",
    **dict.fromkeys((errno.EROFS, errno.EACCES, errno.EPERM), "grant access"),
    **dict.fromkeys((errno.EEXIST, errno.ENOTDIR, errno.EISDIR), "choose another path"),  # where something is to go
}
SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 8.0  # seconds to clean up after a signal
NOTICE_S = 1.0  # seconds to print the notice about it
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it

FIRST_STEPS = """\
Begin with one of these; pmfer --help lists all commands.

  pmfer demo              simulate a ward for three weeks and run the nightly flow on it
  pmfer sql               query what the nights have stored (or the demo, if nothing else has run)
  pmfer score CLIP.mp4    score a video of your own
  pmfer doctor            check that everything is set up, and say how to fix what is not
"""

app = typer.Typer(
    help="Facial expression monitoring in care: score videos, run the nightly flow, render reports, train the model.",
    pretty_exceptions_enable=False,
    rich_markup_mode="markdown",  # "rich" mistakes text in brackets, such as [yesterday], for markup and drops it
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
for added in app.registered_groups:
    for command in added.typer_instance.registered_commands if added.typer_instance else ():
        command.cls = OncePerOption


def main() -> None:
    """Run the command line. An expected error prints one line to stderr and exits with status 1."""
    with leaving_at_once():
        _run()


def _run() -> None:
    os.umask(0o077)  # only the owner may read what is written, DuckDB's write-ahead log included
    if isinstance(sys.stdout, io.TextIOWrapper):
        sys.stdout.reconfigure(errors="backslashreplace")  # a file name that is not UTF-8 must not end the command
    try:
        with ended_by_signals(_print_interrupted):
            app()
    except PmferError as error:
        complain(str(error))
        sys.exit(1)
    except OSError as error:
        if error.errno not in _REMEDIES:
            raise
        where = error.filename2 or error.filename or "data folder"
        complain(f"{where}: {error.strerror}; {_REMEDIES[error.errno]}, then run it again")
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
    """Set up what all commands share; without a command, print the first steps."""
    if version:
        typer.echo(__version__)
        raise typer.Exit
    if context.invoked_subcommand is None:
        typer.echo(FIRST_STEPS, nl=False)
        raise typer.Exit
    try:
        settings = read_settings()
    except ConfigurationError:
        # A command that needs the settings will report what is wrong. `--help` must work all the same, and pmfer doctor
        # reports it in its own way.
        settings = Settings.model_construct()
    adapt_environment(settings)
    set_up_logs(settings)


def _print_interrupted() -> None:
    complain("interrupted; what was stored is kept, run it again to finish")


@contextmanager
def ended_by_signals(notify: Callable[[], None]) -> Iterator[None]:
    """Exit from the block with status 128 + N on signal N; at once on a second signal or after GRACE_S.

    Args:
        notify: tells the user about the signal; called once, in its own thread.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    notified = threading.Event()
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise SystemExit(128 + number)

    # The interpreter writes to it even while the main thread is busy or another library handles the signal.
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, stop) for number in SIGNALS}
    threading.Thread(target=_watch, args=(reader, notify, notified), daemon=True).start()
    try:
        yield
    except BaseException:
        if received:  # a library may have turned the SystemExit into another error
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        if received:
            notified.wait(NOTICE_S)
            _kill_descendants()
        else:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(writer)


def _watch(reader: int, notify: Callable[[], None], notified: threading.Event) -> None:
    number = _next_signal(reader, None)
    if number is None:  # the block ended without a signal
        os.close(reader)
        return

    def notify_user() -> None:
        notify()
        notified.set()

    threading.Thread(target=notify_user, daemon=True).start()
    _next_signal(reader, GRACE_S)
    notified.wait(NOTICE_S)
    _kill_descendants()
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), SHOW_CURSOR.encode())
    os._exit(128 + number)


def _next_signal(reader: int, wait_s: float | None) -> int | None:
    """Wait for the next of SIGNALS; None if none arrives in time, or the pipe was closed."""
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
        with suppress(OSError):  # it has already exited
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    """All processes below one, itself excluded."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):  # it has exited in the meantime
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                child = int(path.parent.name)
                yield from _descendants(child)
                yield child
