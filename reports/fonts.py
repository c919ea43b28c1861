"""The fonts of the reports, all under the SIL Open Font License 1.1, from packages that the project installs.

Source Sans and Source Serif print the report's own words. The others are fallbacks for what people write: names, notes
and file names in Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Chinese, Japanese and Korean script. The files are
found through the packages' metadata and never imported. A missing file is an error, because a system font would change
the page breaks, and with them what a reader sees first.
"""

import unicodedata
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from pmfer.errors import ReportError

# File name -> the package that installs it and the folder in it. The style sheet refers to a file as `asset:FILE`.
FONT_FILES: dict[str, tuple[str, str]] = {
    "SourceSansPro-Regular.ttf": ("font-source-sans-pro", "font_source_sans_pro/files"),
    "SourceSansPro-Semibold.ttf": ("font-source-sans-pro", "font_source_sans_pro/files"),
    "SourceSerifPro-Semibold.ttf": ("font-source-serif-pro", "font_source_serif_pro/files"),
    "Arimo[wght].ttf": ("fontpkg-arimo", "fontpkg_arimo/files"),
    "IBMPlexSansArabic-Regular.ttf": ("fontpkg-ibm-plex-sans-arabic", "fontpkg_ibm_plex_sans_arabic/files"),
    "NotoSansDevanagari[wdth,wght].ttf": ("fontpkg-noto-sans-devanagari", "fontpkg_noto_sans_devanagari/files"),
    "NotoSansCJKjp-Regular.otf": ("noto-cjk-sans-jp-regular", "noto_cjk_sans_jp_regular"),
}
MARK = "\N{REPLACEMENT CHARACTER}"  # replaces what cannot be printed
# Invisible characters that the layout obeys: they set the writing direction, or join and separate letters.
ISOLATE, END_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
RIGHT_TO_LEFT = frozenset({"R", "AL"})  # bidirectional classes of letters
SHAPELESS = frozenset("\n\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}")


def font_path(name: str) -> Path:
    """Path of the installed font file `name`.

    Raises:
        ReportError: its package or the file in it is missing.
    """
    package, folder = FONT_FILES[name]
    try:
        path = Path(str(distribution(package).locate_file(f"{folder}/{name}")))
    except PackageNotFoundError:
        raise ReportError(f"font {name}: the package {package} is not installed; install the project again") from None
    if not path.is_file():
        raise ReportError(f"font {name}: {path} is missing; install the package {package} again")
    return path


def font_versions() -> dict[str, str]:
    """Version of each font package, for the identity of a report.

    Raises:
        ReportError: a package is missing.
    """
    packages = sorted({package for package, _ in FONT_FILES.values()})
    try:
        return {package: version(package) for package in packages}
    except PackageNotFoundError as error:
        raise ReportError(f"font package {error.name} is not installed; install the project again") from None


@cache
def covered() -> frozenset[str]:
    """Every character that at least one of the fonts can print.

    Raises:
        ReportError: a font is missing.
    """
    from fontTools.ttLib import TTFont  # slow to import, and only needed to print reports

    letters: set[str] = set()
    for name in FONT_FILES:
        with TTFont(font_path(name), lazy=True) as font:
            letters |= {chr(code) for code in font.getBestCmap() or ()}
    return frozenset(letters)


def require_letters(text: str, where: str) -> None:
    """Make sure that the fonts have every character of a page.

    Args:
        text: the text of the page.
        where: which report, for the message.

    Raises:
        ReportError: some characters are in no font, which is a bug in this package, or a font is missing.
    """
    missing = len(set(text) - covered() - SHAPELESS - {ISOLATE, END_ISOLATE})
    if missing:
        # The message does not name them: they may be part of a person's name, and messages go into logs.
        raise ReportError(f"report of {where}: {missing} characters of it are in no font; report this as a bug")


def isolated(text: str) -> str:
    """Isolate text that contains right-to-left letters, so that it does not reorder the text around it."""
    turns = RIGHT_TO_LEFT & set(map(unicodedata.bidirectional, text))
    return f"{ISOLATE}{text}{END_ISOLATE}" if turns else text


def drawable(text: str, *, keep_letters: bool = False) -> str:
    """Text that people wrote (a name, a note, a file name), ready for print: normalised, and on one line.

    Control characters, overrides of the writing direction, emoji and anything else that no font has become `MARK`, one
    for each run of them.

    Args:
        text: what was written.
        keep_letters: print a letter that no font has as its Unicode number, `[U+1210]`, because a patient's name
            without it would be a different name. Otherwise such a letter becomes `MARK` too.
    """
    shown = [""]
    for character in " ".join(unicodedata.normalize("NFC", text).split()):
        category = unicodedata.category(character)
        if character in SHAPELESS or (category[0] != "C" and character in covered()):
            shown.append(character)
        elif keep_letters and category[0] in "LMN":
            shown.append(f"[U+{ord(character):04X}]")
        elif shown[-1] != MARK:
            shown.append(MARK)
    return "".join(shown)
