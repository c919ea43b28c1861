"""The daily report of one patient as data: everything that will be printed, and nothing else."""

from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import duckdb
import polars as pl

from pmfer.errors import QuarantineReason
from reports.daily import daily_values, usable_session
from reports.fingerprint import fingerprint
from reports.material import Material, read_patient
from reports.measures import CONTEXT_MEASURES, HEADLINE_MEASURES, MEASURES, PHRASE_MEASURES
from reports.origin import Origin
from reports.quality import Quality, missing_reason, quality_of
from reports.thresholds import DEFAULT_THRESHOLDS, Thresholds
from reports.trend import Finding, Lack, State, Trend, session_intervals, trends_of
from warehouse.queries import Provenance


@dataclass(frozen=True)
class SessionLine:
    """One session of the day."""

    session_id: str
    minute_of_day: int  # start by the clock on the wall, minutes after midnight
    duration_s: float | None
    frames_sampled: int
    frames_scored: int
    usable: bool  # enough scored frames to count for the day
    pain_activity: float | None  # 0..1, None unless usable
    smiling: float | None  # 0..1, None unless usable


@dataclass(frozen=True)
class SetAside:
    """One session of the day that is in quarantine."""

    name: str  # session id, or the file's name where there is none
    reason: QuarantineReason


@dataclass(frozen=True)
class PatientReport:
    """Everything on the pages of one patient and day."""

    patient_id: str
    day: date
    trends: tuple[Trend, ...]  # in the order of HEADLINE_MEASURES
    phrases: tuple[Finding, ...]  # in the order of PHRASE_MEASURES
    context: tuple[Finding, ...]  # in the order of CONTEXT_MEASURES; none of them is ever flagged
    sessions: tuple[SessionLine, ...]  # by time
    set_aside: tuple[SetAside, ...]
    quality: Quality
    sessions_on_record: int  # up to and including the day, with this bundle and these options
    days_before: int  # valid days before this one
    thresholds: Thresholds
    origin: Origin

    @property
    def findings(self) -> tuple[Finding, ...]:
        """The findings of the headline measures."""
        return tuple(trend.finding for trend in self.trends)

    @property
    def changes(self) -> tuple[Finding, ...]:
        """What lies outside the usual range, the largest change first."""
        return largest_first(self.findings)

    @property
    def lack(self) -> Lack | None:
        """Why nothing could be compared; None if it could."""
        return common_lack(self.findings)

    @property
    def seen(self) -> bool:
        """Whether the day has enough data to print its values."""
        return self.findings[0].value is not None

    @property
    def baseline_size(self) -> int:
        """Number of days the usual range rests on, 0 while there is none."""
        return max((finding.baseline.days for finding in self.findings if finding.baseline), default=0)

    def input_key(self) -> str:
        """SHA-256 over all that is printed and the code that prints it: equal keys give equal pages."""
        return fingerprint(self)


def largest_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The flagged findings by how far they lie beyond their own limits."""
    return tuple(sorted((f for f in findings if f.flagged), key=lambda f: -f.size))


def common_lack(findings: tuple[Finding, ...]) -> Lack | None:
    """The reason if every finding abstains; all of them rest on the same frames, so the first one speaks for all."""
    abstains = all(finding.state is State.INSUFFICIENT for finding in findings)
    return findings[0].lack if abstains else None


def build_patient_report(
    connection: duckdb.DuckDBPyConnection,
    patient_id: str,
    day: date,
    bundle_id: str,
    options_sha256: str,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
) -> PatientReport:
    """Read and compare one patient's day.

    Args:
        connection: a reading connection to the warehouse.
        patient_id: the pseudonym.
        day: local calendar day.
        bundle_id: the active bundle; only its scores are read, so a new bundle starts a new baseline.
        options_sha256: the active scoring options, likewise.
        thresholds: limits for abstention and findings.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the warehouse cannot be read.
    """
    material = read_patient(connection, patient_id, day, Provenance(bundle_id, options_sha256))
    return compare_patient(material, patient_id, day, thresholds)


def compare_patient(material: Material, patient_id: str, day: date, thresholds: Thresholds) -> PatientReport:
    """The report from what was read; see `build_patient_report`."""
    summary = material.summary
    today = summary.filter(pl.col("session_date") == day).sort("started_at", "session_id")
    set_aside = tuple(_set_aside(row) for row in material.quarantine.iter_rows(named=True))
    daily = daily_values(summary, thresholds)
    missing = missing_reason(today, len(set_aside), thresholds)
    intervals = session_intervals(MEASURES, today, thresholds)
    trends = trends_of(MEASURES, daily, day, missing, thresholds, intervals)
    findings = {trend.finding.key: trend.finding for trend in trends}
    usable = usable_session(thresholds)
    return PatientReport(
        patient_id=patient_id,
        day=day,
        trends=trends[: len(HEADLINE_MEASURES)],
        phrases=tuple(findings[measure.key] for measure in PHRASE_MEASURES),
        context=tuple(findings[measure.key] for measure in CONTEXT_MEASURES),
        sessions=tuple(_session_line(row) for row in today.with_columns(usable=usable).iter_rows(named=True)),
        set_aside=set_aside,
        quality=quality_of(today, usable),
        sessions_on_record=summary.height,
        days_before=valid_days_before(daily, day),
        thresholds=thresholds,
        origin=material.origin,
    )


def valid_days_before(daily: pl.DataFrame, day: date) -> int:
    """Number of one patient's days before `day` with enough data."""
    return daily.filter((pl.col("session_date") < day) & pl.col(HEADLINE_MEASURES[0].key).is_not_null()).height


def _session_line(row: dict[str, Any]) -> SessionLine:
    started_at: datetime = row["started_at"]
    on_the_wall = started_at.astimezone(UTC) + timedelta(seconds=row["utc_offset_s"])
    usable = bool(row["usable"])
    return SessionLine(
        session_id=row["session_id"],
        minute_of_day=on_the_wall.hour * 60 + on_the_wall.minute,
        duration_s=row["duration_s"],
        frames_sampled=row["frames_sampled"],
        frames_scored=row["frames_scored"],
        usable=usable,
        pain_activity=row["pain_activity_mean"] if usable else None,
        smiling=row["happiness_share"] if usable else None,
    )


def _set_aside(row: dict[str, Any]) -> SetAside:
    return SetAside(row["session_id"] or PurePosixPath(row["source_uri"]).name, QuarantineReason(row["reason"]))
