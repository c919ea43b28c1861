"""From a report to a PDF file: Jinja2 for the page, WeasyPrint for the print, PDF/UA-1 for everybody.

The same report gives the same bytes: no clock, no network, no font but the packaged ones.
"""

# mypy: untyped-calls-exclude=weasyprint
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2
import weasyprint
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from pmfer.errors import ReportError
from reports import charts
from reports.fonts import FONT_FILES, font_path
from reports.patient import PatientReport, SessionLine
from reports.private_file import write_private
from reports.ward import WardReport
from reports.words import formats, labels, sentences, ward_sentences

TEMPLATES = Path(__file__).parent / "templates"
STYLES = ("page.css",)  # what a template may ask for beside the fonts, as `asset:NAME`
WORDS: dict[str, ModuleType] = {
    "formats": formats,
    "labels": labels,
    "sentences": sentences,
    "ward_sentences": ward_sentences,
}


class AssetFetcher(URLFetcher):
    """Hands WeasyPrint this room's style sheets and fonts, and nothing else: no file, no network."""

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        """Open `asset:NAME`.

        Raises:
            FatalURLFetchingError: for any other address. It stops the rendering; an ordinary error would leave a hole.
        """
        name = url.removeprefix("asset:")
        if url.startswith("asset:") and name in STYLES:
            return URLFetcherResponse(url, (TEMPLATES / name).read_bytes(), {"Content-Type": "text/css"})
        if url.startswith("asset:") and name in FONT_FILES:
            return URLFetcherResponse(url, font_path(name).read_bytes(), {"Content-Type": "font/ttf"})
        raise FatalURLFetchingError(f"address {url[:80]} is not one of the report's own files")


def render_patient(report: PatientReport, target: Path, name: str | None = None) -> None:
    """Write the PDF of one patient's day to `target`, whole or not at all.

    Args:
        report: what is printed.
        target: the file.
        name: the patient's name, printed beside the pseudonym; None: the pseudonym alone. It is no part of the report,
            whose digest is stored.

    Raises:
        ReportError: a font is missing, the page cannot be laid out or the file cannot be written.
    """
    write_private(patient_pdf(report, name), target)


def render_ward(report: WardReport, target: Path) -> None:
    """Write the PDF of the ward overview to `target`, whole or not at all.

    Raises:
        ReportError: a font is missing, the page cannot be laid out or the file cannot be written.
    """
    write_private(ward_pdf(report), target)


def patient_pdf(report: PatientReport, name: str | None = None) -> bytes:
    """The PDF of one patient's day, see `render_patient`.

    Raises:
        ReportError: a font is missing or the page cannot be laid out.
    """
    return _pdf(patient_html(report, name), f"patient {report.patient_id}")


def ward_pdf(report: WardReport) -> bytes:
    """The PDF of the ward overview, see `render_ward`.

    Raises:
        ReportError: a font is missing or the page cannot be laid out.
    """
    return _pdf(ward_html(report), "ward overview")


def patient_html(report: PatientReport, name: str | None = None) -> str:
    """The page of one patient's day before it is laid out."""
    return _page(
        "patient.html.j2",
        report=report,
        who=f"{report.patient_id}, {name}" if name else report.patient_id,
        lead=sentences.lead(report),
        trends=[(trend.finding, charts.trend_chart(trend)) for trend in report.trends],
        strip=charts.day_strip(report.sessions) if report.sessions else None,
        listed=listed_sessions(report),
        phrases=list(zip(report.phrases, charts.phrase_bars(report.phrases), strict=True)),
    )


def ward_html(report: WardReport) -> str:
    """The ward overview before it is laid out."""
    return _page(
        "ward.html.j2",
        report=report,
        changed=[(row, charts.trend_chart(row.leading, charts.SPARK_SIZE)) for row in report.changed],
    )


def listed_sessions(report: PatientReport) -> tuple[SessionLine, ...]:
    """The rows of the table of sessions, by time: all, or on a crowded day those with the strongest activity."""
    limit = report.thresholds.listed_sessions
    if len(report.sessions) <= limit:
        return report.sessions
    strongest = sorted(report.sessions, key=lambda line: -(line.pain_activity or 0.0))[:limit]
    return tuple(line for line in report.sessions if line in strongest)


def _page(template: str, **content: Any) -> str:
    return _environment().get_template(template).render(**content)


@cache
def _environment() -> jinja2.Environment:
    """Templates escape everything and stop at a name that is not there."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(WORDS)
    return environment


def _pdf(html: str, name: str) -> bytes:
    for font in FONT_FILES:
        font_path(font)  # a missing font is an error here; the renderer would only warn
    try:
        document = weasyprint.HTML(string=html, url_fetcher=AssetFetcher())  # type: ignore[no-untyped-call]
        pdf: bytes = document.write_pdf(pdf_variant="pdf/ua-1", font_config=FontConfiguration())
    except FatalURLFetchingError as error:
        raise ReportError(f"report of {name}: {error}") from None
    return pdf
