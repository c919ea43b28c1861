"""How the house wants its reports: formats, recipients, names, processes, rules; and which files one report makes.

    reports/2026-03-21/p01.pdf                  the PDF that anybody can open
    reports/2026-03-21/p01.html                 the same page for the screen
    reports/2026-03-21/p01.json                 everything printed, as data
    reports/2026-03-21/fhir/p01.json            the FHIR bundle
    reports/2026-03-21/for-night-team/p01.pdf   the PDF under the password of a recipient

A folder of its own keeps apart what has the same suffix: a pseudonym may contain dots, so p01.fhir.json could be a
patient's. The ward overview is called `ward` in place of the pseudonym and has no FHIR bundle.
"""

import os
from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

from flows.data_folder import WARD
from flows.privacy.name_map import read_names
from flows.recipients import read_recipients
from flows.settings import Settings, read_secret
from reports import Format
from reports.measures import DEFAULT_THRESHOLDS, Thresholds, thresholds_with
from reports.patient import PatientReport
from reports.render import Recipient
from reports.ward import WardReport
from reports.write import Order

SUFFIXES = ("pdf", "html", "json")  # of all files


@dataclass(frozen=True)
class Printing:
    """What reports are written as and for whom."""

    formats: tuple[Format, ...]  # in the open
    recipients: tuple[Recipient, ...] = ()  # with their passwords, which are not shown
    name_map: Path | None = None  # read when something is printed, so that a change of it counts at once
    processes: int = 1  # that render
    options: Mapping[str, Any] = field(default_factory=dict)  # keyword options of reports.render
    thresholds: Thresholds = DEFAULT_THRESHOLDS  # at which a report abstains or speaks up


def printing_of(settings: Settings, formats: Iterable[Format] = ()) -> Printing:
    """How the settings want reports.

    Args:
        settings: the settings.
        formats: in place of those of the settings; none: theirs. Whoever names the PDF here gets it in the open.

    Raises:
        ConfigurationError: the file of recipients is wrong, or a password is missing.
    """
    recipients = read_recipients(settings.report_recipients, read_secret)
    wanted = tuple(dict.fromkeys(formats)) or tuple(dict.fromkeys(settings.report_formats))
    if recipients and not formats and not settings.report_open_pdf:
        wanted = tuple(form for form in wanted if form is not Format.PDF)
    return Printing(
        formats=wanted,
        recipients=recipients,
        name_map=settings.name_map,
        processes=settings.report_processes or os.cpu_count() or 1,
        options={"language": settings.report_language, "page_size": settings.report_page_size},
        thresholds=thresholds_with(settings.report_rules),
    )


def files_in(folder: Path, report: PatientReport | WardReport, printing: Printing) -> Order:
    """The files of one report below the folder of its day; the patient's name is still to be filled in."""
    of_patient = isinstance(report, PatientReport)
    stem = report.patient_id if isinstance(report, PatientReport) else WARD
    wanted = [form for form in Format if form in printing.formats and (of_patient or form is not Format.FHIR)]
    return Order(
        report=report,
        files={form: _path(folder, stem, form) for form in wanted},
        protected={folder / f"for-{to.name}" / f"{stem}.pdf": to for to in printing.recipients},
        options=printing.options,
    )


def names_for(printing: Printing) -> Mapping[str, str]:
    """The names by pseudonym that are printed.

    Raises:
        ReportError: the map of names cannot be read.
    """
    return read_names(printing.name_map)


def _path(folder: Path, stem: str, form: Format) -> Path:
    return folder / "fhir" / f"{stem}.json" if form is Format.FHIR else folder / f"{stem}.{form.value}"
