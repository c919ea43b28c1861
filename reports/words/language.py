"""A language to print in: its translations, and its formats for dates and numbers.

The code contains whole English sentences with named placeholders, `say("{used} of {all} sessions", ...)`. Each other
language has a catalogue of them, `reports/locale/CODE/LC_MESSAGES/reports.po`, which is read directly, without a
compiled file. `make words` updates the catalogues from the code.

Dates, times, lengths and amounts are formatted for the language, whatever the machine's own locale.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date, datetime, time
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.dates import format_date, format_datetime, format_interval, format_skeleton, format_time
from babel.lists import format_list
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.numbers import format_decimal
from babel.support import Translations

from pmfer.errors import ReportError
from reports.fonts import drawable, isolated
from reports.measures import Unit

LOCALE = Path(__file__).parents[1] / "locale"
SOURCE_LANGUAGE = "en"
# With the region, because formats of dates and times differ between regions; pages declare the language alone.
LOCALES = {"en": "en_GB", "de": "de_DE"}
LANGUAGES = tuple(LOCALES)
NBSP = "\N{NO-BREAK SPACE}"
DASH = "\N{EN DASH}"  # printed where there is no value
LONGEST_ID = 100  # characters of an identifier or a file's name that are printed
WHOLE_MINUTES = 10  # from this many minutes on, seconds are left out
LONGEST_HEADING = 30  # characters of a patient's name in the largest type


@dataclass(frozen=True)
class Language:
    """One language to print in. Calling it translates a sentence and fills in its placeholders."""

    code: str  # such as `de`
    locale: Locale
    translations: NullTranslations

    def __call__(self, sentence: str, **places: object) -> str:
        """The sentence in this language, with `{places}` filled in."""
        text = self.translations.gettext(sentence)
        return text.format(**places) if places else text

    def plural(self, one: str, many: str, number: int, **places: object) -> str:
        """The singular or plural sentence for a number, with its placeholders filled in."""
        return self.translations.ngettext(one, many, number).format(**places)


def catalogue_path(code: str) -> Path:
    """The file with the translations of a language; the source language has none."""
    return LOCALE / code / "LC_MESSAGES" / "reports.po"


@cache
def language(code: str) -> Language:
    """The language with this code.

    Raises:
        ReportError: the reports are not available in it.
    """
    if code not in LOCALES:
        raise ReportError(f"language {code}: not available for reports; choose one of {', '.join(LANGUAGES)}")
    locale = Locale.parse(LOCALES[code])
    if code == SOURCE_LANGUAGE:
        return Language(code, locale, NullTranslations())
    compiled = BytesIO()
    with catalogue_path(code).open("rb") as stream:
        write_mo(compiled, read_po(stream, locale=locale))
    compiled.seek(0)
    return Language(code, locale, Translations(compiled))


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


def days_between(say: Language, first: date, last: date) -> str:
    """Such as `15 to 17 Mar`, or one day alone."""
    if first == last:
        return day_and_month(say, first)
    return format_interval(first, last, "MMMd", locale=say.locale).replace(" ", NBSP)


def day_and_time(say: Language, moment: datetime) -> str:
    """Such as `22 March 2026, 06:15`, by the clock of the moment's own time zone."""
    return f"{long_date(say, moment.date())}, {format_datetime(moment, 'HH:mm', locale=say.locale)}"


def month_name(say: Language, day: date) -> str:
    """Such as `Mar`, for the axis of a small drawing."""
    return format_skeleton("MMM", day, locale=say.locale)


def whole_id(name: str) -> str:
    """An identifier or a file name, ready for print, in full; only an extremely long one is cut."""
    return clipped(name, LONGEST_ID)


def clipped(text: str, most: int) -> str:
    """Text that people wrote, ready for print, at most `most` characters long."""
    text = drawable(text)
    return isolated(text if len(text) <= most else f"{text[: most - 1].rstrip()}…")


def clock(say: Language, minute_of_day: int) -> str:
    """Such as `09:05`."""
    return format_time(time(minute_of_day // 60, minute_of_day % 60), "short", locale=say.locale)


def length(say: Language, seconds: float | None) -> str:
    """How long something took: `6 s`, `2 min 5 s`, `12 min`; `unknown` if the recording does not say."""
    if seconds is None:
        return say("unknown")
    minutes, rest = divmod(round(seconds), 60)
    if not minutes:
        return say("{seconds} s", seconds=rest).replace(" ", NBSP)
    if minutes >= WHOLE_MINUTES or not rest:
        return say("{minutes} min", minutes=thousands(say, round(seconds / 60))).replace(" ", NBSP)
    return say("{minutes} min {seconds} s", minutes=minutes, seconds=rest).replace(" ", NBSP)


def length_in_words(say: Language, seconds: float) -> str:
    """The same within a sentence: `6 seconds`, `1 minute 5 seconds`, `12 minutes`."""
    minutes, rest = divmod(round(seconds), 60)
    if minutes >= WHOLE_MINUTES:
        minutes, rest = round(seconds / 60), 0
    parts = []
    if minutes:
        parts.append(say.plural("{count} minute", "{count} minutes", minutes, count=thousands(say, minutes)))
    if rest or not minutes:
        parts.append(say.plural("{count} second", "{count} seconds", rest, count=rest))
    return " ".join(parts).replace(" ", NBSP)


def player_time(seconds: float) -> str:
    """A time within a recording, rounded down, as video players show it: `02:05`, `01:02:05`."""
    minutes, rest = divmod(int(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours:02d}:{minutes:02d}:{rest:02d}" if hours else f"{minutes:02d}:{rest:02d}"


def number_word(say: Language, number: int) -> str:
    """A count as a word from two to twelve, in digits otherwise."""
    words = (
        *(say("two"), say("three"), say("four"), say("five"), say("six"), say("seven")),
        *(say("eight"), say("nine"), say("ten"), say("eleven"), say("twelve")),
    )
    return words[number - 2] if 2 <= number < len(words) + 2 else thousands(say, number)


def sentence(text: str) -> str:
    """The text with a capital first letter."""
    return text[:1].upper() + text[1:]


def listed(say: Language, names: Sequence[str]) -> str:
    """Several names within a sentence: `smiling, sad expression and angry expression`."""
    return format_list(names, locale=say.locale)


def thousands(say: Language, number: int) -> str:
    """An integer with the language's thousands separator."""
    return format_decimal(number, locale=say.locale)


def decimal(say: Language, number: float, digits: int = 0) -> str:
    """A number with this many decimals."""
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


def span(say: Language, ends: tuple[float, float], unit: Unit, digits: int) -> str:
    """Two values in 0..1 in their unit: `11 to 19%`."""
    low, high = ends
    text = say("{low} to {high}", low=bare(say, low, unit, digits), high=figure(say, high, unit, digits))
    return text.replace(" ", NBSP)
