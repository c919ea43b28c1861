"""The ward overview as data (who changed, who is not back, who lacks data), and all reports of a night.

Patients are ranked by their change in units of their own limits, never by comparing levels between patients.
"""

from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType
from typing import Self

import polars as pl

from pmfer.errors import QuarantineReason
from reports.control_charts import charts_of
from reports.daily import Quality, all_days, by_patient, quality_of, usable_session
from reports.data import CarriedFinding, NightData, Origin, ReportData, ReportReader
from reports.findings import Finding, Lack, Stage, missing_reason
from reports.measures import HEADLINE_MEASURES, PAIN_MOVEMENTS, Thresholds
from reports.patient import (
    PatientReport,
    charts_of_patients,
    compare_patient,
    last_places,
    valid_days_before,
    with_evidence,
)
from reports.situations import daily_parts
from reports.trends import HeadlineTrends, Trend, trends_of

PATIENTS_AT_ONCE = 50  # charted together; more are hardly faster, and each takes 1.4 MB per year of days


@dataclass(frozen=True)
class WardRow(HeadlineTrends):
    """One patient in the overview."""

    patient_id: str
    trends: tuple[Trend, ...]  # in the order of HEADLINE_MEASURES
    quality: Quality  # of the patient's day
    quarantined: int  # number of the patient's sessions of the day in quarantine
    days_before: int  # valid days before this one
    carried: tuple[CarriedFinding, ...] = ()  # flags of the earlier model that cannot be compared yet
    ward: str | None = None  # from the last session of the day that names one
    room: str | None = None  # likewise
    phrases: tuple[Finding, ...] = ()  # of PAIN_MOVEMENTS, if pain-related facial activity was not measured

    @classmethod
    def of_page(cls, report: PatientReport) -> Self:
        """The row of a patient whose page was computed."""
        return cls(
            patient_id=report.patient_id,
            trends=_without_intervals(report.trends),
            quality=report.quality,
            quarantined=len(report.quarantined),
            days_before=report.days_before,
            carried=report.carried,
            ward=report.ward,
            room=report.room,
            phrases=_movements(report.phrases) if _pain_hidden(report.trends) else (),
        )

    @property
    def stage(self) -> Stage:
        """The patient's stage: the first that applies of new, open, not compared, back, usual."""
        if self.changes:
            return self.changes[0].stage
        if self.lack is not None:
            return Stage.NOT_COMPARED
        return Stage.BACK if self.back else Stage.USUAL

    @property
    def leading(self) -> Trend:
        """The trend of the first change, or of the first measure if nothing changed."""
        first = self.changes[0] if self.changes else self.findings[0]
        return next(trend for trend in self.trends if trend.finding is first)


@dataclass(frozen=True)
class WardReport:
    """Everything on the ward overview of one day."""

    day: date
    new: tuple[WardRow, ...]  # with a flag that opened on the day, largest change first
    still_open: tuple[WardRow, ...]  # with flags from earlier days only, largest change first
    back: tuple[WardRow, ...]  # without a flag and back within the last days, by patient
    usual: tuple[WardRow, ...]  # by patient
    not_compared: tuple[WardRow, ...]  # by patient
    quality: Quality  # of the whole ward
    quarantined: tuple[tuple[QuarantineReason, int], ...]  # most frequent first, including unknown patients
    thresholds: Thresholds
    origin: Origin
    ward: str | None = None  # None: the whole facility

    @property
    def changed(self) -> tuple[WardRow, ...]:
        """All patients with an open flag: new ones first, each group by the size of the change."""
        return (*self.new, *self.still_open)

    @property
    def compared(self) -> int:
        """Number of patients whose day could be compared, with or without a flag."""
        return sum(row.lack is None for row in self.rows)

    @property
    def uncompared(self) -> tuple[WardRow, ...]:
        """Patients whose day could not be compared, including those with an open flag."""
        return tuple(row for row in self.rows if row.lack is not None)

    @property
    def carried(self) -> tuple[WardRow, ...]:
        """Patients with a flag that was open under the earlier model."""
        return tuple(row for row in self.rows if row.carried)

    @property
    def put_forward(self) -> tuple[WardRow, ...]:
        """The patients listed first: new flags, then open ones, as many as the alert budget allows."""
        return self.changed[: self.thresholds.alert_budget]

    @property
    def shown(self) -> tuple[str, ...]:
        """Pseudonyms of the patients in the overview."""
        return tuple(sorted(row.patient_id for row in self.rows))

    @property
    def patients(self) -> int:
        """Number of patients in the overview."""
        return len(self.rows)

    @property
    def rows(self) -> tuple[WardRow, ...]:
        """All patients, in the order of the overview."""
        return (*self.changed, *self.back, *self.usual, *self.not_compared)


def compare_night(
    reader: ReportReader,
    night: NightData,
    day: date,
    thresholds: Thresholds,
    patients: Sequence[str],
    wards: Sequence[str | None],
) -> tuple[list[PatientReport], list[WardReport]]:
    """The reports of `patients` and the overviews of `wards` for one day; None stands for the whole facility.

    Nothing is computed twice: an overview reuses the rows of pages and of other overviews.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    reports: list[PatientReport] = []
    for batch in _batches(patients):
        read = {patient_id: night.patients[patient_id] for patient_id in batch}
        charted = charts_of_patients(read, day, thresholds)
        for patient_id, data in read.items():
            report = compare_patient(data, patient_id, day, thresholds, charted[patient_id])
            reports.append(with_evidence(reader, report, data))
    rows = {report.patient_id: WardRow.of_page(report) for report in reports}
    overviews: list[WardReport] = []
    for ward in wards:
        data = night.house if ward is None else night.wards[ward]
        overviews.append(compare_ward(data, day, thresholds, rows))
        rows |= {row.patient_id: row for row in overviews[-1].rows}
    return reports, overviews


def compare_ward(
    data: ReportData,
    day: date,
    thresholds: Thresholds,
    known: Mapping[str, WardRow] = MappingProxyType({}),
) -> WardReport:
    """The overview of a facility or a ward.

    Args:
        data: what was read for all of its patients.
        day: local calendar day.
        thresholds: limits for abstention and findings.
        known: rows that were computed already, for a page or another overview of the day, by patient.
    """
    others = [patient_id for patient_id in data.patients if patient_id not in known]
    compared = {**known, **_rows_of(others, data, day, thresholds)} if others else known
    rows = [compared[patient_id] for patient_id in data.patients]
    by_stage = {stage: tuple(row for row in rows if row.stage is stage) for stage in Stage}
    reasons = Counter(QuarantineReason(reason) for reason in data.quarantine["reason"].sort())
    return WardReport(
        day=day,
        new=_largest_first(by_stage[Stage.NEW]),
        still_open=_largest_first(by_stage[Stage.OPEN]),
        back=by_stage[Stage.BACK],
        usual=by_stage[Stage.USUAL],
        not_compared=by_stage[Stage.NOT_COMPARED],
        quality=quality_of(data.summary.filter(pl.col("session_date") == day), usable_session(thresholds)),
        quarantined=tuple(reasons.most_common()),
        thresholds=thresholds,
        origin=data.origin,
        ward=data.ward,
    )


def _rows_of(patients: Sequence[str], data: ReportData, day: date, thresholds: Thresholds) -> dict[str, WardRow]:
    """Compute the rows of these patients of an overview."""
    sessions = by_patient(data.summary.filter(pl.col("session_date") == day), patients)
    daily = by_patient(all_days(data.summary, data.kept, thresholds), patients)
    parts = by_patient(daily_parts(data.summary, data.kept, thresholds), patients)
    quarantined = Counter(data.quarantine["patient_id"])
    accepted = {patient_id: data.accepted(patient_id) for patient_id in patients}
    rows = {}
    for batch in _batches(patients):
        charts = charts_of(HEADLINE_MEASURES, {name: daily[name] for name in batch}, day, thresholds, accepted, parts)
        for patient_id, charted in charts.items():
            today, levels = sessions[patient_id], accepted[patient_id]
            missing = missing_reason(today, quarantined[patient_id], thresholds)
            ward, room = last_places(today)
            trends = trends_of(HEADLINE_MEASURES, charted, day, missing, thresholds, accepted=levels)
            phrases: tuple[Finding, ...] = ()
            if _pain_hidden(trends):
                mine = {patient_id: daily[patient_id]}
                more = charts_of(PAIN_MOVEMENTS, mine, day, thresholds, accepted, parts)[patient_id]
                phrases = tuple(trend.finding for trend in trends_of(PAIN_MOVEMENTS, more, day, missing, thresholds))
            rows[patient_id] = WardRow(
                patient_id=patient_id,
                trends=trends,
                quality=quality_of(today, usable_session(thresholds)),
                quarantined=quarantined[patient_id],
                days_before=valid_days_before(daily[patient_id], day),
                carried=tuple(flag for flag in data.carried if flag.patient_id == patient_id),
                ward=ward,
                room=room,
                phrases=phrases,
            )
    return rows


def _pain_hidden(trends: Sequence[Trend]) -> bool:
    """Whether pain-related facial activity was not measured on a day whose face was seen."""
    return trends[0].finding.lack is Lack.NOT_MEASURED


def _movements(phrases: Sequence[Finding]) -> tuple[Finding, ...]:
    """The findings of PAIN_MOVEMENTS, without the intervals, which an overview has no room for."""
    told = [measure.key for measure in PAIN_MOVEMENTS]
    return tuple(replace(finding, interval=None) for finding in phrases if finding.key in told)


def _without_intervals(trends: Sequence[Trend]) -> tuple[Trend, ...]:
    """Drop the intervals, which an overview has no room for."""
    return tuple(replace(trend, finding=replace(trend.finding, interval=None)) for trend in trends)


def _batches(patients: Sequence[str]) -> Iterator[Sequence[str]]:
    return (patients[at : at + PATIENTS_AT_ONCE] for at in range(0, len(patients), PATIENTS_AT_ONCE))


def _largest_first(rows: tuple[WardRow, ...]) -> tuple[WardRow, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.changes[0].size, row.patient_id)))
