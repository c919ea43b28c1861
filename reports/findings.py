"""Findings: what is flagged, by which rule and since when, or why nothing could be compared."""

from dataclasses import dataclass
from datetime import date
from enum import StrEnum

import polars as pl

from reports.daily import enough_frames
from reports.measures import Measure, Rule, Thresholds


class State(StrEnum):
    """How a day compares with the patient's own usual range."""

    USUAL = "usual"  # also for a change in the direction that raises no flag, see Finding.told
    HIGHER = "higher"
    LOWER = "lower"
    INSUFFICIENT = "insufficient"


class Stage(StrEnum):
    """Which stage of a flag's life a measure is in."""

    NEW = "new"  # a flag opened on the reported day
    OPEN = "open"  # it opened on an earlier day, and the patient is not back yet
    BACK = "back"  # it closed within the last `Thresholds.back_days` calendar days, including the reported day
    ACCEPTED = "accepted"  # a person accepted a new level, either recently or with too few days since then
    USUAL = "usual"  # none of those
    NOT_COMPARED = "not_compared"  # the day could not be compared, and no flag is open


class Lack(StrEnum):
    """Why a comparison was not made."""

    NO_SESSION = "no_session"  # nothing was recorded on the day
    ALL_SET_ASIDE = "all_set_aside"  # something was recorded, but every session is in quarantine
    TOO_DARK = "too_dark"  # too few frames; most of the others were too dark
    TOO_BRIGHT = "too_bright"  # too few frames; most of the others were washed out
    COVERED = "covered"  # too few frames; in most of the others the face was covered
    TURNED_AWAY = "turned_away"  # too few frames with the face turned to the camera
    TOO_LITTLE_SEEN = "too_little_seen"  # too few frames, for another reason or several
    TOO_SHORT = "too_short"  # the face was in view, but too little was recorded or usable
    NOT_MEASURED = "not_measured"  # the day is fine, but this measure was not scored
    NO_BASELINE = "no_baseline"  # the day is fine, but there are too few valid days before it
    NEW_SITUATION = "new_situation"  # the day is fine, but too few earlier days were recorded in its situations


@dataclass(frozen=True)
class Signal:
    """One rule that fired on the reported day."""

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
    days: int = 0  # number of days it is based on


@dataclass(frozen=True)
class Episode:
    """The life of one flag, as known on the reported day."""

    state: State  # HIGHER or LOWER
    opened: date  # first day flagged
    onset: date  # day on which the change most likely began
    onset_from: date  # interval that contains the true day in about 80 % of cases
    onset_to: date
    closed: date | None  # day on which the patient was back; None while it is open
    days_open: int  # valid days from the first flagged day to the reported or closing day, both included
    reopened: date | None = None  # last day on which it came back after a return, if within `back_days`


@dataclass(frozen=True)
class NewLevel:
    """A change in the direction that raises no flag, which lasted and so became the usual level."""

    state: State  # HIGHER or LOWER than before
    since: date  # first day of the level
    settled: date  # day from which the next day was compared with it


@dataclass(frozen=True)
class Finding:
    """One measure on one day."""

    key: str  # Measure.key
    state: State
    value: float | None  # in the measure's unit; None where the day has too little data
    baseline: Baseline | None  # None where there are too few valid days
    lack: Lack | None  # None unless the state is INSUFFICIENT
    signals: tuple[Signal, ...] = ()  # rules that fired in the flag's direction; an open flag may have none today
    interval: tuple[float, float] | None = None  # 95 % interval of the value from resampled sessions; None if unknown
    told: tuple[Signal, ...] = ()  # rules that fired without a flag in their direction: mentioned only
    recent: float | None = None  # weighted mean of the last days, as judged by the EWMA rule; None without a value
    mean_since: float | None = None  # mean of the values since the onset of an open flag, in the measure's unit
    stage: Stage = Stage.USUAL
    episode: Episode | None = None  # the open flag, or the one that closed last within `back_days`
    usual: tuple[float, float] | None = None  # middle 80 % of the baseline's days; full range if fewer than 10
    accepted_on: date | None = None  # first day of the level that a person accepted; None if nobody did
    new_level: NewLevel | None = None  # the newest one, if it settled within `Thresholds.accepted_days`
    tentative: bool = False  # the baseline has so few days that "as usual" cannot rule out a large change
    # For patients recorded in several situations, such as `meal`; `unstated` stands for sessions that name none:
    situations: tuple[str, ...] = ()  # those of the day that are compared with earlier days of the same kind
    left_out: tuple[str, ...] = ()  # those of the day with too few earlier days

    @property
    def flagged(self) -> bool:
        """Whether a flag is open, so that the patient is on the ward's list."""
        return self.stage in (Stage.NEW, Stage.OPEN)

    @property
    def direction(self) -> State:
        """The direction of the open flag, even on a day that could not be compared; otherwise the state of the day."""
        return self.episode.state if self.flagged and self.episode else self.state

    @property
    def judged(self) -> float | None:
        """The number that supports the flag; a page that printed another one could contradict itself.

        The day's value if it is beyond its limits, otherwise the moving average if that is, otherwise the mean of the
        days since the onset. None on a day without a value.
        """
        rules = {signal.rule for signal in self.signals}
        if self.value is None or Rule.BEYOND_LIMITS in rules:
            return self.value
        if Rule.EWMA in rules or self.mean_since is None:
            return self.recent
        return self.mean_since

    @property
    def size(self) -> float:
        """The largest `Signal.size` of the flag, 1 at the limit; 0 if no rule fired."""
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
    """One day's finding, from the rules that fired and the flag that is open.

    Rules that fired in the direction of the open flag become its signals; all others go to `told`.

    Args:
        measure: what is compared.
        value: the day's value, None if the day has too little data.
        baseline: None if there is none yet.
        lack: why there is no value; used only if there is none.
        signals: the rules that fired, in either direction.
        recent: weighted mean of the last days.
        episode: the open flag, or the one that closed last.
        uncompared: why there is no baseline; used only if there is none.
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
    """The stage of a measure on the day; `accepted` is the first day of an accepted level."""
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


def missing_reason(today: pl.DataFrame, quarantined: int, thresholds: Thresholds) -> Lack:
    """Why a day has no values, assuming that it has none.

    TURNED_AWAY if the sessions would have had enough frames, had the face been turned to the camera. TOO_SHORT if most
    sampled frames were scored, so that more recording would have helped. Light or a cover if it spoiled most of the
    unscored frames. TOO_LITTLE_SEEN for anything else, or a mixture.

    Args:
        today: the day's rows of session_summary of one patient.
        quarantined: number of sessions of the day in quarantine.
        thresholds: which sessions count, and when a single reason is named.
    """
    if today.is_empty():
        return Lack.ALL_SET_ASIDE if quarantined else Lack.NO_SESSION
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
    """The findings with an open flag, those furthest beyond their own limits first."""
    return tuple(sorted((f for f in findings if f.flagged), key=lambda f: -f.size))


def common_lack(findings: tuple[Finding, ...]) -> Lack | None:
    """The reason if no finding could be compared.

    All rest on the same frames, so all have the same reason, except those that were not measured.
    """
    if any(finding.state is not State.INSUFFICIENT for finding in findings):
        return None
    return next((finding.lack for finding in findings if finding.lack is not Lack.NOT_MEASURED), Lack.NOT_MEASURED)
