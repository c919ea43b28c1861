"""The measures that the reports follow from day to day, and every limit that they apply.

docs/statistics.md explains the limits and measures how well they work. None of them comes from a clinical study: they
are engineering choices. The wording for readers is in `reports.words`, under the keys of the measures.
"""

from collections.abc import Collection
from dataclasses import dataclass, replace
from enum import StrEnum

from pmfer.pain import OF_THE_EYES, PAIN_COLUMNS


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
    """Which direction of change raises a flag. A change the other way is mentioned but not flagged."""

    HIGHER = "higher"
    LOWER = "lower"
    EITHER = "either"  # for the phrases, which explain a finding but never raise a flag themselves
    NEITHER = "neither"  # shown and mentioned, never flagged


@dataclass(frozen=True)
class Measure:
    """One quantity that is compared with the patient's own baseline."""

    key: str  # identifies the measure in findings, words and charts
    column: str  # column of ReportData.summary, one value per session
    unit: Unit
    least_change: float  # in the measure's unit; a smaller difference from the baseline never counts as a change
    concern: Concern
    watched_closely: bool = False  # gets narrower limits, because it is what the service is for


# A difference of less than three points is not worth a walk to the room, however steady the baseline is. This also
# keeps the limits apart when a measure hardly ever moves: eight days at 0 % have no spread at all. Our own choice.
LEAST_CHANGE = 0.03

# An expression is measured by its mean probability, roughly the share of the time in which people would say that the
# face shows it. Counting the frames in which it is the most likely expression would miss subdued ones;
# docs/statistics.md compares both. The order is that of the report, and each measure gets a chart. Flags are raised in
# one direction only, the one that calls for a visit: a patient who smiles more needs none, and this halves the false
# flags. Fear never raises a flag, because the model recognises it poorly (the model card says how poorly).
HEADLINE_MEASURES: tuple[Measure, ...] = (
    Measure("pain_activity", "pain_activity_mean", Unit.SCALE, LEAST_CHANGE, Concern.HIGHER, watched_closely=True),
    Measure("expressivity", "expressivity_mean", Unit.SCALE, LEAST_CHANGE, Concern.LOWER),
    Measure("smiling", "happiness_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.LOWER),
    Measure("sadness", "sadness_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.HIGHER),
    Measure("fear", "fear_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.NEITHER),
    Measure("anger", "anger_mean", Unit.TIME_SHARE, LEAST_CHANGE, Concern.HIGHER),
)

# The action units of pain-related facial activity and of the lip corners. They show what the face did and explain a
# finding. They raise no flags of their own, because so many more comparisons a day would raise false ones.
PHRASE_MEASURES: tuple[Measure, ...] = tuple(
    Measure(column, f"{column}_mean", Unit.SCALE, LEAST_CHANGE, Concern.EITHER)
    for column in (*PAIN_COLUMNS, "au12", "au15")
)

# What pages tell of pain-related movements if the activity itself was not measured, for example under a mask. The eyes
# are left out, because they also move in a smile or at rest.
PAIN_MOVEMENTS: tuple[Measure, ...] = tuple(
    measure for measure in PHRASE_MEASURES if measure.key in PAIN_COLUMNS and measure.key not in OF_THE_EYES
)

LEAST_SMILES = 0.2  # per minute: one smile more or less in five minutes

# Everything else that was measured, for readers who want to know more. None of it raises a flag: the expressions sum to
# one, so these follow the others, and the model recognises disgust and contempt poorly. Smiles are counted in the table
# `episodes`.
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
    """The rules that can raise a flag. Thresholds switches each on or off; see reports.statistics for the formulas."""

    BEYOND_LIMITS = "beyond_limits"  # the day's value lies outside the limits of the individuals chart
    EWMA = "ewma"  # the exponentially weighted mean of the last days lies outside its limits
    CHANGE = "change"  # the latest days as a group differ from the baseline's earlier days
    SHIFT = "shift"  # many valid days in a row on one side of the baseline's centre
    TREND = "trend"  # many valid days in a row, each higher (or each lower) than the one before


@dataclass(frozen=True)
class Thresholds:
    """Limits for sessions, days, baselines, rules and the ward's list; comments give units and reasons."""

    # When a session and a day count
    min_frames_per_session: int = 20  # scored frames; four seconds at the default five frames a second
    min_scored_share: float = 0.2  # scored / sampled frames: a face seen for less does not represent the session
    max_yaw_deg: float = 20.0  # median estimated |yaw| of a session; a real turn of 45 degrees reads as about 20
    min_frames_per_day: int = 30  # scored frames in all usable sessions
    min_observed_s: float = 60.0  # seconds with the face scored; below this the first lines of the page say so
    dominant_share: float = 0.5  # of the unscored frames: above this, one reason, such as darkness, is named
    # The baseline
    min_baseline_days: int = 7  # valid days before the reported day: one week
    max_baseline_days: int = 56  # the baseline takes this many valid days, then stays fixed
    firm_baseline_days: int = 49  # with fewer, "as usual" cannot rule out a change of 3 spreads; see docs/statistics.md
    min_situation_days: int = 7  # earlier days in a situation, such as a meal; the same as min_baseline_days
    learning_delay: int = 5  # valid days before a day joins a baseline that is already in use
    expected_phi: float = 0.5  # correlation of one day with the next, before the patient's own days show it
    expected_phi_pairs: float = 30.0  # weight of that expectation, as a number of pairs of days
    restart_days: int = 7  # calendar days without data after which runs and the moving average start again
    least_degrees: float = 6.0  # at least, of freedom of the spread; with fewer, early limits would be far too wide
    # The rules. Sigmas are those of a normal distribution; limits are wider while the baseline has few days
    limit_sigmas: float = 2.6  # individuals chart of a closely watched measure
    ewma_sigmas: float = 2.2  # EWMA chart of a closely watched measure
    strict_limit_sigmas: float = 3.3  # individuals chart of every other measure
    strict_ewma_sigmas: float = 3.2  # EWMA chart of every other measure
    ewma_weight: float = 0.4  # weight of the newest day in the moving average
    shift_days: int = 14  # valid days in a row on one side of the centre; at phi 0.5 as rare as eight independent days
    trend_run_days: int = 7  # valid days in a row, each higher (lower) than the one before
    change_sigmas: float = 2.9  # lasting change of a closely watched measure
    strict_change_sigmas: float = 3.3  # lasting change of every other measure
    change_least_days: int = 4  # fewest latest valid days compared, as a group, with the baseline before them
    change_most_days: int = 28  # most of them
    change_clip: float = 3.5  # spreads: a day further out counts as only this far out in the mean of those days
    rule_beyond_limits: bool = True  # one switch per Rule, see `thresholds_with`
    rule_ewma: bool = True
    rule_change: bool = True
    rule_shift: bool = False  # off: with correlated days it raises more false flags than all others together
    rule_trend: bool = False  # off: it finds nothing that EWMA has not found already; see docs/statistics.md
    # The life of a flag
    # For a closely watched measure, one day beyond its limits opens a flag at once. For every other measure
    sudden_size: float = 2.0  # the day must lie this many times as far out as the limits,
    confirming_size: float = 0.4  # or the valid day before must lie at least this far out on the same side
    back_shift: float = 2.0  # spreads from the centre that "still away" stands for in the test that closes a flag
    back_evidence: float = 2.5  # log likelihood by which "back" must lead "still away" before the flag closes
    back_lead: float = 1.5  # head start for "back" if the flag opened on a day beyond its own limits
    back_cap: float = 2.0  # the most by which "still away" can lead
    dating_window: int = 42  # valid days searched for the onset
    dating_days: int = 10  # valid days of a flag after which its onset is no longer re-estimated
    onset_share: float = 0.8  # of the likelihood that the onset's interval covers
    settling_days: int = 21  # valid days after which a change that is no concern becomes the usual level
    back_days: int = 7  # calendar days for which a page mentions a return; reopened within them, a flag is the same one
    accepted_days: int = 28  # calendar days for which a page mentions a new level, accepted or settled
    # Intervals
    interval_share: float = 0.95  # of the intervals that should contain the day's true mean
    min_interval_sessions: int = 4  # usable sessions of the day; resampling fewer is pointless
    resamples: int = 1000
    # The ward and the pages
    alert_budget: int = 5  # patients listed first, per ward and night; others with a change follow them by name
    trend_days: int = 28  # calendar days drawn, including the reported day
    glance_days: int = 91  # calendar days in the small chart beside them, including the reported day


DEFAULT_THRESHOLDS = Thresholds()


def thresholds_with(rules: Collection[Rule]) -> Thresholds:
    """The limits with these rules switched on and all others off."""
    return replace(DEFAULT_THRESHOLDS, **{f"rule_{rule.value}": rule in rules for rule in Rule})
