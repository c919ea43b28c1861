"""Writing reports: every wanted format, each file whole or not at all, many reports in parallel.

Laying out a page keeps one core busy, so many reports are written in processes of their own. A process gets
finished reports, so it reads nothing but fonts and templates.

A recipient gets the PDF under a password (AES-256 as in the standard security handler of PDF 2.0, revision 6; ISO
32000-2, 7.6.4). It protects against someone who finds the file, but not against a long search, so short passwords are
refused.
"""

import io
import multiprocessing
import os
import re
import secrets
import signal
import tempfile
from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ProcessPoolExecutor, as_completed
from concurrent.futures.process import BrokenProcessPool
from dataclasses import dataclass, field
from datetime import datetime
from functools import cache, partial
from pathlib import Path
from typing import Any

from pmfer.errors import ReportError
from reports import Format
from reports.document import report_json
from reports.patient import PatientReport
from reports.ward import WardReport

SHORTEST_PASSWORD = 12  # characters; the file can be attacked offline, so only the length protects it
LONGEST_PASSWORD = 127  # bytes in UTF-8; revision 6 ignores what comes after
_RECIPIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
DIED = "the process that made it died, of lack of memory perhaps; let fewer processes work at once"
IGNORE_CTRL_C = (signal.SIGINT, signal.SIG_IGN)  # the parent process handles it
ORDERS_PER_PROCESS = 8  # starting a process takes as long as four reports, which fewer orders do not repay
PRIVATE = 0o600  # owner only; whoever hands a report out decides who else may read it


@dataclass(frozen=True)
class Recipient:
    """Someone who receives reports under their own password.

    Raises:
        ReportError: the name cannot name a folder, or the password is too short or too long; the message shows no
            password.
    """

    name: str  # letters, digits, hyphens and underscores, 32 at most: it becomes the name of a folder
    password: str = field(repr=False)

    def __post_init__(self) -> None:
        if not _RECIPIENT_NAME.fullmatch(self.name):
            raise ReportError(
                f"recipient '{self.name[:40]}': must have 1 to 32 letters, digits, hyphens or underscores, and begin "
                "with a letter or digit"
            )
        if len(self.password) < SHORTEST_PASSWORD or len(self.password.encode()) > LONGEST_PASSWORD:
            raise ReportError(
                f"recipient {self.name}: the password must have {SHORTEST_PASSWORD} characters or more, and "
                f"{LONGEST_PASSWORD} bytes at most"
            )


def protected(pdf: bytes, recipient: Recipient) -> bytes:
    """The same document, tags and title included, under the recipient's password.

    Two calls give different bytes because each file has its own keys. The owner's password, which would lift the
    permissions, is random and never stored.
    """
    import pikepdf  # takes a while to load, which nights without passwords spare

    # Read aloud, print and quote a report, but do not change it.
    permissions = pikepdf.Permissions(
        accessibility=True,
        extract=True,
        print_lowres=True,
        print_highres=True,
        modify_annotation=False,
        modify_assembly=False,
        modify_form=False,
        modify_other=False,
    )
    encryption = pikepdf.Encryption(
        owner=secrets.token_urlsafe(32), user=recipient.password, R=6, allow=permissions, aes=True, metadata=True
    )
    target = io.BytesIO()
    with pikepdf.open(io.BytesIO(pdf)) as document:
        document.save(target, encryption=encryption)
    return target.getvalue()


@dataclass(frozen=True)
class Order:
    """A report and the files to write."""

    report: PatientReport | WardReport
    files: Mapping[Format, Path]  # in the open; a ward has no FHIR
    protected: Mapping[Path, Recipient] = field(default_factory=dict)  # PDFs under a password
    name: str | None = field(default=None, repr=False)  # the patient's, for print; None: the pseudonym alone
    # Keyword options of reports.render: language, page size, whom to ask.
    options: Mapping[str, Any] = field(default_factory=dict)
    printed_at: datetime | None = None  # told on the pages, in the time zone of the facility; None: not told

    @property
    def paths(self) -> tuple[Path, ...]:
        """Every file, those in the open first."""
        return (*self.files.values(), *self.protected)


def write_files(order: Order) -> None:
    """Write every file of an order, each whole or not at all.

    The PDF that a FHIR bundle carries has no name on it.

    Raises:
        ReportError: a font is missing, the page cannot be laid out, or a file cannot be written.
    """
    report, files = order.report, order.files
    pdf_with = cache(partial(_pdf, order))  # laid out once, unless there is a name that not all may see
    if Format.PDF in files:
        _write_whole(pdf_with(order.name), files[Format.PDF])
    for path, recipient in order.protected.items():
        _write_whole(protected(pdf_with(order.name), recipient), path)
    if Format.HTML in files:
        from reports.render import screen_html

        _write_whole(screen_html(_html(order)), files[Format.HTML])
    if Format.JSON in files:
        _write_whole(report_json(report), files[Format.JSON])
    if Format.FHIR in files and isinstance(report, PatientReport):
        from reports.fhir import patient_fhir  # brings an HTTP library along, which nobody else needs to load

        language = order.options.get("language", "en")
        _write_whole(patient_fhir(report, pdf_with(None), language), files[Format.FHIR])


def _pdf(order: Order, name: str | None) -> bytes:
    from reports.render import patient_pdf, ward_pdf  # brings WeasyPrint along, which a night without reports spares

    if isinstance(order.report, PatientReport):
        return patient_pdf(order.report, name, printed_at=order.printed_at, **order.options)
    return ward_pdf(order.report, printed_at=order.printed_at, **order.options)


def _html(order: Order) -> str:
    from reports.pages import patient_html, ward_html  # brings templates, charts and words along, likewise

    if isinstance(order.report, PatientReport):
        return patient_html(order.report, order.name, printed_at=order.printed_at, **order.options)
    return ward_html(order.report, printed_at=order.printed_at, **order.options)


def _write_whole(content: bytes, target: Path) -> None:
    """Write a temporary file beside the target, then rename it: whoever looks finds the old report or the new one.

    Folders that are missing are made for the owner only.

    Raises:
        ReportError: the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).chmod(PRIVATE)
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportError(f"report {target}: cannot be written ({error.strerror}); check the folder") from None


@dataclass(frozen=True)
class Outcome:
    """What became of an order."""

    order: Order
    error: str | None  # one line that says what was wrong; None: every file is written


def write_all(orders: Sequence[Order], processes: int) -> Iterator[Outcome]:
    """Write the files of many orders; outcomes come as they are done, in no fixed order.

    A report that cannot be made is an outcome with an error, and so is one whose process dies, of lack of memory for
    example: the others are written all the same.

    Args:
        orders: what to write.
        processes: how many to use at most, at least 1; with 1 the work is done in this process.
    """
    used = min(processes, -(-len(orders) // ORDERS_PER_PROCESS))
    if used <= 1:
        yield from (Outcome(order, _attempt(order)) for order in orders)
        return
    waiting = dict(enumerate(orders))
    with _pool(used) as pool:
        futures = {pool.submit(_attempt, order): number for number, order in waiting.items()}
        try:
            for future in as_completed(futures):
                if not isinstance(future.exception(), BrokenProcessPool):
                    yield Outcome(waiting.pop(futures[future]), future.result())
        except BaseException:
            pool.shutdown(wait=False, cancel_futures=True)  # interrupted: nobody waits for what is left
            raise
    yield from _one_by_one(list(waiting.values()))


def _one_by_one(orders: Sequence[Order]) -> Iterator[Outcome]:
    """What was left when a process died and took its pool along: one at a time, so that it is known which one it is."""
    left = list(orders)
    while left:
        with _pool(1) as pool:
            while left:
                order = left.pop(0)
                attempt = pool.submit(_attempt, order)
                if isinstance(attempt.exception(), BrokenProcessPool):
                    yield Outcome(order, f"report of {_whose(order)}: {DIED}")
                    break
                yield Outcome(order, attempt.result())


def _attempt(order: Order) -> str | None:
    from jinja2 import TemplateError

    try:
        write_files(order)
    except ReportError as error:
        return str(error)
    except TemplateError as error:
        return f"report of {_whose(order)}: its template is wrong ({error}); install this release again"
    except MemoryError:
        return f"report of {_whose(order)}: there is not enough memory for it; let fewer processes work at once"
    return None


def _pool(processes: int) -> ProcessPoolExecutor:
    """Fresh processes: a fork would copy the locks of the threads that Prefect, polars and DuckDB run."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=signal.signal, initargs=IGNORE_CTRL_C)


def _whose(order: Order) -> str:
    return f"patient {order.report.patient_id}" if isinstance(order.report, PatientReport) else "the ward"
