"""The HTML pages of the reports before layout: charts and sentences filled into the templates.

A page fit decides how much space each part gets. What does not fit on the sheets is drawn smaller, or counted instead
of listed; findings are never left out.
"""

from dataclasses import dataclass, replace
from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2

from pmfer.errors import ReportError
from reports import LONGEST_NAME, Printed
from reports.charts.day import day_strip, face_drawing
from reports.charts.layout import Size
from reports.charts.weeks import (
    COMPACT,
    COMPACT_GLANCE,
    FULL,
    GLANCE,
    SPARK,
    TrendChart,
    care_strip,
    glance_chart,
    heat_strips,
    trend_chart,
)
from reports.evidence import shared_moments
from reports.findings import Stage
from reports.fonts import drawable, isolated
from reports.measures import Unit
from reports.patient import PatientReport, SessionLine
from reports.trends import Trend
from reports.ward import WardReport, WardRow
from reports.words import (
    finding_sentences,
    flag_sentences,
    labels,
    patient_lead,
    patient_sentences,
    pictures,
    ward_sentences,
)
from reports.words import language as spoken

TEMPLATES = Path(__file__).parent / "templates"
PAGE_SIZES = ("A4", "Letter")
LONGEST_CONTACT = 200  # printed characters of the line that says whom to ask
FEWEST_BY_CHANGE = 2  # patients with a line of their own, below which the lists of others no longer say what changed
PATIENT_SHEETS, WARD_SHEETS = 2, 1  # the most that a report may take
WORDS: dict[str, ModuleType] = {
    "finding_sentences": finding_sentences,
    "flag_sentences": flag_sentences,
    "labels": labels,
    "language": spoken,
    "patient_lead": patient_lead,
    "patient_sentences": patient_sentences,
    "pictures": pictures,
    "ward_sentences": ward_sentences,
}


@dataclass(frozen=True)
class Sheets:
    """The number of sheets a report takes."""

    first_part: int  # those before the part that starts on a new sheet; all of them if there is no such part
    all: int


@dataclass(frozen=True)
class Rows:
    """The largest number of rows of each kind on a patient's second page."""

    sessions: int  # those with the most pain-related facial activity
    moments: int  # those of new flags and the largest changes first
    quarantined: int  # sessions in quarantine


SECOND_PAGES = (
    *(Rows(6, 5, 4), Rows(3, 5, 4), Rows(2, 5, 4), Rows(1, 5, 3)),
    *(Rows(0, 5, 2), Rows(0, 4, 1), Rows(0, 3, 1), Rows(0, 2, 0), Rows(0, 1, 0)),
)


@dataclass(frozen=True)
class PatientFit:
    """How much space the parts of a patient's two pages get."""

    full_charts: int = 4  # number of trends with scales; the others are drawn small
    second_page: int = 0  # index into SECOND_PAGES
    tight: bool = False  # smaller type on the first page, once all charts are small

    @property
    def rows(self) -> Rows:
        """The number of rows on the second page."""
        return SECOND_PAGES[self.second_page]

    def smaller(self, sheets: Sheets) -> "PatientFit | None":
        """The next fit to try if this one takes so many sheets; None if it fits, or nothing more can shrink."""
        if sheets.all <= PATIENT_SHEETS:
            return None
        charts, page, tight = self.full_charts, self.second_page, self.tight
        if sheets.first_part > 1:
            charts, tight = max(charts - 1, 0), charts == 0
        if sheets.all - sheets.first_part > 1:
            page = min(page + 1, len(SECOND_PAGES) - 1)
        fit = PatientFit(charts, page, tight)
        return None if fit == self else fit


@dataclass(frozen=True)
class WardFit:
    """How much space the parts of the ward's page get."""

    changed: int = 8  # patients with a line of their own
    letters: int = 600  # characters of each list of patients without a flag; further patients are only counted
    flagged_letters: int = 2400  # likewise of patients with a flag, who are counted only if nothing else can shrink
    by_change: bool = True  # the lists of patients with a flag say what changed

    def smaller(self, sheets: Sheets) -> "WardFit | None":
        """The next fit to try if this one takes so many sheets; None if it fits, or nothing more can shrink."""
        if sheets.all <= WARD_SHEETS:
            return None
        if self.by_change and self.changed <= FEWEST_BY_CHANGE:
            return WardFit(by_change=False)  # as many patients with a line of their own as then fit
        if self.changed > 1:
            return replace(self, changed=self.changed - 1, letters=75 * (self.changed - 1))
        fewer = self.flagged_letters // 2
        return replace(self, flagged_letters=fewer) if fewer >= self.letters else None


def usual_fit(report: PatientReport) -> PatientFit:
    """The fit to try first. If there are moments to look at, the table of sessions gets fewer rows."""
    return PatientFit(second_page=1 if report.evidence else 0)


def patient_html(
    report: PatientReport,
    name: str | None = None,
    *,
    language: str = "en",
    page_size: str = "A4",
    contact: str | None = None,
    printed: Printed | None = None,
    fit: PatientFit | None = None,
) -> str:
    """The HTML of one patient's report, before layout.

    Args:
        report: what is printed.
        name: the patient's name, printed beside the pseudonym; None: only the pseudonym.
        language: one of reports.words.language.LANGUAGES.
        page_size: one of PAGE_SIZES.
        contact: one line that says whom staff may ask; None: no such line.
        printed: time of printing; None: it is not shown.
        fit: how much space each part gets; None: `usual_fit`.
    """
    say = spoken.language(language)
    fit = fit or usual_fit(report)
    rows = fit.rows
    first, last = report.trends[0].first_day, report.trends[0].last_day
    shown = drawable(report.patient_id)
    by_key = {finding.key: finding for finding in report.findings}
    return _page(
        "patient.html.j2",
        say=say,
        page_size=page_size,
        report=report,
        who=f"{shown}, {isolated(drawable(name[:LONGEST_NAME], keep_letters=True))}" if name else shown,
        lead=patient_lead.lead(say, report),
        tight=fit.tight,
        contact=_contact(contact),
        printed=printed,
        trends=[
            (
                trend.finding,
                trend_chart(say, trend, size, report.care_events, report.model_since),
                glance_chart(say, glance, trend, GLANCE if size is FULL else COMPACT_GLANCE),
            )
            for (trend, size), glance in zip(_sized(report, fit.full_charts), report.glances, strict=True)
        ],
        care=care_strip(say, report.care_events, first, last),
        moments=[
            ([finding_sentences.symbol(by_key[key]) for key in shared.keys], shared)
            for shared in shared_moments(report.evidence)[: rows.moments]
        ],
        phrases=list(zip(report.phrases, heat_strips(say, report.phrase_trends), strict=True)),
        face=face_drawing(say, report.leading, seen=report.seen),
        strip=day_strip(say, report.sessions) if report.sessions else None,
        listed=listed_sessions(report, rows.sessions),
        quarantined=report.quarantined[: rows.quarantined],
        units=Unit,
    )


def ward_html(
    report: WardReport,
    *,
    language: str = "en",
    page_size: str = "A4",
    contact: str | None = None,
    printed: Printed | None = None,
    fit: WardFit | None = None,
) -> str:
    """The HTML of the ward overview, before layout; arguments as for `patient_html`."""
    say = spoken.language(language)
    fit = fit or WardFit()
    with_line = report.put_forward[: fit.changed]

    def drawn(rows: tuple[WardRow, ...]) -> list[tuple[WardRow, TrendChart]]:
        return [(row, trend_chart(say, row.leading, SPARK)) for row in rows if row in with_line]

    def named(rows: tuple[WardRow, ...]) -> list[WardRow]:
        return [row for row in rows if row not in with_line]

    return _page(
        "ward.html.j2",
        say=say,
        page_size=page_size,
        report=report,
        contact=_contact(contact),
        printed=printed,
        groups=[
            (ward_sentences.group(say, stage, report.day), drawn(rows), named(rows))
            for stage, rows in ((Stage.NEW, report.new), (Stage.OPEN, report.still_open))
            if rows
        ],
        fit=fit,
    )


def _contact(contact: str | None) -> str:
    return spoken.clipped(contact, LONGEST_CONTACT) if contact else ""


def _sized(report: PatientReport, full: int) -> list[tuple[Trend, Size]]:
    """Each trend with its size, in order: flagged ones are drawn in full first, then the first others."""
    changed = [finding.key for finding in report.changes]
    others = [finding.key for finding in report.findings if finding.key not in changed]
    in_full = {*changed[:full], *others[: max(full - len(changed), 0)]}
    return [(trend, FULL if trend.finding.key in in_full else COMPACT) for trend in report.trends]


def listed_sessions(report: PatientReport, limit: int) -> tuple[SessionLine, ...]:
    """The rows of the table of sessions, by time: all of them, or those with the most pain-related activity."""
    if len(report.sessions) <= limit:
        return report.sessions
    strongest = sorted(report.sessions, key=lambda line: -(line.pain_activity or 0.0))[:limit]
    return tuple(line for line in report.sessions if line in strongest)


def _page(template: str, *, page_size: str, **content: Any) -> str:
    if page_size not in PAGE_SIZES:
        raise ReportError(f"page size {page_size}: not known; choose one of {', '.join(PAGE_SIZES)}")
    return _environment().get_template(template).render(page_size=page_size, **content)


@cache
def _environment() -> jinja2.Environment:
    """Templates escape everything and raise an error for an undefined name."""
    environment = jinja2.Environment(
        loader=jinja2.FileSystemLoader(TEMPLATES),
        autoescape=True,
        undefined=jinja2.StrictUndefined,
        trim_blocks=True,
        lstrip_blocks=True,
    )
    environment.globals.update(WORDS)
    return environment
