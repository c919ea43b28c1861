"""Sentences about one measure on one day: the finding, the rule behind it, the numbers."""

from reports.findings import Baseline, Finding, Signal, State
from reports.measures import MEASURE_BY_KEY, Rule, Unit
from reports.words.labels import STATE_SYMBOLS, lack_word, measure_words, state_short, state_word
from reports.words.language import DASH, NBSP, Language, day_and_month, figure, span

MOST_DIGITS = 2  # decimals of a printed percentage, where fewer would print a finding's value equal to its limit


def finding_sentence(say: Language, finding: Finding) -> str:
    """One flagged finding in plain words, with its rule: what, how much, usually how much, since when."""
    words = measure_words(say, finding.key)
    opening = words.higher if finding.direction is State.HIGHER else words.lower
    pattern = longest_pattern(finding)
    if any(signal.rule is Rule.BEYOND_LIMITS for signal in finding.signals) or finding.recent is None:
        shown = _of_scale(say, finding, today(say, finding))
        said = say(
            "{opening}: {today} today, usually {usual}.", opening=opening, today=shown, usual=usual(say, finding)
        )
    else:
        said = _sentence_of_days(say, finding, opening)
    return f"{said} {pattern_sentence(say, pattern)}" if pattern else said


def _sentence_of_days(say: Language, finding: Finding, opening: str) -> str:
    """Where the last days together changed, today's value may well lie within the range: their mean is told."""
    unit = MEASURE_BY_KEY[finding.key].unit
    return say(
        "{opening} over the last days: {mean} on average, usually around {centre}.",
        opening=opening,
        mean=_of_scale(say, finding, figure(say, finding.recent, unit)),
        centre=figure(say, finding.baseline.centre if finding.baseline else None, unit),
    )


def _of_scale(say: Language, finding: Finding, shown: str) -> str:
    if MEASURE_BY_KEY[finding.key].unit is not Unit.SCALE:
        return shown
    return say("{value} of 100", value=shown).replace(" ", NBSP)


def longest_pattern(finding: Finding) -> Signal | None:
    """Of the rules that speak of more than one day, the one whose pattern began first; None if today stands alone."""
    today_alone = {signal.since for signal in finding.signals if signal.rule is Rule.BEYOND_LIMITS}
    patterns = [signal for signal in finding.signals if signal.since not in today_alone]
    return min(patterns, key=lambda signal: signal.since) if patterns else None


def pattern_sentence(say: Language, signal: Signal) -> str:
    """What a rule over several days found."""
    since = day_and_month(say, signal.since)
    higher = signal.state is State.HIGHER
    if signal.rule is Rule.TREND:
        if higher:
            return say("It has risen from day to day since {date}.", date=since)
        return say("It has fallen from day to day since {date}.", date=since)
    if signal.rule is Rule.SHIFT:
        if higher:
            return say("Every day since {date} was above the patient’s usual middle.", date=since)  # noqa: RUF001
        return say("Every day since {date} was below the patient’s usual middle.", date=since)  # noqa: RUF001
    if higher:
        return say("It has been drifting upwards since {date}.", date=since)
    return say("It has been drifting downwards since {date}.", date=since)


def rule_words(say: Language, finding: Finding) -> str:
    """Which rules speak, in a few words each; empty if none does."""
    names = {
        Rule.BEYOND_LIMITS: say("beyond the usual range today"),
        Rule.EWMA: say("drifting for several days"),
        Rule.CHANGE: say("different over the last days"),
        Rule.SHIFT: say("many days on one side"),
        Rule.TREND: say("changing from day to day"),
    }
    return ", ".join(names[rule] for rule in Rule if any(signal.rule is rule for signal in finding.signals))


def numbers(say: Language, finding: Finding, *, with_interval: bool = True) -> str:
    """Today's value and the usual range, as far as they are known: `Today 44 (41 to 47), usually 12 to 18`."""
    now, before = today(say, finding), usual(say, finding)
    if finding.value is None:
        return say("Usually {usual}", usual=before) if finding.baseline else ""
    if with_interval and finding.interval is not None:
        ends = span(say, finding.interval, MEASURE_BY_KEY[finding.key].unit, digits_for(finding))
        if finding.baseline is None:
            return say("Today {today} ({interval})", today=now, interval=ends)
        return say("Today {today} ({interval}), usually {usual}", today=now, interval=ends, usual=before)
    if finding.baseline is None:
        return say("Today {today}", today=now)
    return say("Today {today}, usually {usual}", today=now, usual=before)


def digits_for(finding: Finding) -> int:
    """Decimals to print: none, unless a flagged value would then read the same as the limit it is beyond."""
    if not finding.flagged or finding.value is None or finding.baseline is None:
        return 0
    value, limits = 100 * finding.value, (100 * finding.baseline.low, 100 * finding.baseline.high)
    for digits in range(MOST_DIGITS):
        if all(f"{value:.{digits}f}" != f"{limit:.{digits}f}" for limit in limits):
            return digits
    return MOST_DIGITS


def today(say: Language, finding: Finding) -> str:
    """The day's value for a table: `4%`, `31`, or a dash."""
    return figure(say, finding.value, MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usual(say: Language, finding: Finding) -> str:
    """The usual range for a table: `11 to 19%`, `up to 4%`, or a dash."""
    if finding.baseline is None:
        return DASH
    return usual_span(say, finding.baseline, MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usual_span(say: Language, baseline: Baseline, unit: Unit, digits: int) -> str:
    """A range of two values in their unit; one that starts at nothing is said by its end alone."""
    if round(baseline.low * (10 if unit is Unit.PER_MINUTE else 100), digits) == 0:
        return say("up to {high}", high=figure(say, baseline.high, unit, digits)).replace(" ", NBSP)
    return span(say, (baseline.low, baseline.high), unit, digits)


def symbol(finding: Finding) -> str:
    """The mark of a finding; in brackets where a change is told without a flag."""
    if finding.told and not finding.flagged:
        return f"({STATE_SYMBOLS[finding.told[0].state]})"
    return STATE_SYMBOLS[finding.state]


def short_result(say: Language, finding: Finding) -> str:
    """The finding for a narrow row: `higher`, `as usual`, `higher, no flag`, `no comparison`."""
    if finding.told and not finding.flagged:
        return say("{state}, no flag", state=state_short(say, finding.told[0].state))
    return state_short(say, finding.state)


def result(say: Language, finding: Finding) -> str:
    """The finding in a few words, with the reason where it abstains."""
    if finding.lack is not None:
        reason = lack_word(say, finding.lack)
        return say("{state}: {reason}", state=state_word(say, finding.state), reason=reason)
    if finding.told and not finding.flagged:
        return say("{state}, no flag", state=state_word(say, finding.told[0].state))
    return state_word(say, finding.state)
