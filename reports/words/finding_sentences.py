"""The numbers of one measure on one day: its value, its usual range, and enough digits to tell them apart.

Every sentence about a measure takes its numbers from here, so that a page never shows two different usual ranges.
"""

from reports.findings import Finding, State
from reports.measures import MEASURE_BY_KEY, Rule, Unit
from reports.words.labels import STATE_SYMBOLS, measure_words
from reports.words.language import DASH, NBSP, Language, figure, span

MOST_DIGITS = 2  # decimals printed at most, where fewer would make a changed value look as if it were within the range


def opening(say: Language, finding: Finding) -> str:
    """What changed, without numbers: `Less smiling than usual`."""
    words = measure_words(say, finding.key)
    return words.higher if direction_of(finding) is State.HIGHER else words.lower


def direction_of(finding: Finding) -> State:
    """The direction in which a measure differs: that of its open flag, or of a difference that raises no flag."""
    if not finding.flagged and finding.told:
        return finding.told[0].state
    return finding.direction


def amount(say: Language, finding: Finding) -> str:
    """The number that supports a finding, and what is usual: `45 out of 100, usually 14 to 16`; empty without a value.

    If the last days together raised the flag, it is their mean. If that mean is within the usual range, the centre of
    the range is named instead of its ends.
    """
    if finding.value is None:
        return ""
    shown = _of_scale(say, finding, compared_number(say, finding))
    if finding.baseline is None:
        return shown
    if reports_mean(finding):
        if mean_since_onset(finding):
            return say("{mean} on average since it began, {usual}", mean=shown, usual=usually(say, finding))
        return say("{mean} on average over the last few days, {usual}", mean=shown, usual=usually(say, finding))
    return say("{value}, {usual}", value=shown, usual=usually(say, finding))


def reports_mean(finding: Finding) -> bool:
    """Whether the number to print is a mean of several days rather than the day's value."""
    signals = finding.signals if finding.flagged else finding.told
    if not signals or any(signal.rule is Rule.BEYOND_LIMITS for signal in signals):
        return False
    return _mean(finding) is not None


def mean_since_onset(finding: Finding) -> bool:
    """Whether that mean is over all days since the onset; otherwise it is the moving average of the last days."""
    moving = any(signal.rule is Rule.EWMA for signal in finding.signals)
    return finding.flagged and finding.mean_since is not None and not moving


def compared_number(say: Language, finding: Finding) -> str:
    """The number that is compared: the day's value, or the mean of several days, see `reports_mean`."""
    return figure(say, _compared_value(finding), MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usually(say: Language, finding: Finding) -> str:
    """What the number is compared with: `usually 11 to 19%`, or `usually about 15%` if it lies within that range."""
    if finding.baseline is None:
        return ""
    if _centre_only(finding):
        unit = MEASURE_BY_KEY[finding.key].unit
        return say("usually about {centre}", centre=figure(say, finding.baseline.centre, unit, digits_for(finding)))
    return say("usually {usual}", usual=usual(say, finding))


def numbers(say: Language, finding: Finding, *, with_interval: bool = True) -> str:
    """The day's value and what is usual, as far as known: `44 (41 to 47), usually 12 to 18`."""
    if finding.value is None:
        return usually(say, finding)
    if reports_mean(finding):
        places = {
            "value": day_value(say, finding),
            "mean": compared_number(say, finding),
            "usual": usually(say, finding),
        }
        if mean_since_onset(finding):
            return say("{value}; average since it began: {mean}, {usual}", **places)
        return say("{value}; average of the last few days: {mean}, {usual}", **places)
    now = day_value(say, finding)
    if with_interval and finding.interval is not None:
        unit, digits = MEASURE_BY_KEY[finding.key].unit, digits_for(finding)
        low, high = (figure(say, end, unit, digits) for end in finding.interval)
        if low != high:
            now = say("{value} ({interval})", value=now, interval=span(say, finding.interval, unit, digits))
    return now if finding.baseline is None else say("{value}, {usual}", value=now, usual=usually(say, finding))


def digits_for(finding: Finding) -> int:
    """Number of decimals to print: none, unless a change would then look the same as what it is compared with."""
    value, baseline = _compared_value(finding), finding.baseline
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
    """A range in its unit: `11 to 19%`; `up to 4%` if it starts at a printed 0; `about 10` if both ends print alike."""
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
    """The rules that fired, in a few words each; empty if none did."""
    names = {
        Rule.BEYOND_LIMITS: say("beyond the alarm limit"),
        Rule.EWMA: say("average of the last few days beyond its limit"),
        Rule.CHANGE: say("the last few days together beyond their limit"),
        Rule.SHIFT: say("many days in a row above or below usual"),
        Rule.TREND: say("rising or falling day after day"),
    }
    return ", ".join(names[rule] for rule in Rule if any(signal.rule is rule for signal in finding.signals))


def symbol(finding: Finding) -> str:
    """The symbol of a finding; in brackets for a difference that raises no flag."""
    if finding.flagged:
        return STATE_SYMBOLS[finding.direction]
    if finding.told:
        return f"({STATE_SYMBOLS[finding.told[0].state]})"
    side = outside_usual(finding)
    if finding.state is State.USUAL and side:
        return f"({STATE_SYMBOLS[State.HIGHER if side > 0 else State.LOWER]})"
    return STATE_SYMBOLS[finding.state]


def symbol_of_day(finding: Finding) -> str:
    """The symbol of the day's value alone, for a table that prints no average of several days and no open flag."""
    if finding.lack is not None:
        return STATE_SYMBOLS[State.INSUFFICIENT]
    side = outside_usual(finding)
    if not side:
        return STATE_SYMBOLS[State.USUAL]
    state = State.HIGHER if side > 0 else State.LOWER
    clearly = finding.flagged and finding.direction is state
    return STATE_SYMBOLS[state] if clearly else f"({STATE_SYMBOLS[state]})"


def outside_usual(finding: Finding) -> int:
    """+1 if the day's value, as printed, is above the usual range, -1 if below it, else 0."""
    if finding.value is None or finding.usual is None:
        return 0
    step = 10.0 ** -(2 if MEASURE_BY_KEY[finding.key].unit.highest == 1 else 1)
    value, low, high = (round(number / step) for number in (finding.value, *finding.usual))
    return int(value > high) - int(value < low)


def _of_scale(say: Language, finding: Finding, shown: str) -> str:
    if MEASURE_BY_KEY[finding.key].unit is not Unit.SCALE:
        return shown
    return say("{value} out of 100", value=shown).replace(" ", NBSP)


def _mean(finding: Finding) -> float | None:
    """The mean of several days that may be printed instead of the day's value."""
    return finding.judged if finding.flagged else finding.recent


def _compared_value(finding: Finding) -> float | None:
    return _mean(finding) if reports_mean(finding) else finding.value


def _usual(finding: Finding) -> tuple[float, float]:
    """The usual range, or the alarm limits if there is none."""
    assert finding.baseline is not None
    return finding.usual or (finding.baseline.low, finding.baseline.high)


def _centre_only(finding: Finding) -> bool:
    """Whether a change is reported although its number lies within the usual range."""
    value = _compared_value(finding)
    if value is None or finding.baseline is None or not (finding.signals or finding.told):
        return False
    low, high = _usual(finding)
    return low <= value <= high
