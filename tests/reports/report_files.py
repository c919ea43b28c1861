"""Samples as files, made once per test process, for the tests of the PDFs."""

from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

import pikepdf

from reports import Format
from reports.pages import patient_html, ward_html
from reports.patient import PatientReport
from reports.ward import WardReport
from reports.write import Order, write_files

Report = PatientReport | WardReport


@dataclass(frozen=True)
class Sample:
    """One report and its print options."""

    report: Report
    name: str | None = None  # of the patient
    language: str = "en"
    page_size: str = "A4"

    @property
    def html(self) -> str:
        """The page in its usual fit."""
        if isinstance(self.report, PatientReport):
            return patient_html(self.report, self.name, language=self.language, page_size=self.page_size)
        return ward_html(self.report, language=self.language, page_size=self.page_size)

    def render(self, target: Path) -> Path:
        """The PDF."""
        options = {"language": self.language, "page_size": self.page_size}
        write_files(Order(self.report, {Format.PDF: target}, name=self.name, options=options))
        return target


def elements(node: pikepdf.Object) -> Iterator[pikepdf.Dictionary]:
    """All structure elements below `node`, in reading order."""
    kids = node.get("/K")
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from elements(kid)
