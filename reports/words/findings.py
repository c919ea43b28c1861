"""Sentences about one measure on one day: the finding, the rule behind it, the numbers."""

from reports.measures import MEASURE_BY_KEY, Unit
from reports.trend import Finding, Rule, Signal, State
from reports.words.formats import NBSP, digits_for, long_date, span, today, usual
from reports.words.labels import lack_word, measure_words, state_word
from reports.words.language import Language


def finding_sentence(say: Language, finding: Finding) -> str:
    """One flagged finding in plain words, with its rule: what, how much, usually how much, since when."""
    words = measure_words(say, finding.key)
    opening = words.higher if finding.state is State.HIGHER else words.lower
    rules = {signal.rule for signal in finding.signals}
    if Rule.BEYOND_LIMITS in rules:
        said = say("{opening}: {today} today, usually {usual}.", **_places(say, opening, finding))
    else:
        said = say("{opening}, over several days: {today} today, usually {usual}.", **_places(say, opening, finding))
    pattern = longest_pattern(finding)
    return f"{said} {pattern_sentence(say, pattern)}" if pattern else said


def _places(say: Language, opening: str, finding: Finding) -> dict[str, str]:
    shown = today(say, finding)
    if MEASURE_BY_KEY[finding.key].unit is Unit.SCALE:
        shown = say("{value} of 100", value=shown).replace(" ", NBSP)
    return {"opening": opening, "today": shown, "usual": usual(say, finding)}


def longest_pattern(finding: Finding) -> Signal | None:
    """Of the rules that speak of more than one day, the one whose pattern began first."""
    patterns = [signal for signal in finding.signals if signal.rule is not Rule.BEYOND_LIMITS]
    return min(patterns, key=lambda signal: signal.since) if patterns else None


def pattern_sentence(say: Language, signal: Signal) -> str:
    """What a rule over several days found."""
    since = long_date(say, signal.since)
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


def result(say: Language, finding: Finding) -> str:
    """The finding in a few words, with the reason where it abstains."""
    if finding.lack is not None:
        reason = lack_word(say, finding.lack)
        return say("{state}: {reason}", state=state_word(say, finding.state), reason=reason)
    return state_word(say, finding.state)
