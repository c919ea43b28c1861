"""Dates, clock times, lengths and amounts as people read them. Independent of the machine's locale."""

from datetime import date

from reports.measures import MEASURE_BY_KEY, Unit
from reports.trend import Baseline, Finding

NBSP = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"  # stands where there is no value
WEEKDAYS = ("Monday", "Tuesday", "Wednesday", "Thursday", "Friday", "Saturday", "Sunday")
MONTHS = (
    *("January", "February", "March", "April", "May", "June", "July"),
    *("August", "September", "October", "November", "December"),
)
COUNTS = (
    *("no", "one", "two", "three", "four", "five", "six"),
    *("seven", "eight", "nine", "ten", "eleven", "twelve"),
)
LONGEST_ID = 20  # characters of an identifier in a table
MOST_DIGITS = 2  # decimals of a printed percentage, where fewer would print a finding's value equal to its limit


def long_date(day: date) -> str:
    """Such as `21 March 2026`."""
    return f"{day.day}{NBSP}{MONTHS[day.month - 1]} {day.year}"


def full_date(day: date) -> str:
    """Such as `Saturday, 21 March 2026`."""
    return f"{WEEKDAYS[day.weekday()]}, {long_date(day)}"


def short_date(day: date) -> str:
    """Such as `21 Mar`."""
    return f"{day.day}{NBSP}{MONTHS[day.month - 1][:3]}"


def short_id(name: str) -> str:
    """An identifier or file name that keeps to one line: both ends of a long one.

    Identifiers are plain ASCII, names of files need not be: what the fonts may lack is a question mark.
    """
    name = "".join(letter if letter.isascii() and letter.isprintable() else "?" for letter in name)
    return name if len(name) <= LONGEST_ID else f"{name[: LONGEST_ID // 2]}…{name[-LONGEST_ID // 2 + 1 :]}"


def clock(minute_of_day: int) -> str:
    """Such as `09:05`."""
    return f"{minute_of_day // 60:02d}:{minute_of_day % 60:02d}"


def length(seconds: float | None) -> str:
    """Minutes and seconds such as `2:05`; `unknown` if the container does not say."""
    if seconds is None:
        return "unknown"
    return f"{round(seconds) // 60}:{round(seconds) % 60:02d}"


def number_word(number: int) -> str:
    """A count as a word up to twelve, in digits beyond."""
    return COUNTS[number] if number < len(COUNTS) else thousands(number)


def count(number: int, noun: str) -> str:
    """A counted noun with a regular plural: `no session`, `one session`, `two sessions`."""
    return f"{number_word(number)} {noun}{'s' * (number > 1)}"


def thousands(number: int) -> str:
    """An integer with a narrow no-break space between groups of three from 10 000 on."""
    return f"{number:,}".replace(",", "\N{NARROW NO-BREAK SPACE}") if number >= 10_000 else str(number)


def percent(share: float | None, digits: int = 0) -> str:
    """A share in 0..1 as a percentage; a dash for None."""
    return DASH if share is None else f"{100 * share:.{digits}f}{NBSP}%"


def scale(value: float | None) -> str:
    """A mean score in 0..1 on the printed scale of 0 to 100; a dash for None."""
    return DASH if value is None else f"{100 * value:.0f}"


def figure(value: float | None, unit: Unit, digits: int = 0) -> str:
    """A value in its unit, for tables and charts: `4 %`, `31` or `0.4 a minute`; a dash for None."""
    if unit is Unit.PER_MINUTE and value is not None:
        return f"{value:.{digits + 1}f} a{NBSP}minute"
    if value is None or unit is Unit.TIME_SHARE:
        return percent(value, digits)
    return f"{100 * value:.{digits}f}"


def digits_for(finding: Finding) -> int:
    """Decimals to print: none, unless a flagged value would then read the same as the limit it is beyond."""
    if not finding.flagged or finding.value is None or finding.baseline is None:
        return 0
    value, limits = 100 * finding.value, (100 * finding.baseline.low, 100 * finding.baseline.high)
    for digits in range(MOST_DIGITS):
        if all(f"{value:.{digits}f}" != f"{limit:.{digits}f}" for limit in limits):
            return digits
    return MOST_DIGITS


def today(finding: Finding) -> str:
    """The day's value for a table: `4 %`, `31`, or a dash."""
    return figure(finding.value, MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usual(finding: Finding) -> str:
    """The usual range for a table: `11 to 19 %`, `up to 4 %`, or a dash."""
    if finding.baseline is None:
        return DASH
    return usual_span(finding.baseline, MEASURE_BY_KEY[finding.key].unit, digits_for(finding))


def usual_span(baseline: Baseline, unit: Unit, digits: int) -> str:
    """A range of two values in their unit; one that starts at nothing is said by its end alone."""
    high = figure(baseline.high, unit, digits)
    low = f"{100 * baseline.low:.{digits}f}"
    return f"up to{NBSP}{high}" if float(low) == 0 else f"{low} to{NBSP}{high}"
