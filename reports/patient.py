"""The daily report of one patient as data: exactly what will be printed."""

from collections.abc import Mapping
from dataclasses import dataclass, replace
from datetime import date, timedelta
from pathlib import PurePosixPath
from typing import Any

import polars as pl

from pmfer.errors import QuarantineReason
from reports.control_charts import Charted, charts_of
from reports.daily import (
    Quality,
    all_days,
    at_other_times,
    by_patient,
    quality_of,
    session_intervals,
    usable_session,
    usual_scored_share,
)
from reports.data import CarriedFinding, Origin, ReportData, ReportReader
from reports.evidence import (
    CareEvents,
    Evidence,
    LeadingPhrase,
    Usual,
    care_events_of,
    leading_of_day,
    read_evidence,
    usual_phrases,
    wall_minute,
)
from reports.findings import (
    Finding,
    Stage,
    missing_reason,
)
from reports.measures import (
    CONTEXT_MEASURES,
    HEADLINE_MEASURES,
    MEASURES,
    PHRASE_MEASURES,
    Thresholds,
)
from reports.situations import UNSTATED, daily_parts
from reports.trends import HeadlineTrends, Trend, trends_of


@dataclass(frozen=True)
class SessionLine:
    """One session of the day."""

    session_id: str
    minute_of_day: int  # local start time, minutes after midnight
    duration_s: float | None
    frames_sampled: int
    frames_scored: int
    usable: bool  # whether it counts for the day, see `usable_session`
    pain_activity: float | None  # 0..1, None unless usable
    smiling: float | None  # 0..1, None unless usable
    situation: str | None = None  # in which it was recorded, such as `meal`; None if the session does not say


@dataclass(frozen=True)
class QuarantinedRecording:
    """One session of the day that is in quarantine."""

    name: str  # session id, or the file's name if there is none
    reason: QuarantineReason


@dataclass(frozen=True)
class Glance:
    """One measure over three months, for the small chart beside the four weeks."""

    key: str  # Measure.key
    first_day: date
    last_day: date
    points: tuple[tuple[date, float], ...]  # days with enough data and their values in the measure's unit, in order


@dataclass(frozen=True)
class PatientReport(HeadlineTrends):
    """Everything on the pages of one patient and day."""

    patient_id: str
    day: date
    trends: tuple[Trend, ...]  # in the order of HEADLINE_MEASURES
    phrase_trends: tuple[Trend, ...]  # in the order of PHRASE_MEASURES
    context: tuple[Finding, ...]  # in the order of CONTEXT_MEASURES; never flagged
    leading: tuple[LeadingPhrase, ...]  # what stands out on the face today, most prominent first
    evidence: tuple[Evidence, ...]  # the moments behind each flag, in the order of `changes`
    care_events: CareEvents
    model_since: date | None  # first day with this bundle and these options, if others scored days before it
    sessions: tuple[SessionLine, ...]  # by time
    quarantined: tuple[QuarantinedRecording, ...]
    quality: Quality
    sessions_on_record: int  # up to and including the day, with this bundle and these options
    days_before: int  # valid days before this one
    thresholds: Thresholds
    origin: Origin
    glances: tuple[Glance, ...] = ()  # in the order of HEADLINE_MEASURES
    carried: tuple[CarriedFinding, ...] = ()  # flags of the earlier model that cannot be compared yet
    accepted_notes: tuple[tuple[str, str], ...] = ()  # Measure.key and the note on its accepted level
    ward: str | None = None  # from the last session of the day that names one
    room: str | None = None  # likewise
    usual_scored_share: float | None = None  # of the days drawn before this one, 0..1; see `usual_scored_share`
    other_times_since: date | None = None  # onset of the first open flag, if most recordings since are `at_other_times`

    @property
    def phrases(self) -> tuple[Finding, ...]:
        """The findings of the phrases."""
        return tuple(trend.finding for trend in self.phrase_trends)

    @property
    def accepted(self) -> tuple[Finding, ...]:
        """The measures whose new usual level a person accepted; see Stage.ACCEPTED."""
        return tuple(finding for finding in self.findings if finding.stage is Stage.ACCEPTED)

    @property
    def little_seen(self) -> bool:
        """Whether less of the face was seen than `min_observed_s`."""
        seen = self.quality.seen_s
        return bool(self.sessions) and seen is not None and seen < self.thresholds.min_observed_s

    @property
    def seen(self) -> bool:
        """Whether the day has enough data for its values to be printed."""
        return any(finding.value is not None for finding in self.findings)

    @property
    def baseline_sizes(self) -> tuple[int, int] | None:
        """Fewest and most days that a measure's usual range is based on; None if there is none yet."""
        days = [finding.baseline.days for finding in self.findings if finding.baseline]
        return (min(days), max(days)) if days else None


def charts_of_patients(read: Mapping[str, ReportData], day: date, thresholds: Thresholds) -> dict[str, Charted]:
    """The charts of all MEASURES of several patients; see `charts_of`.

    Args:
        read: the data of each patient.
        day: the last day charted.
        thresholds: limits for the days, the baseline and the rules.
    """
    patients = list(read)
    summary, kept = (pl.concat([getattr(data, name) for data in read.values()]) for name in ("summary", "kept"))
    daily = by_patient(all_days(summary, kept, thresholds), patients)
    parts = by_patient(daily_parts(summary, kept, thresholds), patients)
    accepted = {patient_id: data.accepted(patient_id) for patient_id, data in read.items()}
    return charts_of(MEASURES, daily, day, thresholds, accepted, parts)


def with_evidence(reader: ReportReader, report: PatientReport, data: ReportData) -> PatientReport:
    """The report with the moments behind its flags, found among the frames of the day.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    if not report.changes:
        return report
    used, usual = _used_and_usual(data.summary, report.day, report.thresholds, report.findings, report.phrases)
    return replace(report, evidence=read_evidence(reader, report.changes, used, usual, data.files))


def compare_patient(
    data: ReportData, patient_id: str, day: date, thresholds: Thresholds, charted: Charted
) -> PatientReport:
    """The report of one patient, without evidence (see `with_evidence`).

    Args:
        data: what was read for the patient.
        patient_id: the pseudonym.
        day: local calendar day.
        thresholds: limits for abstention and findings.
        charted: the patient's control charts, see `charts_of_patients`.
    """
    summary = data.summary
    today = summary.filter(pl.col("session_date") == day).sort("started_at", "session_id")
    quarantined = tuple(_quarantined_recording(row) for row in data.quarantine.iter_rows(named=True))
    daily = charted.daily
    missing = missing_reason(today, len(quarantined), thresholds)
    intervals = session_intervals(MEASURES, today, thresholds)
    trends = trends_of(MEASURES, charted, day, missing, thresholds, intervals, data.accepted(patient_id))
    ward, room = last_places(today)
    by_key = {trend.finding.key: trend for trend in trends}
    usable = usable_session(thresholds)
    headlines = tuple(by_key[measure.key] for measure in HEADLINE_MEASURES)
    phrases = tuple(by_key[measure.key] for measure in PHRASE_MEASURES)
    compared = tuple(trend.finding for trend in headlines), tuple(trend.finding for trend in phrases)
    seen = any(finding.value is not None for finding in compared[0])
    return PatientReport(
        patient_id=patient_id,
        day=day,
        trends=headlines,
        phrase_trends=phrases,
        context=tuple(by_key[measure.key].finding for measure in CONTEXT_MEASURES),
        leading=leading_of_day(*_used_and_usual(summary, day, thresholds, *compared)) if seen else (),
        evidence=(),
        care_events=_care_events(data, trends[0]),
        model_since=data.model_since,
        sessions=tuple(_session_line(row) for row in today.with_columns(usable=usable).iter_rows(named=True)),
        quarantined=quarantined,
        quality=quality_of(today, usable),
        sessions_on_record=int(daily["sessions"].sum()),
        days_before=valid_days_before(daily, day),
        thresholds=thresholds,
        origin=data.origin,
        glances=_glances(daily, day, thresholds),
        carried=tuple(flag for flag in data.carried if flag.patient_id == patient_id),
        accepted_notes=tuple(sorted((key, level.note) for key, level in data.levels.get(patient_id, {}).items())),
        ward=ward,
        room=room,
        usual_scored_share=usual_scored_share(summary, day, thresholds),
        other_times_since=_other_times_since(summary, compared[0], thresholds),
    )


def _other_times_since(summary: pl.DataFrame, findings: tuple[Finding, ...], thresholds: Thresholds) -> date | None:
    began = min(
        ((each.episode.onset_from, each.episode.onset) for each in findings if each.flagged and each.episode),
        default=None,
    )
    return began[1] if began and at_other_times(summary, began, thresholds) else None


def _used_and_usual(
    summary: pl.DataFrame,
    day: date,
    thresholds: Thresholds,
    findings: tuple[Finding, ...],
    phrases: tuple[Finding, ...],
) -> tuple[pl.DataFrame, Usual]:
    """The day's usable sessions, and the usual range of every phrase in the situations of these sessions."""
    usable, situation = usable_session(thresholds), pl.col("situation").fill_null(UNSTATED)
    used = summary.filter(usable & (pl.col("session_date") == day))
    episodes = [finding.episode for finding in (*findings, *phrases) if finding.flagged and finding.episode]
    changed = min((episode.onset_from for episode in episodes), default=day)
    known = {finding.key: finding.usual if finding.baseline else None for finding in phrases}
    same = situation.is_in(used.select(situation).to_series().to_list())
    earlier = summary.filter(usable & (pl.col("session_date") < changed) & same)
    return used, usual_phrases(known, earlier, thresholds)


def _glances(daily: pl.DataFrame, day: date, thresholds: Thresholds) -> tuple[Glance, ...]:
    first = day - timedelta(days=thresholds.glance_days - 1)
    drawn = daily.filter(pl.col("session_date").is_between(first, day)).sort("session_date")
    dates = drawn["session_date"].to_list()

    def points(key: str) -> tuple[tuple[date, float], ...]:
        return tuple(
            (when, value) for when, value in zip(dates, drawn[key].to_list(), strict=True) if value is not None
        )

    return tuple(Glance(measure.key, first, day, points(measure.key)) for measure in HEADLINE_MEASURES)


def last_places(sessions: pl.DataFrame) -> tuple[str | None, str | None]:
    """Ward and room, each from the patient's last session that names one; None if none does."""
    ward, room = sessions.sort("started_at", "session_id").select(pl.col("ward", "room").drop_nulls().last()).row(0)
    return ward, room


def _care_events(data: ReportData, drawn: Trend) -> CareEvents:
    if data.care_events is None:
        return CareEvents()
    return care_events_of(data.care_events, drawn.first_day, drawn.last_day)


def valid_days_before(daily: pl.DataFrame, day: date) -> int:
    """Number of one patient's days before `day` with enough data."""
    measured = pl.any_horizontal(pl.col(measure.key).is_not_null() for measure in HEADLINE_MEASURES)
    return daily.filter((pl.col("session_date") < day) & measured).height


def _session_line(row: dict[str, Any]) -> SessionLine:
    usable = bool(row["usable"])
    return SessionLine(
        session_id=row["session_id"],
        minute_of_day=wall_minute(row),
        duration_s=row["duration_s"],
        frames_sampled=row["frames_sampled"],
        frames_scored=row["frames_scored"],
        usable=usable,
        pain_activity=row["pain_activity_mean"] if usable else None,
        smiling=row["happiness_mean"] if usable else None,
        situation=row["situation"],
    )


def _quarantined_recording(row: dict[str, Any]) -> QuarantinedRecording:
    return QuarantinedRecording(
        row["session_id"] or PurePosixPath(row["source_uri"]).name, QuarantineReason(row["reason"])
    )
