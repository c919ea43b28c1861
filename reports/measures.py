"""What the reports follow from day to day, and every limit at which they abstain or speak up.

docs/statistics.md explains and measures the limits. None of them comes from a clinical study: they are engineering
choices. The words for people stand in `reports.words`, under the keys of the measures.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from pmfer.pain import PAIN_COLUMNS


class Unit(StrEnum):
    """How a measure is printed."""

    TIME_SHARE = "time_share"  # estimated share of the observed time, printed as a percentage
    SCALE = "scale"  # a mean phrase or expression score, printed on a scale of 0 to 100
    PER_MINUTE = "per_minute"  # a count per observed minute

    @property
    def highest(self) -> float:
        """The highest possible value."""
        return float("inf") if self is Unit.PER_MINUTE else 1.0


class Concern(StrEnum):
    """Which change of a measure asks for a look. Changes the other way are told, and no flag."""

    HIGHER = "higher"
    LOWER = "lower"
    EITHER = "either"  # used by the phrases, which explain a finding and raise none
    NEITHER = "neither"  # shown and told, never a flag


@dataclass(frozen=True)
class Measure:
    """One quantity that is compared with the patient's own baseline."""

    key: str  # identifies the measure in findings, words and charts
    column: str  # column of ReportData.summary, one value per session
    unit: Unit
    least_change: float  # in the measure's unit; a difference from the baseline below this is never a finding
    concern: Concern
    watched_closely: bool = False  # narrower limits: what the service is for speaks first


# A difference below three points is not worth a walk to the room, however steady the baseline was. It also keeps the
# limits apart where a measure hardly ever moves: eight days of 0 % have no spread at all. Our choice.
LEAST_CHANGE = 0.03

# An expression is followed by its mean probability, about the share of the time in which people would call the face
# so. Counting the frames in which it is the likeliest one misses what is subdued: docs/statistics.md compares both.
# In the order of the report; each gets a chart. Flags go one way only, the way that asks for a look: a patient who
# smiles more needs no visit, and this halves the false flags. Fear raises none, because the
# model recognises it poorly (its card says how poorly).
HEADLINE_MEASURES: tuple[Measure, ...] = (
    Measure("pain_activity", "pain_activity_mean", Unit.SCALE, LEAST_CHANGE, Concern.HIGHER, watched_closely=True),
    Measure("expressivity", "expressivity_mean", Unit.SCALE, LEAST_CHANGE, Concern.LOWER),
    Measure("smiling", "happiness_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.LOWER),
    Measure("sadness", "sadness_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.HIGHER),
    Measure("fear", "fear_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.NEITHER),
    Measure("anger", "anger_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.HIGHER),
)

# The units of pain-related facial activity and the two lip corners. They show what the
# face did and explain a finding; alone they raise none, because twenty more chances a day would raise false ones.
PHRASE_MEASURES: tuple[Measure, ...] = tuple(
    Measure(column, f"{column}_mean", Unit.SCALE, LEAST_CHANGE, Concern.EITHER)
    for column in (*PAIN_COLUMNS, "au12", "au15")
)

LEAST_SMILES = 0.2  # per minute: one smile more or less in five minutes

# The rest of what was counted, for whoever wants to know more. None raises a flag: the shares sum to one, so they
# follow the others, and the model recognises disgust and contempt poorly. Episodes are those of the table `episodes`.
CONTEXT_MEASURES: tuple[Measure, ...] = (
    Measure("smile_episodes", "smiles_per_min", Unit.PER_MINUTE, LEAST_SMILES, Concern.NEITHER),
    *(
        Measure(name, f"{name}_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.NEITHER)
        for name in ("neutral", "surprise", "disgust", "contempt")
    ),
)

MEASURES: tuple[Measure, ...] = HEADLINE_MEASURES + PHRASE_MEASURES + CONTEXT_MEASURES
MEASURE_BY_KEY: dict[str, Measure] = {measure.key: measure for measure in MEASURES}


class Rule(StrEnum):
    """What raises a flag. Each can be switched off, see Thresholds; formulas and sources in reports.statistics."""

    BEYOND_LIMITS = "beyond_limits"  # the day's value lies outside the limits of the individuals chart
    EWMA = "ewma"  # the exponentially weighted mean of the last days lies outside its limits
    CHANGE = "change"  # the latest days as a whole differ from the baseline's days before them
    SHIFT = "shift"  # many valid days in a row on one side of the baseline's centre
    TREND = "trend"  # many valid days in a row, each higher (or each lower) than the one before


@dataclass(frozen=True)
class Thresholds:
    """Limits for sessions, days, baselines, rules and the ward's list."""

    # When a session and a day count
    min_frames_per_session: int = 20  # scored frames; four seconds at the default five frames a second
    min_scored_share: float = 0.2  # scored / sampled frames: a face seen for less does not stand for the session
    max_yaw_deg: float = 20.0  # median estimated |yaw| of a session; faces turned beyond 45 degrees read about so
    min_frames_per_day: int = 30  # scored frames over the usable sessions
    min_observed_s: float = 60.0  # seconds with the face scored: a page that rests on fewer says so in its first lines
    dominant_share: float = 0.5  # of the frames not scored: from here on one reason, such as darkness, is named
    # The baseline
    min_baseline_days: int = 7  # valid days before the day reported: every weekday once
    max_baseline_days: int = 56  # the first so many valid days are the baseline, and it then stays as it is
    firm_baseline_days: int = 49  # with fewer, "as usual" cannot rule out a change of 3 spreads: docs/statistics.md
    min_situation_days: int = 7  # earlier days in a situation, such as a meal: as many as any baseline needs to speak
    learning_delay: int = 5  # valid days until a day joins a baseline that can speak already
    expected_phi: float = 0.5  # correlation of one day with the next where the patient's own days say nothing yet
    expected_phi_pairs: float = 30.0  # number of pairs of days that the expectation counts for
    restart_days: int = 7  # calendar days without data after which runs and the moving average start afresh
    least_degrees: float = 6.0  # of freedom of the spread; by fewer, the range of the first weeks would hold anything
    # The rules; sigmas are those of a normal distribution, widened while the baseline rests on few days
    limit_sigmas: float = 2.6  # individuals chart of a measure that is watched closely
    ewma_sigmas: float = 2.2  # EWMA chart of a measure that is watched closely
    strict_limit_sigmas: float = 3.3  # individuals chart of every other measure
    strict_ewma_sigmas: float = 3.2  # EWMA chart of every other measure
    ewma_weight: float = 0.4  # of the newest day in the moving average
    shift_days: int = 14  # valid days in a row on one side of the centre; as rare at phi 0.5 as eight independent ones
    trend_run_days: int = 7  # valid days in a row, each higher (lower) than the one before
    change_sigmas: float = 2.9  # lasting change of a measure that is watched closely
    strict_change_sigmas: float = 3.3  # lasting change of every other measure
    change_least_days: int = 4  # latest valid days that are compared, as a whole, with the baseline before them
    change_most_days: int = 28
    change_clip: float = 3.5  # spreads: a day counts as no further out in the mean of those days
    rule_beyond_limits: bool = True  # these five by Rule, see `thresholds_with`
    rule_ewma: bool = True
    rule_change: bool = True
    rule_shift: bool = False  # off: under correlation it alone raises more than all others, docs/statistics.md
    rule_trend: bool = False  # off: it finds nothing that EWMA has not found before, docs/statistics.md
    # The life of a flag
    # One day beyond its limits opens a flag of a closely watched measure at once; of every other measure
    sudden_size: float = 2.0  # only if it lies so many times as far out as its limits,
    confirming_size: float = 0.4  # or if the valid day before lay at least so far out on the same side
    back_shift: float = 2.0  # spreads from the centre: what "still away" means when a flag asks to be closed
    back_evidence: float = 2.5  # log likelihood by which "back" must be ahead of "still away" to close it
    back_lead: float = 1.5  # head start of "back" where the flag opened on a day beyond its own limits
    back_cap: float = 2.0  # and by which "still away" can be ahead at most
    dating_window: int = 42  # valid days among which the onset is looked for
    dating_days: int = 10  # valid days of a flag after which its onset is not estimated anew
    onset_share: float = 0.8  # of the likelihood that the interval of the onset holds
    back_days: int = 7  # calendar days for which a page tells a return; a flag that comes back within them is the same
    accepted_days: int = 28  # calendar days for which a page tells that a new level was accepted
    # Intervals
    interval_share: float = 0.95  # of the intervals that are to hold the day's true mean
    min_interval_sessions: int = 4  # usable sessions of the day: fewer cannot be resampled to any purpose
    resamples: int = 1000
    # The ward and the pages
    alert_budget: int = 5  # patients put forward per ward and night; the others that changed are listed after them
    trend_days: int = 28  # calendar days drawn, the day reported included
    glance_days: int = 91  # calendar days drawn small beside them, the day reported included


DEFAULT_THRESHOLDS = Thresholds()


def thresholds_with(rules: Collection[Rule]) -> Thresholds:
    """The limits with these rules switched on and all others off."""
    return replace(DEFAULT_THRESHOLDS, **{f"rule_{rule.value}": rule in rules for rule in Rule})
