"""A language to print in: its translations, and its ways with dates and numbers.

The words stand in the code as whole English sentences with named places, `say("{used} of {all} sessions", ...)`. Other
languages have a catalogue of them, `reports/locale/CODE/LC_MESSAGES/reports.po`, which is read as it is: no compiled
file has to be made or kept. `make words` brings the catalogues up to date with the code.
"""

from dataclasses import dataclass
from functools import cache
from gettext import NullTranslations
from io import BytesIO
from pathlib import Path

from babel import Locale
from babel.messages.mofile import write_mo
from babel.messages.pofile import read_po
from babel.support import Translations

from pmfer.errors import ReportError

LOCALE = Path(__file__).parents[1] / "locale"
SOURCE_LANGUAGE = "en"
# Region and all, because clocks and paper differ between regions; pages declare the language alone.
LOCALES = {"en": "en_GB", "de": "de_DE"}
LANGUAGES = tuple(LOCALES)


@dataclass(frozen=True)
class Language:
    """Speaks one language. Calling it translates a sentence and fills its places."""

    code: str  # such as `de`
    locale: Locale
    translations: NullTranslations

    def __call__(self, sentence: str, **places: object) -> str:
        """The sentence in this language, with `{places}` filled in."""
        said = self.translations.gettext(sentence)
        return said.format(**places) if places else said

    def plural(self, one: str, many: str, number: int, **places: object) -> str:
        """The form of a sentence that goes with a number, with its places filled in."""
        return self.translations.ngettext(one, many, number).format(**places)


def catalogue_path(code: str) -> Path:
    """Where the translations of a language lie; the source language has none."""
    return LOCALE / code / "LC_MESSAGES" / "reports.po"


@cache
def language(code: str) -> Language:
    """The language of a code.

    Raises:
        ReportError: the reports do not speak it.
    """
    if code not in LOCALES:
        raise ReportError(f"language {code}: the reports do not speak it; choose one of {', '.join(LANGUAGES)}")
    locale = Locale.parse(LOCALES[code])
    if code == SOURCE_LANGUAGE:
        return Language(code, locale, NullTranslations())
    compiled = BytesIO()
    with catalogue_path(code).open("rb") as stream:
        write_mo(compiled, read_po(stream, locale=locale))
    compiled.seek(0)
    return Language(code, locale, Translations(compiled))
