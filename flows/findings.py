"""Findings as rows: what reports say, which flags exist, and new usual levels that people accept or undo."""

from collections.abc import Iterable, Iterator
from datetime import date
from typing import Literal

import polars as pl

from flows.plain_text import escaped, printable
from flows.warehouse_access import WarehouseAccess, require_existing
from pmfer.errors import ConfigurationError
from reports.data import Origin
from reports.findings import Finding
from reports.measures import HEADLINE_MEASURES
from reports.patient import PatientReport
from reports.ward import WardReport
from warehouse import findings, queries
from warehouse.connection import open_reader
from warehouse.records import AcceptedLevel, FindingRecord

MAX_NOTE = 500  # characters
Kind = Literal["headline", "phrase", "context"]


def finding_records(reports: Iterable[PatientReport | WardReport]) -> list[FindingRecord]:
    """The findings of reports, as rows.

    A patient's report gives one row per measure. The facility's overview gives rows for patients of whom nothing was
    recorded that day: they have no report, but may have an open flag. Overviews of single wards add nothing.
    """
    return [record for report in reports for record in _records_of(report)]


def _records_of(report: PatientReport | WardReport) -> Iterator[FindingRecord]:
    if isinstance(report, PatientReport):
        parts: tuple[tuple[Kind, tuple[Finding, ...]], ...] = (
            ("headline", report.findings),
            ("phrase", report.phrases),
            ("context", report.context),
        )
        for kind, part in parts:
            yield from (_record(report.patient_id, report.day, report.origin, kind, finding) for finding in part)
        return
    if report.ward is not None:
        return
    for row in report.rows:
        if not row.quality.sessions and not row.quarantined:
            for finding in row.findings:
                yield _record(row.patient_id, report.day, report.origin, "headline", finding)


def _record(patient_id: str, day: date, origin: Origin, kind: Kind, finding: Finding) -> FindingRecord:
    low, high = finding.usual or (None, None)
    base, flag = finding.baseline, finding.episode
    return FindingRecord(
        patient_id=patient_id,
        session_date=day,
        measure=finding.key,
        bundle_id=origin.bundle_id,
        options_sha256=origin.options_sha256,
        kind=kind,
        state=finding.state.value,
        stage=finding.stage.value,
        code_version=origin.software,
        rules=tuple(signal.rule.value for signal in finding.signals),
        value=finding.value,
        recent=finding.recent,
        mean_since=finding.mean_since,
        usual_low=low,
        usual_high=high,
        centre=base.centre if base else None,
        limit_low=base.low if base else None,
        limit_high=base.high if base else None,
        baseline_days=base.days if base else 0,
        tentative=finding.tentative,
        direction=flag.state.value if flag else None,
        opened_on=flag.opened if flag else None,
        onset_on=flag.onset if flag else None,
        onset_from=flag.onset_from if flag else None,
        onset_to=flag.onset_to if flag else None,
        closed_on=flag.closed if flag else None,
        days_open=flag.days_open if flag else None,
        lack=finding.lack.value if finding.lack else None,
        accepted_on=finding.accepted_on,
    )


def flags(access: WarehouseAccess, patient_id: str | None, *, over: bool) -> tuple[pl.DataFrame, pl.DataFrame]:
    """Flags and accepted levels of one patient or (None) of all, as last published; see warehouse.findings.flags.

    Returns:
        Rows of flags and rows of accepted_levels. Without `over`, flags that have ended and levels that were undone are
        left out.

    Raises:
        ConfigurationError: the patient is not on record.
        WarehouseError: nothing was published yet.
    """
    with open_reader(access.warehouse) as reader:
        access.record_reading("findings")
        rows = findings.flags(reader, patient_id, over=over)
        levels = findings.accepted_levels(reader, patient_id)
        known = patient_id is None or rows.height or levels.height or patient_id in queries.patient_ids(reader)
        if not known and findings.flags(reader, patient_id).is_empty():
            raise ConfigurationError(f"patient '{printable(str(patient_id))}': nothing is stored; check the pseudonym")
        return rows, levels if over else levels.filter(pl.col("undone_at").is_null())


def accept(access: WarehouseAccess, level: AcceptedLevel) -> None:
    """Accept a new usual level, see warehouse.findings.accept_level.

    Raises:
        ConfigurationError: the measure is not one that patients are flagged for, the day is in the future, the note is
            missing or longer than MAX_NOTE, or there is no warehouse.
        WarehouseError: the patient or the day is not on record, or the level has already been accepted.
    """
    _require_measure(level.measure)
    if level.from_date > date.today():
        raise ConfigurationError(f"--from {level.from_date}: has not come yet; give the first day of the new level")
    if not 0 < len(level.note.strip()) <= MAX_NOTE or escaped(level.note) != level.note:
        raise ConfigurationError(f"--note: say why in 1 to {MAX_NOTE} characters on one line, without a name")
    require_existing(access.warehouse)
    with access.writing() as writer:
        findings.accept_level(writer.connection, level)


def undo(access: WarehouseAccess, patient_id: str, measure: str, from_date: date | None) -> date:
    """Undo an accepted level, see warehouse.findings.undo_level; return its first day.

    Raises:
        ConfigurationError: the measure is not known, or there is no warehouse.
        WarehouseError: no such level is accepted.
    """
    _require_measure(measure)
    require_existing(access.warehouse)
    with access.writing() as writer:
        return findings.undo_level(writer.connection, patient_id, measure, from_date)


def _require_measure(measure: str) -> None:
    known = [known.key for known in HEADLINE_MEASURES]
    if measure not in known:
        raise ConfigurationError(f"--measure '{printable(measure)}': not known; give one of {', '.join(known)}")
