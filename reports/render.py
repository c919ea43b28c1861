"""From a report to a PDF file: templates for the page, WeasyPrint for the print, PDF/UA-1 for everybody.

The same report gives the same bytes: no clock, no network, no font but the packaged ones.
"""

import os
import tempfile
from pathlib import Path

from pmfer.errors import ReportError
from reports.pages import patient_html, ward_html
from reports.patient import PatientReport
from reports.pdf import fitted_pdf
from reports.room import PatientRoom, WardRoom, usual_room
from reports.ward import WardReport

__all__ = ["patient_html", "patient_pdf", "render_patient", "render_ward", "ward_html", "ward_pdf"]

PRIVATE = 0o600  # a report is read by its owner; whoever hands it out decides who else does


def render_patient(
    report: PatientReport, target: Path, name: str | None = None, *, language: str = "en", page_size: str = "A4"
) -> None:
    """Write the PDF of one patient's day to `target`, whole or not at all; see `patient_pdf`.

    Raises:
        ReportError: the page cannot be laid out or the file cannot be written.
    """
    _write(patient_pdf(report, name, language=language, page_size=page_size), target)


def render_ward(report: WardReport, target: Path, *, language: str = "en", page_size: str = "A4") -> None:
    """Write the PDF of the ward overview to `target`, whole or not at all; see `ward_pdf`.

    Raises:
        ReportError: the page cannot be laid out or the file cannot be written.
    """
    _write(ward_pdf(report, language=language, page_size=page_size), target)


def patient_pdf(
    report: PatientReport, name: str | None = None, *, language: str = "en", page_size: str = "A4"
) -> bytes:
    """The PDF of one patient's day, at most two sheets.

    Args:
        report: what is printed.
        name: the patient's name, printed beside the pseudonym; None: the pseudonym alone. It is no part of the report,
            whose digest is stored.
        language: one of reports.words.language.LANGUAGES.
        page_size: one of reports.pages.PAGE_SIZES.

    Raises:
        ReportError: the language or the page size is not known, a font or a letter is missing, or something would be
            missing on the page.
    """

    def page_of(room: PatientRoom) -> str:
        return patient_html(report, name, language=language, page_size=page_size, room=room)

    return fitted_pdf(page_of, usual_room(report), f"patient {report.patient_id}")


def ward_pdf(report: WardReport, *, language: str = "en", page_size: str = "A4") -> bytes:
    """The PDF of the ward overview, one sheet; arguments and errors as for `patient_pdf`."""

    def page_of(room: WardRoom) -> str:
        return ward_html(report, language=language, page_size=page_size, room=room)

    return fitted_pdf(page_of, WardRoom(), "ward overview")


def _write(pdf: bytes, target: Path) -> None:
    """A temporary file beside the target, then a rename: whoever looks finds the old report or the new one."""
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(pdf)
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).chmod(PRIVATE)
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportError(f"report {target}: cannot be written ({error.strerror}); check the folder") from None
