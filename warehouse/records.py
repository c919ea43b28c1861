"""What is written, as frozen records that mirror the tables. Columns that follow from others are properties here.

Times of storing (`stored_at`, `scored_at`, ...) are not in the records: the database sets them.
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
    """What goes on during a session."""

    AT_REST = "at_rest"
    DURING_CARE = "during_care"  # washing, positioning, a change of dressing
    MEAL = "meal"
    THERAPY = "therapy"


@dataclass(frozen=True)
class SessionRecord:
    """A recorded session, as its sidecar and its file state it."""

    session_id: str
    patient_id: str  # pseudonym
    started_at: datetime  # with the offset of the clock on the wall
    source_uri: str  # relative to the source
    content_sha256: str  # of the video file, 64 hex digits
    consent: bool
    ward: str | None = None  # None where the sidecar does not say, as below
    room: str | None = None
    situation: Situation | None = None

    @property
    def session_date(self) -> date:
        """Local calendar day of the start."""
        return self.started_at.date()

    @property
    def utc_offset_s(self) -> int:
        """Offset of the local clock from UTC at the start, seconds."""
        return int((self.started_at.utcoffset() or timedelta()).total_seconds())


@dataclass(frozen=True)
class BundleRecord:
    """A model bundle that scores sessions."""

    bundle_id: str  # digest of the card, 64 hex digits
    name: str
    weights_sha256: str  # 64 hex digits
    prompt_set_sha256: str  # 64 hex digits
    card: Mapping[str, Any]  # the whole card, JSON-able

    @property
    def extra_columns(self) -> tuple[str, ...]:
        """Score columns of phrases beside the action units, in the order of the card."""
        columns = (phrase["column"] for phrase in self.card.get("au_phrases", ()))
        return tuple(column for column in columns if column not in AU_COLUMNS)


@dataclass(frozen=True)
class ScoringRecord:
    """How one session was scored. Its identity comes from the session and the bundle it is stored with."""

    options_sha256: str  # 64 hex digits
    options: Mapping[str, Any]  # JSON-able
    run_id: str
    duration_s: float | None  # last minus first presentation time, seconds
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
    options: Mapping[str, Any]  # JSON-able


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
    content_sha256: str | None  # None when the video was not read
    session_id: str | None  # None when the sidecar does not say
    patient_id: str | None  # None when the sidecar does not say
    reason: QuarantineReason
    message: str  # what was wrong and what to do, one line
    run_id: str

    @property
    def quarantine_id(self) -> str:
        """SHA-256 over source, content and reason: the same trouble with the same file is one row."""
        return digest(self.source_uri, self.content_sha256 or "", self.reason)


@dataclass(frozen=True)
class FindingRecord:
    """What a report says of one patient, day and measure. Values are in the unit of the measure, as in daily_values."""

    patient_id: str
    session_date: date  # the day reported on
    measure: str
    bundle_id: str  # 64 hex digits
    options_sha256: str  # 64 hex digits
    kind: Literal["headline", "phrase", "context"]  # only a headline measure puts a patient on the ward's list
    state: str  # usual, higher, lower or insufficient
    stage: str  # new, open, back, accepted, usual or not_compared
    code_version: str
    rules: tuple[str, ...] = ()  # that raised it
    value: float | None = None  # None where the day had too little data
    recent: float | None = None  # weighted mean of the last days
    mean_since: float | None = None  # mean of the days since the onset of an open flag
    usual_low: float | None = None  # None without a baseline, as the next four
    usual_high: float | None = None
    centre: float | None = None
    limit_low: float | None = None
    limit_high: float | None = None
    baseline_days: int = 0
    tentative: bool = False  # whether so few days cannot rule out a large change
    direction: str | None = None  # of the flag, higher or lower; None without one, as the next six
    opened_on: date | None = None
    onset_on: date | None = None
    onset_from: date | None = None
    onset_to: date | None = None
    closed_on: date | None = None  # None while it is open, too
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
    """A report that was rendered."""

    kind: Literal["patient", "ward"]
    patient_id: str | None  # None for the ward
    report_date: date  # the day reported on
    path: str  # of the first file, relative to the data folder
    sha256: str  # of the first file, 64 hex digits
    input_key: str  # digest of everything the report was made from
    run_id: str | None = None  # None when rendered by hand
    files: Mapping[str, str] = field(default_factory=dict)  # every file: SHA-256 by path
    shown: tuple[str, ...] | None = None  # whom the ward overview shows; None if that is not known, or for a patient
    ward: str | None = None  # of an overview that is of one ward; None for that of the facility, and for a patient

    @property
    def report_id(self) -> str:
        """Kind, date and whose it is in one word: a newer report takes the row of an older one."""
        return report_id(self.kind, self.report_date, self.patient_id or self.ward)


def report_id(kind: Literal["patient", "ward"], day: date, whose: str | None) -> str:
    """Identifier of a report, such as `patient-2026-03-01-p01` or `ward-2026-03-01-3b`; that of all has no name."""
    return "-".join(part for part in (kind, day.isoformat(), whose) if part)


def digest(*parts: str) -> str:
    """SHA-256 over lines of text, 64 hex digits."""
    return hashlib.sha256("\n".join(parts).encode()).hexdigest()
