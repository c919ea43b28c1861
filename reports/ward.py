"""The ward overview of one day as data: who changed most, who lacks data, how the recordings went.

Patients are ranked by change in units of their own usual range, never by level against each other.
"""

from collections import Counter
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from pmfer.errors import QuarantineReason
from reports.daily import all_days, usable_session
from reports.fingerprint import fingerprint
from reports.material import Material, read_ward
from reports.measures import HEADLINE_MEASURES
from reports.origin import Origin
from reports.patient import common_lack, largest_first, valid_days_before
from reports.quality import Quality, missing_reason, quality_of
from reports.thresholds import DEFAULT_THRESHOLDS, Thresholds
from reports.trend import Finding, Lack, Trend, trends_of
from warehouse.queries import Provenance


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

    def input_key(self) -> str:
        """SHA-256 over all that is printed and the code that prints it: equal keys give equal pages."""
        return fingerprint(self)


def build_ward_report(
    connection: duckdb.DuckDBPyConnection,
    day: date,
    bundle_id: str,
    options_sha256: str,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> WardReport:
    """Read and compare the day of every patient seen in the weeks drawn.

    Args:
        connection: a reading connection to the warehouse.
        day: local calendar day.
        bundle_id: the active bundle.
        options_sha256: the active scoring options.
        thresholds: limits for abstention and findings.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the warehouse cannot be read.
    """
    material = read_ward(connection, day, thresholds.trend_days, Provenance(bundle_id, options_sha256))
    return compare_ward(material, day, thresholds)


def compare_ward(material: Material, day: date, thresholds: Thresholds) -> WardReport:
    """The overview from what was read; see `build_ward_report`."""
    today = material.summary.filter(pl.col("session_date") == day)
    daily = all_days(material.summary, material.kept, thresholds)
    rows = []
    for patient_id in material.patients:
        mine = pl.col("patient_id") == patient_id
        set_aside = material.quarantine.filter(mine).height
        rows.append(_row(patient_id, daily.filter(mine), today.filter(mine), set_aside, day, thresholds))
    changed = sorted((row for row in rows if row.changes), key=lambda row: (-_largest(row), row.patient_id))
    reasons = Counter(QuarantineReason(reason) for reason in material.quarantine["reason"].sort())
    return WardReport(
        day=day,
        changed=tuple(changed),
        usual=tuple(row for row in rows if not row.changes and row.lack is None),
        insufficient=tuple(row for row in rows if row.lack is not None),
        quality=quality_of(today, usable_session(thresholds)),
        set_aside=tuple(reasons.most_common()),
        thresholds=thresholds,
        origin=material.origin,
    )


def _row(
    patient_id: str, daily: pl.DataFrame, today: pl.DataFrame, set_aside: int, day: date, thresholds: Thresholds
) -> WardRow:
    return WardRow(
        patient_id=patient_id,
        trends=trends_of(HEADLINE_MEASURES, daily, day, missing_reason(today, set_aside, thresholds), thresholds),
        quality=quality_of(today, usable_session(thresholds)),
        set_aside=set_aside,
        days_before=valid_days_before(daily, day),
    )


def _largest(row: WardRow) -> float:
    return row.changes[0].size
