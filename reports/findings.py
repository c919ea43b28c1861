"""Findings: what is flagged, by which rule and since when, and why nothing could be compared."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import polars as pl

from reports.daily import enough_frames
from reports.measures import Measure, Rule, Thresholds


class State(StrEnum):
    """How a day compares with the patient's own usual range."""

    USUAL = "usual"  # also where a change the other way than the measure's concern is told, see Finding.told
    HIGHER = "higher"
    LOWER = "lower"
    INSUFFICIENT = "insufficient"


class Stage(StrEnum):
    """Where a measure stands in the life of a flag."""

    NEW = "new"  # a flag opened on the reported day
    OPEN = "open"  # it opened on an earlier day, and the patient is not back yet
    BACK = "back"  # it closed within the last `Thresholds.back_days` calendar days, the reported day included
    ACCEPTED = "accepted"  # a person accepted a new level, not long ago or with too few days since then
    USUAL = "usual"  # none of those
    NOT_COMPARED = "not_compared"  # the day abstains, and no flag is open


class Lack(StrEnum):
    """Why a comparison was not made."""

    NO_SESSION = "no_session"  # nothing was recorded on the day
    ALL_SET_ASIDE = "all_set_aside"  # something was recorded, and every session of it is in quarantine
    TOO_DARK = "too_dark"  # too few frames, most of the others for want of light
    TOO_BRIGHT = "too_bright"  # too few frames, most of the others washed out
    COVERED = "covered"  # too few frames, most of the others with a covered face
    TURNED_AWAY = "turned_away"  # too few frames of a face turned towards the camera
    TOO_LITTLE_SEEN = "too_little_seen"  # too few frames for any other reason, or for several
    TOO_SHORT = "too_short"  # the face was in view, but too little was recorded, or too little of it could be used
    NOT_MEASURED = "not_measured"  # the day is fine, but this measure was not scored
    NO_BASELINE = "no_baseline"  # the day is fine, but too few valid days lie before it
    NEW_SITUATION = "new_situation"  # the day is fine, but too few earlier days were recorded in its situations


@dataclass(frozen=True)
class Signal:
    """One rule that speaks on the day reported."""

    rule: Rule
    state: State  # HIGHER or LOWER
    since: date  # first day of the pattern; the day itself for a single value beyond the limits
    size: float = 1.0  # distance from the centre in half-widths of the rule's limits; 1 for rules that count days


@dataclass(frozen=True)
class Baseline:
    """The usual range of one measure, from the patient's own first valid days. Values in the measure's unit."""

    centre: float  # Hodges-Lehmann centre of the daily values
    low: float  # lower limit of the individuals chart, at least 0
    high: float  # upper limit, at most the measure's highest possible value
    half_width: float  # distance of the further limit from the centre
    days: int = 0  # number of days it rests on


@dataclass(frozen=True)
class Episode:
    """The life of one flag, as far as it is known on the day reported."""

    state: State  # HIGHER or LOWER
    opened: date  # first day flagged
    onset: date  # day on which the change most likely began
    onset_from: date  # interval around it that holds it in about 80 %
    onset_to: date
    closed: date | None  # day on which the patient was back; None while it is open
    days_open: int  # valid days from the first one flagged to the day reported or the day it closed, both included


@dataclass(frozen=True)
class Finding:
    """One measure on one day."""

    key: str  # Measure.key
    state: State
    value: float | None  # in the measure's unit; None where the day has too little data
    baseline: Baseline | None  # None where there are too few valid days
    lack: Lack | None  # None unless the state is INSUFFICIENT
    signals: tuple[Signal, ...] = ()  # the rules that speak the way of the flag; an open flag may have none today
    interval: tuple[float, float] | None = None  # 95 % interval of the value from resampled sessions; None if unknown
    told: tuple[Signal, ...] = ()  # the rules that speak the other way than the concern: told, and no flag
    recent: float | None = None  # weighted mean of the last days, what the EWMA rule judges; None without a value
    mean_since: float | None = None  # mean of the values since the onset of an open flag, in the measure's unit
    stage: Stage = Stage.USUAL
    episode: Episode | None = None  # the open flag, or the one that closed last within `back_days`
    usual: tuple[float, float] | None = None  # middle 80 % of the baseline's days, all of them where they are under 10
    accepted_on: date | None = None  # first day of the level that a person accepted; None where nobody did
    tentative: bool = False  # compared with so few days that "as usual" cannot rule out a large change
    # Where a patient is recorded in several situations, such as `meal`, or `unstated` where a session states none:
    situations: tuple[str, ...] = ()  # those of the day that are compared, with earlier days of the same kind
    left_out: tuple[str, ...] = ()  # those of the day with too few earlier days

    @property
    def flagged(self) -> bool:
        """Whether a flag is open: what stands on the ward's list."""
        return self.stage in (Stage.NEW, Stage.OPEN)

    @property
    def direction(self) -> State:
        """HIGHER or LOWER of an open flag, also on a day that abstains; else the state of the day."""
        return self.episode.state if self.flagged and self.episode else self.state

    @property
    def judged(self) -> float | None:
        """The number that speaks for the flag; a page that names another one may contradict itself.

        The day's value if it lies beyond its limits, else the moving average if that does, else the mean of the days
        since the onset. None on a day without a value.
        """
        rules = {signal.rule for signal in self.signals}
        if self.value is None or Rule.BEYOND_LIMITS in rules:
            return self.value
        if Rule.EWMA in rules or self.mean_since is None:
            return self.recent
        return self.mean_since

    @property
    def size(self) -> float:
        """How far beyond its limits the rule lies that speaks loudest, 1 at the limit; 0 without a flag."""
        return max((signal.size for signal in self.signals), default=0.0)


def find(
    measure: Measure,
    value: float | None,
    baseline: Baseline | None,
    lack: Lack,
    signals: tuple[Signal, ...] = (),
    recent: float | None = None,
    episode: Episode | None = None,
    uncompared: Lack = Lack.NO_BASELINE,
) -> Finding:
    """One day's finding from what the rules say and what flag is open.

    Rules that speak the way of the open flag are its signals; all others are told.

    Args:
        measure: what is compared.
        value: the day's value, None if the day has too little data.
        baseline: the usual range, None if there is none yet.
        lack: why there is no value; used only if there is none.
        signals: what the rules say, both ways.
        recent: weighted mean of the last days.
        episode: the open flag, or the one that closed last.
        uncompared: why there is no usual range; used only if there is none.
    """
    if value is None:
        return Finding(measure.key, State.INSUFFICIENT, None, baseline, lack, episode=episode)
    if baseline is None:
        return Finding(measure.key, State.INSUFFICIENT, value, None, uncompared, episode=episode)
    state = State.USUAL if episode is None or episode.closed else episode.state
    flags = tuple(signal for signal in signals if signal.state is state)
    told = tuple(signal for signal in signals if signal not in flags)
    return Finding(measure.key, state, value, baseline, None, flags, told=told, recent=recent, episode=episode)


def stage_of(finding: Finding, day: date, accepted: date | None, thresholds: Thresholds) -> Stage:
    """Where a measure stands on the day."""
    episode = finding.episode
    if episode is not None and episode.closed is None:
        return Stage.NEW if episode.opened == day else Stage.OPEN
    if finding.value is not None and accepted is not None:
        recent = (day - accepted).days < thresholds.accepted_days
        if finding.lack is Lack.NO_BASELINE or (recent and episode is None):
            return Stage.ACCEPTED
    if finding.state is State.INSUFFICIENT:
        return Stage.NOT_COMPARED
    return Stage.USUAL if episode is None else Stage.BACK


_OBSTACLES = {
    "frames_too_dark": Lack.TOO_DARK,
    "frames_too_bright": Lack.TOO_BRIGHT,
    "frames_covered": Lack.COVERED,
}


def missing_reason(today: pl.DataFrame, set_aside: int, thresholds: Thresholds) -> Lack:
    """Why a day has no values, if it has none.

    Light or a cover is named where it took most of the frames that were not scored, a turned face where the frames
    would have been enough. Where the face was in view most of the time, too little was recorded, or too little of it
    could be used; for anything else, or a mixture, the face was seen too little.

    Args:
        today: the day's rows of session_summary of one patient.
        set_aside: number of sessions of the day in quarantine.
        thresholds: which sessions count, and when one reason is named.
    """
    if today.is_empty():
        return Lack.ALL_SET_ASIDE if set_aside else Lack.NO_SESSION
    with_frames = today.filter(enough_frames(thresholds))
    if with_frames["frames_scored"].sum() >= thresholds.min_frames_per_day:
        return Lack.TURNED_AWAY
    sampled, scored = int(today["frames_sampled"].sum()), int(today["frames_scored"].sum())
    if scored > thresholds.dominant_share * sampled:
        return Lack.TOO_SHORT
    unscored = sampled - scored
    for column, lack in _OBSTACLES.items():
        if today[column].sum() > thresholds.dominant_share * unscored:
            return lack
    return Lack.TOO_LITTLE_SEEN


def largest_first(findings: tuple[Finding, ...]) -> tuple[Finding, ...]:
    """The measures whose flag is open, by how far they lie beyond their own limits."""
    return tuple(sorted((f for f in findings if f.flagged), key=lambda f: -f.size))


def common_lack(findings: tuple[Finding, ...]) -> Lack | None:
    """The reason if every finding abstains; all of them rest on the same frames, so the first one speaks for all."""
    abstains = all(finding.state is State.INSUFFICIENT for finding in findings)
    return findings[0].lack if abstains else None
