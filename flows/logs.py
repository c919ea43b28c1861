"""Logging: lines for people, with progress bars at a terminal, or JSON lines for machines.

No line holds patient data. A session is named by the first digits of its video's hash. Pseudonyms and file names are
struck out of everything that a message quotes: its arguments, errors, and the lines of other libraries. The wording of
a message is our own and contains no names, so a session called `scored` does not strike that word out of it.
"""

import json
import logging
import re
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import contextmanager
from contextvars import ContextVar
from datetime import UTC, date, datetime
from enum import Enum
from numbers import Number
from typing import Any

from rich.console import Console
from rich.logging import RichHandler
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn

from flows.plain_text import PlainConsole
from flows.settings import Settings

LOGGER = "pmfer"  # the parent of all our loggers
HANDLER = "pmfer"  # name of the handler that set_up_logs adds
STRUCK_OUT = "[patient]"
SESSION_DIGITS = 12  # of the video's SHA-256: enough to find the session in the warehouse, and it names nobody

# Loggers whose lines about a run, including tracebacks, go to Prefect's server.
_PREFECTS = ("prefect", "prefect.flow_runs", "prefect.task_runs", "prefect.extra")

_context: ContextVar[dict[str, str] | None] = ContextVar("pmfer_log_context", default=None)

Advance = Callable[[float], None]


class OwnWords(str):
    """Text composed without names of patients or files; the log filter leaves it as it is."""

    __slots__ = ()


class JsonFormatter(logging.Formatter):
    """One line of JSON per record: at, level, logger, message, the ids of the current work, and a traceback if any.

    Prefect also creates one for its own loggers, according to its logging configuration.
    """

    def __init__(self, fmt: str | None = None, datefmt: str | None = None, style: str = "%") -> None:
        super().__init__()

    def format(self, record: logging.LogRecord) -> str:
        """The record as a line."""
        message = record.getMessage()
        entry: dict[str, Any] = {
            "at": datetime.fromtimestamp(record.created, UTC).isoformat(timespec="milliseconds"),
            "level": record.levelname,
            "logger": record.name,
            # The handlers of our own loggers already have a filter, which tells our wording from quoted text.
            "message": message if _is_ours(record) else without_identities(message),
            **(_context.get() or {}),
        }
        if record.exc_info:
            entry["traceback"] = without_identities(self.formatException(record.exc_info))
        return json.dumps(entry, ensure_ascii=False)


class LineHandler(logging.Handler):
    """One line of plain text per record with date and time, which can be searched in a journal or file."""

    def __init__(self, console: PlainConsole) -> None:
        super().__init__()
        self._console = console
        self.setFormatter(logging.Formatter("%(asctime)s %(message)s", "%Y-%m-%d %H:%M:%S"))

    def emit(self, record: logging.LogRecord) -> None:
        """Print the record."""
        self._console.print(self.format(record))


_NAMELESS = (Number, date, Enum, OwnWords)  # types of message arguments that contain no names


class _Anonymous(logging.Filter):
    """Strikes identities out of everything that a handler's messages quote."""

    def __init__(self, identities: Iterable[str]) -> None:
        super().__init__()
        # The longest first, so that removing one identity never leaves part of a longer one.
        known = sorted(set(identities), key=lambda text: (-len(text), text))
        self._pattern = re.compile("|".join(map(_whole, known))) if known else None

    def filter(self, record: logging.LogRecord) -> bool:
        if not _is_ours(record):
            record.msg, record.args = self.clean(record.getMessage()), ()
        elif isinstance(record.args, Mapping):
            record.args = {key: self._argument(value) for key, value in record.args.items()}
        elif record.args:
            record.args = tuple(self._argument(value) for value in record.args)
        if record.exc_info and not record.exc_text:
            record.exc_text = self.clean(logging.Formatter().formatException(record.exc_info))
        return True

    def clean(self, text: str) -> str:
        """The text without the identities."""
        return self._pattern.sub(STRUCK_OUT, text) if self._pattern else text

    def _argument(self, value: object) -> object:
        # Every handler of a logger filters the same record, so arguments that are already clean must be left alone.
        return value if isinstance(value, _NAMELESS) else OwnWords(self.clean(str(value)))


def _whole(identity: str) -> str:
    """A pattern that matches an identity only as a whole word."""
    before = r"(?<!\w)" if re.match(r"\w", identity) else ""
    after = r"(?!\w)" if re.search(r"\w\Z", identity) else ""
    return f"{before}{re.escape(identity)}{after}"


def _is_ours(record: logging.LogRecord) -> bool:
    """Whether a message was logged by one of our loggers."""
    return record.name.partition(".")[0] == LOGGER


def set_up_logs(settings: Settings) -> None:
    """Give our logger its handler: lines for people go to stdout, JSON to stderr. Prefect's handlers are kept."""
    log = logging.getLogger(LOGGER)
    log.setLevel(settings.log_level)
    log.propagate = False
    handler: logging.Handler
    if settings.log_format == "json":
        handler = logging.StreamHandler(sys.stderr)
        handler.setFormatter(JsonFormatter())
    else:
        console = PlainConsole(soft_wrap=True)
        handler = LineHandler(console)
        if console.is_terminal:  # elsewhere RichHandler would wrap lines at 80 characters
            handler = RichHandler(
                console=console, show_path=False, show_level=False, log_time_format="%H:%M:%S", markup=False
            )
    handler.name = HANDLER
    log.handlers = [*(other for other in log.handlers if other.name != HANDLER), handler]
    # Apprise logs its addresses, which may contain passwords; flows.monitoring logs failures itself.
    logging.getLogger("apprise").setLevel(logging.CRITICAL)


def require_logs(settings: Settings) -> None:
    """Set up logs unless it was done already: a Prefect worker is not started by the command line."""
    if not any(handler.name == HANDLER for handler in logging.getLogger(LOGGER).handlers):
        set_up_logs(settings)


def writes_json() -> bool:
    """Whether the logs are JSON lines, so that errors should be, too."""
    return any(isinstance(handler.formatter, JsonFormatter) for handler in logging.getLogger(LOGGER).handlers)


@contextmanager
def log_context(**ids: str) -> Iterator[None]:
    """Add the current run, session or shard to every line that is logged inside."""
    token = _context.set({**(_context.get() or {}), **ids})
    try:
        yield
    finally:
        _context.reset(token)


def hide(identities: Iterable[str | None]) -> None:
    """From now on, strike these texts (pseudonyms, file names) out of everything that is logged.

    They replace the texts of an earlier call.
    """
    known = [text for text in identities if text]
    handlers = [handler for name in (LOGGER, *_PREFECTS) for handler in logging.getLogger(name).handlers]
    for handler in handlers:
        # Handlers are filtered, not loggers, because Prefect adds a handler that sends our lines to its server.
        for old in [part for part in handler.filters if isinstance(part, _Anonymous)]:
            handler.removeFilter(old)
        handler.addFilter(_Anonymous(known))


@contextmanager
def nameless_errors() -> Iterator[None]:
    """Strike identities out of an error's message, because Prefect's server stores it as the result of a run."""
    try:
        yield
    except Exception as error:
        error.args = tuple(without_identities(part) if isinstance(part, str) else part for part in error.args)
        raise


def without_identities(text: str) -> str:
    """A text without the hidden identities."""
    return next((anonymous.clean(text) for anonymous in _filters()), text)


def session_label(content_sha256: str | None) -> str:
    """How logs name a session: the first digits of its `content_sha256`, or `unread` if it was not hashed."""
    return content_sha256[:SESSION_DIGITS] if content_sha256 else "unread"


@contextmanager
def session_progress(sessions: int) -> Iterator[Advance]:
    """Show a progress bar at a terminal. Call the yielded function after each session with its seconds of video."""
    console = _terminal()
    if console is None or not sessions:
        yield lambda _: None
        return
    columns = (
        TextColumn("{task.description}"),
        BarColumn(),
        MofNCompleteColumn(),
        TextColumn("sessions, {task.fields[video_s]:,.0f} s of video"),
        TimeRemainingColumn(),
    )
    with Progress(*columns, console=console, transient=True) as progress:
        task = progress.add_task("scoring", total=sessions, video_s=0.0)
        seen = [0.0]

        def advance(video_s: float) -> None:
            seen.append(video_s)
            progress.update(task, advance=1, video_s=sum(seen))

        yield advance


def _filters() -> Iterator[_Anonymous]:
    """The filters of our handlers, which all have the same identities."""
    for handler in logging.getLogger(LOGGER).handlers:
        yield from (part for part in handler.filters if isinstance(part, _Anonymous))


def _terminal() -> Console | None:
    """The console of the log lines, if it is a terminal: the progress bar must share it."""
    for handler in logging.getLogger(LOGGER).handlers:
        if isinstance(handler, RichHandler) and handler.console.is_terminal:
            return handler.console
    return None
