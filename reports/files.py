"""One report in all the forms that are wanted, each a file of its own."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache, partial
from pathlib import Path
from typing import Any

from reports.document import report_json
from reports.format import Format
from reports.patient import PatientReport
from reports.private_file import write_private
from reports.protection import Recipient, protected
from reports.render import patient_html, patient_pdf, ward_html, ward_pdf
from reports.screen import screen_html
from reports.ward import WardReport


@dataclass(frozen=True)
class Order:
    """A report and the files that it is to become."""

    report: PatientReport | WardReport
    files: Mapping[Format, Path]  # in the open; a ward has no FHIR
    protected: Mapping[Path, Recipient] = field(default_factory=dict)  # PDFs under a password
    name: str | None = field(default=None, repr=False)  # the patient's, for print; None: the pseudonym alone
    options: Mapping[str, Any] = field(default_factory=dict)  # keyword options of reports.render: language, page size

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
        write_private(pdf_with(order.name), files[Format.PDF])
    for path, recipient in order.protected.items():
        write_private(protected(pdf_with(order.name), recipient), path)
    if Format.HTML in files:
        write_private(screen_html(_html(order)), files[Format.HTML])
    if Format.JSON in files:
        write_private(report_json(report), files[Format.JSON])
    if Format.FHIR in files and isinstance(report, PatientReport):
        from reports.fhir import patient_fhir  # brings an HTTP library along, which nobody else needs to load

        language = order.options.get("language", "en")
        write_private(patient_fhir(report, pdf_with(None), language), files[Format.FHIR])


def _pdf(order: Order, name: str | None) -> bytes:
    if isinstance(order.report, PatientReport):
        return patient_pdf(order.report, name, **order.options)
    return ward_pdf(order.report, **order.options)


def _html(order: Order) -> str:
    if isinstance(order.report, PatientReport):
        return patient_html(order.report, order.name, **order.options)
    return ward_html(order.report, **order.options)
