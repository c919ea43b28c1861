"""From a report to a PDF file: templates for the page, WeasyPrint for the print, PDF/UA-1 for everybody.

The same report gives the same bytes: no clock, no network, no font but the packaged ones.
"""

from pathlib import Path

from reports.pages import patient_html, ward_html
from reports.patient import PatientReport
from reports.pdf import fitted_pdf
from reports.private_file import write_private
from reports.room import PatientRoom, WardRoom, usual_room
from reports.ward import WardReport

__all__ = ["patient_html", "patient_pdf", "render_patient", "render_ward", "ward_html", "ward_pdf"]


def render_patient(
    report: PatientReport, target: Path, name: str | None = None, *, language: str = "en", page_size: str = "A4"
) -> None:
    """Write the PDF of one patient's day to `target`, whole or not at all; see `patient_pdf`.

    Raises:
        ReportError: the page cannot be laid out or the file cannot be written.
    """
    write_private(patient_pdf(report, name, language=language, page_size=page_size), target)


def render_ward(report: WardReport, target: Path, *, language: str = "en", page_size: str = "A4") -> None:
    """Write the PDF of the ward overview to `target`, whole or not at all; see `ward_pdf`.

    Raises:
        ReportError: the page cannot be laid out or the file cannot be written.
    """
    write_private(ward_pdf(report, language=language, page_size=page_size), target)


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
