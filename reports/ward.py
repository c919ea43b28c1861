"""The day of a whole ward as data: the overview (who changed most, who lacks data), and every patient's report.

Patients are ranked by change in units of their own usual range, never by level against each other.
"""

from collections import Counter
from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date

import polars as pl

from pmfer.errors import QuarantineReason
from reports.daily import Quality, all_days, quality_of, usable_session
from reports.data import Origin, ReportData, ReportReader
from reports.findings import Finding, Lack, common_lack, largest_first, missing_reason
from reports.measures import DEFAULT_THRESHOLDS, HEADLINE_MEASURES, Thresholds
from reports.patient import PatientReport, compare_patient, valid_days_before, with_evidence
from reports.trends import Trend, trends_of


@dataclass(frozen=True)
class WardRow:
    """One patient in the overview."""

    patient_id: str
    trends: tuple[Trend, ...]  # in the order of HEADLINE_MEASURES
    quality: Quality  # of the patient's day
    set_aside: int  # the patient's sessions of the day in quarantine
    days_before: int  # valid days before this one

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the headline measures."""
        return tuple(trend.finding for trend in self.trends)

    @property
    def changes(self) -> tuple[Finding, ...]:
        """What is flagged, the largest change first."""
        return largest_first(self.findings)

    @property
    def lack(self) -> Lack | None:
        """Why nothing could be compared; None if it could."""
        return common_lack(self.findings)

    @property
    def leading(self) -> Trend:
        """The trend of the largest change; of the first measure where nothing changed."""
        return max(self.trends, key=lambda trend: trend.finding.size)


@dataclass(frozen=True)
class WardReport:
    """Everything on the ward overview of one day."""

    day: date
    changed: tuple[WardRow, ...]  # all that changed, the largest change first
    usual: tuple[WardRow, ...]  # by patient
    insufficient: tuple[WardRow, ...]  # by patient
    quality: Quality  # of the whole ward
    set_aside: tuple[tuple[QuarantineReason, int], ...]  # most frequent first, patients unknown included
    thresholds: Thresholds
    origin: Origin
    ward: str | None = None  # None: the whole house

    @property
    def put_forward(self) -> tuple[WardRow, ...]:
        """Whom to look at first: the largest changes, as many as the alert budget allows."""
        return self.changed[: self.thresholds.alert_budget]

    @property
    def also_changed(self) -> tuple[WardRow, ...]:
        """The other patients that changed, the largest change first: listed after them, never left out."""
        return self.changed[self.thresholds.alert_budget :]

    @property
    def shown(self) -> tuple[str, ...]:
        """Pseudonyms of the patients in the overview."""
        return tuple(sorted(row.patient_id for row in (*self.changed, *self.usual, *self.insufficient)))

    @property
    def patients(self) -> int:
        """Number of patients in the overview."""
        return len(self.shown)


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
    return NightReports(
        patients=tuple(
            with_evidence(reader, compare_patient(data, patient, day, thresholds), data)
            for patient, data in read.items()
        ),
        ward=build_ward_report(reader, day, thresholds),
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
    return replace(compare_ward(reader.ward(day, thresholds.trend_days, ward), day, thresholds), ward=ward)


def compare_ward(data: ReportData, day: date, thresholds: Thresholds) -> WardReport:
    """The overview from what was read; see `build_ward_report`."""
    today = data.summary.filter(pl.col("session_date") == day)
    daily = all_days(data.summary, data.kept, thresholds)
    rows = []
    for patient_id in data.patients:
        mine = pl.col("patient_id") == patient_id
        set_aside = data.quarantine.filter(mine).height
        accepted = data.accepted.get(patient_id, {})
        rows.append(_row(patient_id, daily.filter(mine), today.filter(mine), set_aside, day, thresholds, accepted))
    changed = sorted((row for row in rows if row.changes), key=lambda row: (-_largest(row), row.patient_id))
    reasons = Counter(QuarantineReason(reason) for reason in data.quarantine["reason"].sort())
    return WardReport(
        day=day,
        changed=tuple(changed),
        usual=tuple(row for row in rows if not row.changes and row.lack is None),
        insufficient=tuple(row for row in rows if not row.changes and row.lack is not None),
        quality=quality_of(today, usable_session(thresholds)),
        set_aside=tuple(reasons.most_common()),
        thresholds=thresholds,
        origin=data.origin,
    )


def _row(
    patient_id: str,
    daily: pl.DataFrame,
    today: pl.DataFrame,
    set_aside: int,
    day: date,
    thresholds: Thresholds,
    accepted: Mapping[str, date],
) -> WardRow:
    missing = missing_reason(today, set_aside, thresholds)
    return WardRow(
        patient_id=patient_id,
        trends=trends_of(HEADLINE_MEASURES, daily, day, missing, thresholds, accepted=accepted),
        quality=quality_of(today, usable_session(thresholds)),
        set_aside=set_aside,
        days_before=valid_days_before(daily, day),
    )


def _largest(row: WardRow) -> float:
    return row.changes[0].size
