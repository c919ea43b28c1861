"""The numbers of one measure on one day: the value, what is usual, and the digits that tell them apart.

Whatever a page says of a measure takes its numbers from here, so that there is one usual range per measure and phrase.
"""

from reports.findings import Finding, State
from reports.measures import MEASURE_BY_KEY, Rule, Unit
from reports.words.labels import STATE_SYMBOLS, measure_words
from reports.words.language import DASH, NBSP, Language, figure, span

MOST_DIGITS = 2  # decimals of a printed percentage, where fewer would print a changed value as one within the range


def opening(say: Language, finding: Finding) -> str:
    """What changed, as a sentence without its numbers: `Less smiling than usual`."""
    words = measure_words(say, finding.key)
    return words.higher if direction_of(finding) is State.HIGHER else words.lower


def direction_of(finding: Finding) -> State:
    """Which way a measure differs: by its open flag, or else by what is told without one."""
    if not finding.flagged and finding.told:
        return finding.told[0].state
    return finding.direction


def amount(say: Language, finding: Finding) -> str:
    """The number that speaks and what is usual: `45 of 100, usually 14 to 16`. Empty without a value.

    Where the last days together speak, their mean is named; where it lies within the usual range all the same, the
    middle of the range stands in place of its ends.
    """
    if finding.value is None:
        return ""
    shown = _of_scale(say, finding, speaking(say, finding))
    if finding.baseline is None:
        return shown
    if mean_speaks(finding):
        if mean_since_onset(finding):
            return say("{mean} on average since it began, {usual}", mean=shown, usual=usually(say, finding))
        return say("{mean} on average over the last days, {usual}", mean=shown, usual=usually(say, finding))
    return say("{value}, {usual}", value=shown, usual=usually(say, finding))


def mean_speaks(finding: Finding) -> bool:
    """Whether a change is told by a mean of several days, and not by the day's own value."""
    speak = finding.signals if finding.flagged else finding.told
    if not speak or any(signal.rule is Rule.BEYOND_LIMITS for signal in speak):
        return False
    return _mean(finding) is not None


def mean_since_onset(finding: Finding) -> bool:
    """Whether that is the mean of all days since the onset; else it is the moving average of the last days."""
    moving = any(signal.rule is Rule.EWMA for signal in finding.signals)
    return finding.flagged and finding.mean_since is not None and not moving


def speaking(say: Language, finding: Finding) -> str:
    """The number that is compared: the day's value, or the mean of the last days where that speaks."""
    return figure(say, _speaking(finding), MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usually(say: Language, finding: Finding) -> str:
    """What the number is held against: `usually 11 to 19%`, or `usually about 15%` where it lies within that."""
    if finding.baseline is None:
        return ""
    if _centre_only(finding):
        unit = MEASURE_BY_KEY[finding.key].unit
        return say("usually about {centre}", centre=figure(say, finding.baseline.centre, unit, digits_for(finding)))
    return say("usually {usual}", usual=usual(say, finding))


def numbers(say: Language, finding: Finding, *, with_interval: bool = True) -> str:
    """The day's value and what is usual, as far as they are known: `44 (41 to 47), usually 12 to 18`."""
    if finding.value is None:
        return usually(say, finding)
    if mean_speaks(finding):
        places = {"value": day_value(say, finding), "mean": speaking(say, finding), "usual": usually(say, finding)}
        if mean_since_onset(finding):
            return say("{value}; mean since it began {mean}, {usual}", **places)
        return say("{value}; mean of the last days {mean}, {usual}", **places)
    now = day_value(say, finding)
    if with_interval and finding.interval is not None:
        unit, digits = MEASURE_BY_KEY[finding.key].unit, digits_for(finding)
        low, high = (figure(say, end, unit, digits) for end in finding.interval)
        if low != high:
            now = say("{value} ({interval})", value=now, interval=span(say, finding.interval, unit, digits))
    return now if finding.baseline is None else say("{value}, {usual}", value=now, usual=usually(say, finding))


def digits_for(finding: Finding) -> int:
    """Decimals to print: none, unless a change would then read like what it is held against."""
    value, baseline = _speaking(finding), finding.baseline
    if value is None or baseline is None or not (finding.flagged or finding.told):
        return 0
    low, high = (baseline.centre, baseline.centre) if _centre_only(finding) else _usual(finding)
    if low <= value <= high:
        return 0
    for digits in range(MOST_DIGITS):
        printed = round(100 * value, digits)
        if printed < round(100 * low, digits) or printed > round(100 * high, digits):
            return digits
    return MOST_DIGITS


def day_value(say: Language, finding: Finding) -> str:
    """The day's value for a table: `4%`, `31`, or a dash."""
    return figure(say, finding.value, MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usual(say: Language, finding: Finding) -> str:
    """The usual range for a table: `11 to 19%`, `up to 4%`, `about 10`, or a dash."""
    if finding.baseline is None:
        return DASH
    return usual_span(say, _usual(finding), MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usual_span(say: Language, ends: tuple[float, float], unit: Unit, digits: int = 0) -> str:
    """A range of two values in their unit; one that starts at nothing, or has no width in print, is said by its end."""
    low, high = (figure(say, end, unit, digits) for end in ends)
    nothing = figure(say, 0.0, unit, digits)
    if high == nothing:
        return nothing
    if low == high:
        return say("about {value}", value=high).replace(" ", NBSP)
    if low == nothing:
        return say("up to {high}", high=high).replace(" ", NBSP)
    return span(say, ends, unit, digits)


def rule_words(say: Language, finding: Finding) -> str:
    """Which rules speak, in a few words each; empty if none does."""
    names = {
        Rule.BEYOND_LIMITS: say("beyond the alarm limit"),
        Rule.EWMA: say("mean of the last days beyond its limit"),
        Rule.CHANGE: say("the last days together beyond their limit"),
        Rule.SHIFT: say("many days on one side"),
        Rule.TREND: say("changing from day to day"),
    }
    return ", ".join(names[rule] for rule in Rule if any(signal.rule is rule for signal in finding.signals))


def symbol(finding: Finding) -> str:
    """The mark of a finding; in brackets where a change is told without a flag."""
    if finding.flagged:
        return STATE_SYMBOLS[finding.direction]
    if finding.told:
        return f"({STATE_SYMBOLS[finding.told[0].state]})"
    return STATE_SYMBOLS[finding.state]


def _of_scale(say: Language, finding: Finding, shown: str) -> str:
    if MEASURE_BY_KEY[finding.key].unit is not Unit.SCALE:
        return shown
    return say("{value} of 100", value=shown).replace(" ", NBSP)


def _mean(finding: Finding) -> float | None:
    """The mean that speaks where one does."""
    return finding.judged if finding.flagged else finding.recent


def _speaking(finding: Finding) -> float | None:
    return _mean(finding) if mean_speaks(finding) else finding.value


def _usual(finding: Finding) -> tuple[float, float]:
    """The usual range, or the alarm limits where nobody computed one."""
    assert finding.baseline is not None
    return finding.usual or (finding.baseline.low, finding.baseline.high)


def _centre_only(finding: Finding) -> bool:
    """Whether a change is told of a number that lies within the usual range."""
    value = _speaking(finding)
    if value is None or finding.baseline is None or not (finding.signals or finding.told):
        return False
    low, high = _usual(finding)
    return low <= value <= high
