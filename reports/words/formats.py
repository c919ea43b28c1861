"""Dates, clock times, lengths and amounts as people of a language read them, whatever the machine's own locale."""

from datetime import date, time

from babel.dates import format_date, format_skeleton, format_time
from babel.numbers import format_decimal

from reports.fonts import isolated, printable
from reports.measures import MEASURE_BY_KEY, Unit
from reports.trend import Baseline, Finding
from reports.words.language import Language

NBSP = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"  # stands where there is no value
LONGEST_ID = 20  # characters of an identifier in a table
LONGEST_HEADING = 30  # characters of a patient's name in the largest type
MOST_DIGITS = 2  # decimals of a printed percentage, where fewer would print a finding's value equal to its limit


def long_date(say: Language, day: date) -> str:
    """Such as `21 March 2026`."""
    return format_date(day, "long", locale=say.locale).replace(" ", NBSP, 1)


def full_date(say: Language, day: date) -> str:
    """Such as `Saturday 21 March 2026`."""
    return format_date(day, "full", locale=say.locale)


def day_and_month(say: Language, day: date) -> str:
    """Such as `21 March`, of a day within the weeks drawn."""
    return format_skeleton("MMMMd", day, locale=say.locale).replace(" ", NBSP)


def short_date(say: Language, day: date) -> str:
    """Such as `21 Mar`."""
    return format_date(day, say("d MMM"), locale=say.locale).replace(" ", NBSP)


def short_id(name: str) -> str:
    """An identifier or file name that keeps to one line: both ends of a long one, a mark for what cannot be printed."""
    name = printable(name)
    return isolated(name if len(name) <= LONGEST_ID else f"{name[: LONGEST_ID // 2]}…{name[-LONGEST_ID // 2 + 1 :]}")


def clipped(text: str, most: int) -> str:
    """What people wrote, ready to be printed, at most `most` characters long."""
    text = printable(text)
    return isolated(text if len(text) <= most else f"{text[: most - 1].rstrip()}…")


def clock(say: Language, minute_of_day: int) -> str:
    """Such as `09:05`."""
    return format_time(time(minute_of_day // 60, minute_of_day % 60), "short", locale=say.locale)


def length(say: Language, seconds: float | None) -> str:
    """Minutes and seconds such as `2:05`; `unknown` if the container does not say."""
    if seconds is None:
        return say("unknown")
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def moment(seconds: float) -> str:
    """A time within a recording, rounded down, as players show it: `02:05`."""
    return f"{int(seconds) // 60:02d}:{int(seconds) % 60:02d}"


def number_word(say: Language, number: int) -> str:
    """A count as a word from two to twelve, in digits otherwise."""
    words = (
        *(say("two"), say("three"), say("four"), say("five"), say("six"), say("seven")),
        *(say("eight"), say("nine"), say("ten"), say("eleven"), say("twelve")),
    )
    return words[number - 2] if 2 <= number < len(words) + 2 else thousands(say, number)


def sentence(text: str) -> str:
    """Text that begins with a capital letter."""
    return text[:1].upper() + text[1:]


def thousands(say: Language, number: int) -> str:
    """An integer with the language's mark between groups of three."""
    return format_decimal(number, locale=say.locale)


def decimal(say: Language, number: float, digits: int = 0) -> str:
    """A number with so many decimals."""
    return format_decimal(number, format="0" if digits == 0 else f"0.{'0' * digits}", locale=say.locale)


def percent(say: Language, share: float | None, digits: int = 0) -> str:
    """A share in 0..1 as a percentage; a dash for None."""
    if share is None:
        return DASH
    pattern: str = say.locale.percent_formats[None].pattern
    return pattern.replace("#,##0", decimal(say, 100 * share, digits))


def figure(say: Language, value: float | None, unit: Unit, digits: int = 0) -> str:
    """A value in its unit, for tables and charts: `4%`, `31` or `0.4 a minute`; a dash for None."""
    if value is None or unit is Unit.TIME_SHARE:
        return percent(say, value, digits)
    if unit is Unit.PER_MINUTE:
        return say("{number} a minute", number=bare(say, value, unit, digits)).replace(" ", NBSP)
    return bare(say, value, unit, digits)


def bare(say: Language, value: float, unit: Unit, digits: int = 0) -> str:
    """The number of a value in its unit, without the unit: `4`, `31`, `0.4`."""
    if unit is Unit.PER_MINUTE:
        return decimal(say, value, digits + 1)
    return decimal(say, 100 * value, digits)


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


def span(say: Language, ends: tuple[float, float], unit: Unit, digits: int) -> str:
    """Two values in 0..1 in their unit: `11 to 19%`."""
    low, high = ends
    said = say("{low} to {high}", low=bare(say, low, unit, digits), high=figure(say, high, unit, digits))
    return said.replace(" ", NBSP)
