"""What the reports follow from day to day: which column of `session_summary`, in which unit, how small a change counts.

The words for people stand in `reports.words`, under the same keys.
"""

from dataclasses import dataclass
from enum import StrEnum

from pmfer.facs import PAIN_COLUMNS


class Unit(StrEnum):
    """How a measure is printed."""

    TIME_SHARE = "time_share"  # share of the observed time, printed as a percentage
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
    column: str  # column of Material.summary, one value per session
    unit: Unit
    least_change: float  # in the measure's unit; a difference from the baseline below this is never a finding
    concern: Concern
    watched_closely: bool = False  # narrower limits: what the service is for speaks first


# Below three points a difference is not worth anybody's way to a room, however steady the baseline was. It also keeps
# the limits apart where a measure hardly ever moves: eight days of 0 % have no spread at all. Our choice.
LEAST_CHANGE = 0.03

# The order is that of the report. Every one of these gets a chart. Flags go one way only, the way that asks for a look:
# a patient who smiles more needs no visit, and half the chances of a false flag are gone. Fear raises none, because the
# model recognises it poorly (its card says how poorly).
HEADLINE_MEASURES: tuple[Measure, ...] = (
    Measure("pain_activity", "pain_activity_mean", Unit.SCALE, LEAST_CHANGE, Concern.HIGHER, watched_closely=True),
    Measure("expressivity", "expressivity_mean", Unit.SCALE, LEAST_CHANGE, Concern.LOWER),
    Measure("smiling", "happiness_share", Unit.TIME_SHARE, LEAST_CHANGE, Concern.LOWER),
    Measure("sadness", "sadness_share", Unit.TIME_SHARE, LEAST_CHANGE, Concern.HIGHER),
    Measure("fear", "fear_share", Unit.TIME_SHARE, LEAST_CHANGE, Concern.NEITHER),
    Measure("anger", "anger_share", Unit.TIME_SHARE, LEAST_CHANGE, Concern.HIGHER),
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
        Measure(name, f"{name}_share", Unit.TIME_SHARE, LEAST_CHANGE, Concern.NEITHER)
        for name in ("neutral", "surprise", "disgust", "contempt")
    ),
)

MEASURES: tuple[Measure, ...] = HEADLINE_MEASURES + PHRASE_MEASURES + CONTEXT_MEASURES
MEASURE_BY_KEY: dict[str, Measure] = {measure.key: measure for measure in MEASURES}
