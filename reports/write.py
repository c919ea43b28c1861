"""Writes reports: every wanted format, each file completely or not at all, many reports in parallel.

Laying out a page keeps one core busy, so large numbers of reports are written by worker processes. A worker gets
finished reports, so it reads nothing but fonts and templates.

Each recipient gets the PDF encrypted with their own password (AES-256, standard security handler of PDF 2.0, revision
6; ISO 32000-2, 7.6.4). This protects against someone who finds the file, but not against a long search for the
password, so short passwords are refused.
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
from functools import cache, partial
from pathlib import Path
from typing import Any

from pmfer.errors import ReportError
from reports import Format, Printed
from reports.document import report_json
from reports.patient import PatientReport
from reports.ward import WardReport

SHORTEST_PASSWORD = 12  # characters; the file can be attacked offline, so only the length protects it
LONGEST_PASSWORD = 127  # bytes in UTF-8; revision 6 ignores what comes after
_RECIPIENT_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9_-]{0,31}")
DIED = "the process writing it died, perhaps out of memory; use fewer processes"
IGNORE_CTRL_C = (signal.SIGINT, signal.SIG_IGN)  # the parent process handles it
ORDERS_PER_PROCESS = 8  # a process takes as long to start as four reports to write, so fewer orders are not worth one
PRIVATE = 0o600  # readable by the owner only; whoever passes a report on decides who else may read it


@dataclass(frozen=True)
class Recipient:
    """Someone who receives reports encrypted with their own password.

    Raises:
        ReportError: the name is not a valid folder name, or the password is too short or too long. The message never
            shows the password.
    """

    name: str  # also the name of a folder: at most 32 letters, digits, hyphens and underscores
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
    """Encrypt a PDF with the recipient's password. Tags and title are kept.

    Two calls give different bytes, because each file has its own keys. The owner password, which could lift the
    permissions, is random and never stored.
    """
    import pikepdf  # slow to import, and only needed when a report has a password

    # A report may be read aloud, printed and copied from, but not changed.
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
    files: Mapping[Format, Path]  # unencrypted files; a ward has no FHIR
    protected: Mapping[Path, Recipient] = field(default_factory=dict)  # encrypted PDFs, by their recipients
    name: str | None = field(default=None, repr=False)  # the patient's name, for print; None: only the pseudonym
    # Keyword arguments of reports.render: language, page size, contact.
    options: Mapping[str, Any] = field(default_factory=dict)
    printed: Printed | None = None  # shown on the pages; None: not shown

    @property
    def paths(self) -> tuple[Path, ...]:
        """All files, unencrypted ones first."""
        return (*self.files.values(), *self.protected)


def write_files(order: Order) -> None:
    """Write every file of an order, each completely or not at all.

    The PDF inside a FHIR bundle never shows the patient's name.

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
        from reports.fhir import patient_fhir  # slow to import: it loads an HTTP library

        language = order.options.get("language", "en")
        _write_whole(patient_fhir(report, pdf_with(None), language), files[Format.FHIR])


def _pdf(order: Order, name: str | None) -> bytes:
    from reports.render import patient_pdf, ward_pdf  # slow to import: it loads WeasyPrint

    if isinstance(order.report, PatientReport):
        return patient_pdf(order.report, name, printed=order.printed, **order.options)
    return ward_pdf(order.report, printed=order.printed, **order.options)


def _html(order: Order) -> str:
    from reports.pages import patient_html, ward_html  # slow to import: it loads the templates, charts and words

    if isinstance(order.report, PatientReport):
        return patient_html(order.report, order.name, printed=order.printed, **order.options)
    return ward_html(order.report, printed=order.printed, **order.options)


def _write_whole(content: bytes, target: Path) -> None:
    """Write a temporary file beside the target, then rename it, so that readers see either the old report or the new.

    Missing folders are created, accessible to the owner only.

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
    """The result of one order."""

    order: Order
    error: str | None  # one line that says what went wrong; None if every file was written


def write_all(orders: Sequence[Order], processes: int) -> Iterator[Outcome]:
    """Write the files of many orders, and yield each outcome as soon as it is known, in no fixed order.

    A report that cannot be written, or whose process dies, for example because it runs out of memory, gives an outcome
    with an error. The other reports are still written.

    Args:
        orders: what to write.
        processes: the largest number to use, at least 1. With 1, this process does the work.
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
            pool.shutdown(wait=False, cancel_futures=True)  # interrupted: do not wait for the rest
            raise
    yield from _one_by_one(list(waiting.values()))


def _one_by_one(orders: Sequence[Order]) -> Iterator[Outcome]:
    """Write the orders left when a process died and broke the pool: one at a time, to find the one that kills it."""
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
        return f"report of {_whose(order)}: the template is broken ({error}); install this release again"
    except MemoryError:
        return f"report of {_whose(order)}: not enough memory; use fewer processes"
    return None


def _pool(processes: int) -> ProcessPoolExecutor:
    """Spawned processes: forked ones would inherit locks held by threads of Prefect, polars and DuckDB."""
    spawn = multiprocessing.get_context("spawn")
    return ProcessPoolExecutor(processes, mp_context=spawn, initializer=signal.signal, initargs=IGNORE_CTRL_C)


def _whose(order: Order) -> str:
    return f"patient {order.report.patient_id}" if isinstance(order.report, PatientReport) else "the ward"
