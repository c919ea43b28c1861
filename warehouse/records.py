"""The data to store, as frozen records that mirror the tables. Columns that are derived from others are properties.

Times of storage (`stored_at`, `scored_at`, ...) are not in the records, because the database sets them.
"""

import hashlib
from collections.abc import Mapping
from dataclasses import dataclass, field
from datetime import date, datetime, timedelta
from enum import StrEnum
from typing import Any, Literal

import polars as pl

from pmfer.errors import QuarantineReason
from pmfer.facs import AU_COLUMNS


class Situation(StrEnum):
    """What happens during a session."""

    AT_REST = "at_rest"
    DURING_CARE = "during_care"  # washing, positioning, a change of dressing
    MEAL = "meal"
    THERAPY = "therapy"


@dataclass(frozen=True)
class SessionRecord:
    """A recorded session, as described by its sidecar and file."""

    session_id: str
    patient_id: str  # pseudonym
    started_at: datetime  # with the UTC offset of local time
    source_uri: str  # relative to the source
    content_sha256: str  # of the video file, 64 hex digits
    consent: bool
    ward: str | None = None  # None if the sidecar does not say; likewise for the next two
    room: str | None = None
    situation: Situation | None = None
    replaces: str | None = None  # session_id under which the same bytes are stored, if the sidecar was corrected since

    @property
    def session_date(self) -> date:
        """Local calendar day of the start."""
        return self.started_at.date()

    @property
    def utc_offset_s(self) -> int:
        """UTC offset of local time at the start, in seconds."""
        return int((self.started_at.utcoffset() or timedelta()).total_seconds())


@dataclass(frozen=True)
class BundleRecord:
    """A model bundle that scores sessions."""

    bundle_id: str  # digest of the card, 64 hex digits
    name: str
    weights_sha256: str  # 64 hex digits
    prompt_set_sha256: str  # 64 hex digits
    card: Mapping[str, Any]  # the whole card, as for JSON

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Score columns of phrases beyond the action units, in the order of the card."""
        columns = (phrase["column"] for phrase in self.card.get("au_phrases", ()))
        return tuple(column for column in columns if column not in AU_COLUMNS)


@dataclass(frozen=True)
class ScoringRecord:
    """How one session was scored. Its identity comes from the session and the bundle it is stored with."""

    options_sha256: str  # 64 hex digits
    options: Mapping[str, Any]  # as for JSON
    run_id: str
    duration_s: float | None  # last minus first presentation time, in seconds
    frames_decoded: int
    frames_sampled: int  # rows of the frame batch
    frames_with_face: int  # sampled frames with at least one face
    frames_scored: int  # sampled frames with scores
    warning: str | None = None  # what the decoder complained about


@dataclass(frozen=True)
class SessionResult:
    """A scored session, ready to be stored."""

    session: SessionRecord
    scoring: ScoringRecord
    frames: pl.DataFrame  # score batch, see warehouse.frames


@dataclass(frozen=True)
class RunRecord:
    """A run of the nightly flow, as it starts."""

    run_id: str
    night: date  # the day whose sessions are processed
    code_version: str
    bundle_id: str  # 64 hex digits
    options_sha256: str  # 64 hex digits
    options: Mapping[str, Any]  # as for JSON


@dataclass(frozen=True)
class RunOutcome:
    """How a run ended."""

    status: Literal["completed", "failed"]
    sessions_found: int
    sessions_scored: int
    sessions_done_before: int
    sessions_quarantined: int
    frames_scored: int
    message: str | None = None  # why it failed, one line


@dataclass(frozen=True)
class QuarantineRecord:
    """A session in quarantine."""

    night: date
    source_uri: str  # relative to the source
    content_sha256: str | None  # None if the video was not read
    session_id: str | None  # None if the sidecar does not say
    patient_id: str | None  # None if the sidecar does not say
    reason: QuarantineReason
    message: str  # what was wrong and what to do, one line
    run_id: str

    @property
    def quarantine_id(self) -> str:
        """SHA-256 of source, content and reason: the same file is quarantined once for the same reason."""
        return digest(self.source_uri, self.content_sha256 or "", self.reason)


@dataclass(frozen=True)
class FindingRecord:
    """What a report says about a patient, day and measure. Values are in the measure's unit, as in daily_values."""

    patient_id: str
    session_date: date  # the day reported on
    measure: str
    bundle_id: str  # 64 hex digits
    options_sha256: str  # 64 hex digits
    kind: Literal["headline", "phrase", "context"]  # only a headline measure puts a patient on the ward's list
    state: str  # usual, higher, lower or insufficient
    stage: str  # new, open, back, accepted, usual or not_compared
    code_version: str
    rules: tuple[str, ...] = ()  # that raised the flag
    value: float | None = None  # None if the day had too little data
    recent: float | None = None  # weighted mean of the last days
    mean_since: float | None = None  # mean of the days since the onset of an open flag
    usual_low: float | None = None  # None without a baseline; likewise for the next four
    usual_high: float | None = None
    centre: float | None = None
    limit_low: float | None = None
    limit_high: float | None = None
    baseline_days: int = 0
    tentative: bool = False  # whether the baseline has too few days to rule out a large change
    direction: str | None = None  # of the flag, higher or lower; None without a flag; likewise for the next six
    opened_on: date | None = None
    onset_on: date | None = None
    onset_from: date | None = None
    onset_to: date | None = None
    closed_on: date | None = None  # None also while it is open
    days_open: int | None = None
    lack: str | None = None  # why nothing was compared
    accepted_on: date | None = None  # first day of the level that a person accepted


@dataclass(frozen=True)
class AcceptedLevel:
    """A new usual level that a person accepts for one measure of a patient."""

    patient_id: str
    measure: str
    from_date: date  # first day of the new level
    note: str  # why, 1 to 500 characters


@dataclass(frozen=True)
class ReportRecord:
    """A rendered report."""

    kind: Literal["patient", "ward"]
    patient_id: str | None  # None for the ward
    report_date: date  # the day reported on
    path: str  # of the first file, relative to the data folder
    sha256: str  # of the first file, 64 hex digits
    input_key: str  # digest of everything that the report was made from
    run_id: str | None = None  # None if rendered by hand
    files: Mapping[str, str] = field(default_factory=dict)  # SHA-256 of every file, by path
    shown: tuple[str, ...] | None = None  # patients on an overview; None if unknown, or for a patient's report
    ward: str | None = None  # of a ward's overview; None for the facility's overview and for a patient's report

    @property
    def report_id(self) -> str:
        """Made from kind, date and patient or ward, so that a newer report replaces the row of an older one."""
        return report_id(self.kind, self.report_date, self.patient_id or self.ward)


def report_id(kind: Literal["patient", "ward"], day: date, whose: str | None) -> str:
    """Identifier of a report: `patient-2026-03-01-p01`, `ward-2026-03-01-3b`, or `ward-2026-03-01` for all wards."""
    return "-".join(part for part in (kind, day.isoformat(), whose) if part)


def digest(*parts: str) -> str:
    """SHA-256 of lines of text, 64 hex digits."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
