"""What the reports follow from day to day: which column of `session_summary`, in which unit, how small a change counts.

The words for people stand in `reports.words`, under the same keys.
"""

from dataclasses import dataclass
from enum import StrEnum


class Unit(StrEnum):
    """How a measure is printed."""

    TIME_SHARE = "time_share"  # share of the observed time, printed as a percentage
    SCALE = "scale"  # a mean phrase or expression score, printed on a scale of 0 to 100


@dataclass(frozen=True)
class Measure:
    """One quantity that is compared with the patient's own baseline."""

    key: str  # identifies the measure in findings, words and charts
    column: str  # column of session_summary, a value in 0..1 per session
    unit: Unit
    least_change: float  # 0..1, a difference from the baseline below this is never a finding


# Below three points a difference is not worth anybody's way to a room, however steady the baseline was. It also keeps
# the limits apart where a measure hardly ever moves: eight days of 0 % have no spread at all. Our choice.
LEAST_CHANGE = 0.03

# The order is that of the report. Every one of these gets a chart and may become a finding.
HEADLINE_MEASURES: tuple[Measure, ...] = (
    Measure("pain_activity", "pain_activity_mean", Unit.SCALE, LEAST_CHANGE),
    Measure("expressivity", "expressivity_mean", Unit.SCALE, LEAST_CHANGE),
    Measure("smiling", "happiness_share", Unit.TIME_SHARE, LEAST_CHANGE),
    Measure("sadness", "sadness_share", Unit.TIME_SHARE, LEAST_CHANGE),
    Measure("fear", "fear_share", Unit.TIME_SHARE, LEAST_CHANGE),
    Measure("anger", "anger_share", Unit.TIME_SHARE, LEAST_CHANGE),
)

# The units of pain-related facial activity (see pmfer.facs.PSPI_FORMULA) and the two lip corners. They show what the
# face did and explain a finding; alone they raise none, because twenty more chances a day would raise false ones.
PHRASE_MEASURES: tuple[Measure, ...] = tuple(
    Measure(column, f"{column}_mean", Unit.SCALE, LEAST_CHANGE)
    for column in ("au04", "au06", "au07", "au09", "au10", "au43", "au12", "au15")
)

MEASURES: tuple[Measure, ...] = HEADLINE_MEASURES + PHRASE_MEASURES
MEASURE_BY_KEY: dict[str, Measure] = {measure.key: measure for measure in MEASURES}
