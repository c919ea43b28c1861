"""The day of a whole ward as data: the overview (who changed, who is not back, who lacks data), and all reports.

Patients are ranked by change in units of their own limits, never by level against each other.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date
from types import MappingProxyType

import polars as pl

from pmfer.errors import QuarantineReason
from reports.daily import Quality, all_days, quality_of, usable_session
from reports.data import CarriedFinding, Origin, ReportData, ReportReader
from reports.findings import Stage, missing_reason
from reports.measures import DEFAULT_THRESHOLDS, HEADLINE_MEASURES, Thresholds
from reports.patient import PatientReport, compare_patient, last_place, valid_days_before, with_evidence
from reports.situations import daily_parts
from reports.trends import HeadlineTrends, Trend, trends_of


@dataclass(frozen=True)
class WardRow(HeadlineTrends):
    """One patient in the overview."""

    patient_id: str
    trends: tuple[Trend, ...]  # in the order of HEADLINE_MEASURES
    quality: Quality  # of the patient's day
    set_aside: int  # the patient's sessions of the day in quarantine
    days_before: int  # valid days before this one
    carried: tuple[CarriedFinding, ...] = ()  # flags open under the earlier model, which are not compared yet
    ward: str | None = None  # where the last session of the day was recorded that says
    room: str | None = None

    @property
    def stage(self) -> Stage:
        """Where the patient stands: the first that holds of new, open, not compared, back, usual."""
        if self.changes:
            return self.changes[0].stage
        if self.lack is not None:
            return Stage.NOT_COMPARED
        return Stage.BACK if self.back else Stage.USUAL

    @property
    def leading(self) -> Trend:
        """The trend of the first change; of the first measure where nothing changed."""
        first = self.changes[0] if self.changes else self.findings[0]
        return next(trend for trend in self.trends if trend.finding is first)


@dataclass(frozen=True)
class WardReport:
    """Everything on the ward overview of one day."""

    day: date
    new: tuple[WardRow, ...]  # with a flag that opened on the day, the largest change first
    still_open: tuple[WardRow, ...]  # with a flag from an earlier day only, the largest change first
    back: tuple[WardRow, ...]  # back within the last days and without a flag, by patient
    usual: tuple[WardRow, ...]  # by patient
    not_compared: tuple[WardRow, ...]  # by patient
    quality: Quality  # of the whole ward
    set_aside: tuple[tuple[QuarantineReason, int], ...]  # most frequent first, patients unknown included
    thresholds: Thresholds
    origin: Origin
    ward: str | None = None  # None: the whole house

    @property
    def changed(self) -> tuple[WardRow, ...]:
        """All patients with an open flag: new ones first, each group by the size of the change."""
        return (*self.new, *self.still_open)

    @property
    def compared(self) -> int:
        """Number of patients whose day could be compared, those with an open flag included."""
        return sum(row.lack is None for row in self.rows)

    @property
    def uncompared(self) -> tuple[WardRow, ...]:
        """Patients whose day could not be compared; a flag that was open stays open."""
        return tuple(row for row in self.rows if row.lack is not None)

    @property
    def carried(self) -> tuple[WardRow, ...]:
        """Patients with a flag that was open under the earlier model."""
        return tuple(row for row in self.rows if row.carried)

    @property
    def put_forward(self) -> tuple[WardRow, ...]:
        """Whom to look at first: new flags, then those still open, as many as the alert budget allows."""
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
        """Everybody in the overview, in its order."""
        return (*self.changed, *self.back, *self.usual, *self.not_compared)


@dataclass(frozen=True)
class NightReports:
    """What a day has to report."""

    patients: tuple[PatientReport, ...]  # of everybody with a session that day, stored or set aside, by patient
    ward: WardReport  # of the whole house
    wards: tuple[WardReport, ...] = ()  # of each ward that sessions name, in order


def build_night_reports(
    reader: ReportReader, day: date, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> NightReports | None:
    """Read and compare a day of the whole ward; None for a day without any session.

    Each report is what `build_patient_report` and `build_ward_report` make, from fewer questions to the warehouse.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the warehouse cannot be read.
    """
    seen = reader.patients_of_day(day)
    if seen is None:
        return None
    read = reader.patients(seen, day, thresholds.trend_days)
    patients = tuple(
        with_evidence(reader, compare_patient(data, patient, day, thresholds), data) for patient, data in read.items()
    )
    charted = {report.patient_id: report.trends for report in patients}
    return NightReports(
        patients=patients,
        ward=compare_ward(reader.ward(day, thresholds.trend_days), day, thresholds, charted),
        wards=tuple(
            build_ward_report(reader, day, thresholds, ward) for ward in reader.wards(day, thresholds.trend_days)
        ),
    )


def build_ward_report(
    reader: ReportReader, day: date, thresholds: Thresholds = DEFAULT_THRESHOLDS, ward: str | None = None
) -> WardReport:
    """Read and compare the day of every patient seen in the weeks drawn.

    Args:
        reader: of the warehouse, for the active bundle and scoring options.
        day: local calendar day.
        thresholds: limits for abstention and findings.
        ward: the one ward; None: the whole house.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the warehouse cannot be read.
    """
    return compare_ward(reader.ward(day, thresholds.trend_days, ward), day, thresholds)


def compare_ward(
    data: ReportData,
    day: date,
    thresholds: Thresholds,
    charted: Mapping[str, tuple[Trend, ...]] = MappingProxyType({}),
) -> WardReport:
    """The overview from what was read; see `build_ward_report`.

    Args:
        data: of everybody in it.
        day: local calendar day.
        thresholds: limits for abstention and findings.
        charted: by patient, the trends of the page where one was made of the same days: they are not computed again.
    """
    today = data.summary.filter(pl.col("session_date") == day)
    daily = all_days(data.summary, data.kept, thresholds)
    parts = daily_parts(data.summary, data.kept, thresholds)
    rows = []
    for patient_id in data.patients:
        mine = pl.col("patient_id") == patient_id
        set_aside = data.quarantine.filter(mine).height
        accepted = data.accepted(patient_id)
        known = charted.get(patient_id)
        days = daily.filter(mine), today.filter(mine), parts.filter(mine)
        row = _row(patient_id, *days, set_aside, day, thresholds, accepted, known)
        rows.append(replace(row, carried=tuple(flag for flag in data.carried if flag.patient_id == patient_id)))
    by_stage = {stage: tuple(row for row in rows if row.stage is stage) for stage in Stage}
    reasons = Counter(QuarantineReason(reason) for reason in data.quarantine["reason"].sort())
    return WardReport(
        day=day,
        new=_largest_first(by_stage[Stage.NEW]),
        still_open=_largest_first(by_stage[Stage.OPEN]),
        back=by_stage[Stage.BACK],
        usual=by_stage[Stage.USUAL],
        not_compared=by_stage[Stage.NOT_COMPARED],
        quality=quality_of(today, usable_session(thresholds)),
        set_aside=tuple(reasons.most_common()),
        thresholds=thresholds,
        origin=data.origin,
        ward=data.ward,
    )


def _row(
    patient_id: str,
    daily: pl.DataFrame,
    today: pl.DataFrame,
    parts: pl.DataFrame,
    set_aside: int,
    day: date,
    thresholds: Thresholds,
    accepted: Mapping[str, date],
    known: tuple[Trend, ...] | None,
) -> WardRow:
    if known is None:
        missing = missing_reason(today, set_aside, thresholds)
        known = trends_of(HEADLINE_MEASURES, daily, day, missing, thresholds, accepted=accepted, parts=parts)
    return WardRow(
        patient_id=patient_id,
        # An overview has no room for how sure a value is.
        trends=tuple(replace(trend, finding=replace(trend.finding, interval=None)) for trend in known),
        quality=quality_of(today, usable_session(thresholds)),
        set_aside=set_aside,
        days_before=valid_days_before(daily, day),
        ward=last_place(today, "ward"),
        room=last_place(today, "room"),
    )


def _largest_first(rows: tuple[WardRow, ...]) -> tuple[WardRow, ...]:
    return tuple(sorted(rows, key=lambda row: (-row.changes[0].size, row.patient_id)))
