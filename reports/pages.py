"""The pages of the reports before they are laid out: what is drawn and said, filled into the templates."""

from functools import cache
from pathlib import Path
from types import ModuleType
from typing import Any

import jinja2

from pmfer.errors import ReportError
from reports.charts.care import care_strip
from reports.charts.day import day_strip
from reports.charts.face import face_drawing
from reports.charts.heat import heat_strips
from reports.charts.layout import Size
from reports.charts.trend import COMPACT, FULL, SPARK, trend_chart
from reports.fonts import isolated, printable
from reports.measures import Unit
from reports.patient import PatientReport, SessionLine
from reports.room import PatientRoom, WardRoom, usual_room
from reports.trend import Trend
from reports.ward import WardReport
from reports.words import findings, formats, labels, pictures, sentences, ward_sentences
from reports.words.language import language as spoken
from reports.words.lead import lead

TEMPLATES = Path(__file__).parent / "templates"
PAGE_SIZES = ("A4", "Letter")
LONGEST_NAME = 100  # characters of a patient's name that are printed
WORDS: dict[str, ModuleType] = {
    "findings": findings,
    "formats": formats,
    "labels": labels,
    "pictures": pictures,
    "sentences": sentences,
    "ward_sentences": ward_sentences,
}


def patient_html(
    report: PatientReport,
    name: str | None = None,
    *,
    language: str = "en",
    page_size: str = "A4",
    room: PatientRoom | None = None,
) -> str:
    """The page of one patient's day before it is laid out; `room` is what to spread out, None: what usually fits."""
    say = spoken(language)
    room = room or usual_room(report)
    rows = room.rows
    first, last = report.trends[0].first_day, report.trends[0].last_day
    shown = printable(report.patient_id)
    by_key = {finding.key: finding for finding in report.findings}
    return _page(
        "patient.html.j2",
        say=say,
        page_size=page_size,
        report=report,
        who=f"{shown}, {isolated(printable(name[:LONGEST_NAME], keep_letters=True))}" if name else shown,
        lead=lead(say, report),
        trends=[
            (trend.finding, trend_chart(say, trend, size, report.care_events, report.model_since))
            for trend, size in _sized(report, room.full_charts)
        ],
        care=care_strip(say, report.care_events, first, last),
        evidence=[(by_key[evidence.key], evidence.moments) for evidence in report.evidence[: rows.flags]],
        phrases=list(zip(report.phrases, heat_strips(say, report.phrase_trends), strict=True)),
        face=face_drawing(say, report.leading, seen=report.seen),
        strip=day_strip(say, report.sessions) if report.sessions else None,
        listed=listed_sessions(report, rows.sessions),
        set_aside=report.set_aside[: rows.set_aside],
        units=Unit,
    )


def ward_html(report: WardReport, *, language: str = "en", page_size: str = "A4", room: WardRoom | None = None) -> str:
    """The ward overview before it is laid out; `room` is what to spread out, None: what usually fits."""
    say = spoken(language)
    room = room or WardRoom()
    told = report.put_forward[: room.changed]
    also = report.changed[len(told) :]
    return _page(
        "ward.html.j2",
        say=say,
        page_size=page_size,
        report=report,
        changed=[(row, trend_chart(say, row.leading, SPARK)) for row in told],
        also_changed=[row.patient_id for row in also],
        letters=room.letters,
    )


def _sized(report: PatientReport, full: int) -> list[tuple[Trend, Size]]:
    """Every trend in its place, the changed ones and then the first ones in full size, the others small."""
    changed = [finding.key for finding in report.changes]
    others = [finding.key for finding in report.findings if finding.key not in changed]
    in_full = {*changed[:full], *others[: max(full - len(changed), 0)]}
    return [(trend, FULL if trend.finding.key in in_full else COMPACT) for trend in report.trends]


def listed_sessions(report: PatientReport, limit: int) -> tuple[SessionLine, ...]:
    """The rows of the table of sessions, by time: all, or on a crowded day those with the strongest activity."""
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
