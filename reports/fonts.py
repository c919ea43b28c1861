"""The typefaces of the reports, all under the SIL Open Font License 1.1, from packages that the project installs.

Source Sans and Source Serif print the report's own words. The others stand behind them for what people bring along:
names, notes and file names in Latin, Greek, Cyrillic, Hebrew, Arabic, Devanagari, Chinese, Japanese and Korean letters.
The files are found through the packages' metadata and never imported. A missing file is an error: a font of the machine
would change the page breaks, and with them what a reader sees first.
"""

import unicodedata
from functools import cache
from importlib.metadata import PackageNotFoundError, distribution, version
from pathlib import Path

from pmfer.errors import ReportError

# File name -> package that installs it and its place there. The style sheet names the files as `asset:FILE`.
FONT_FILES: dict[str, tuple[str, str]] = {
    "SourceSansPro-Regular.ttf": ("font-source-sans-pro", "font_source_sans_pro/files"),
    "SourceSansPro-Semibold.ttf": ("font-source-sans-pro", "font_source_sans_pro/files"),
    "SourceSerifPro-Semibold.ttf": ("font-source-serif-pro", "font_source_serif_pro/files"),
    "Arimo[wght].ttf": ("fontpkg-arimo", "fontpkg_arimo/files"),
    "IBMPlexSansArabic-Regular.ttf": ("fontpkg-ibm-plex-sans-arabic", "fontpkg_ibm_plex_sans_arabic/files"),
    "NotoSansDevanagari[wdth,wght].ttf": ("fontpkg-noto-sans-devanagari", "fontpkg_noto_sans_devanagari/files"),
    "NotoSansCJKjp-Regular.otf": ("noto-cjk-sans-jp-regular", "noto_cjk_sans_jp_regular"),
}
MARK = "\N{REPLACEMENT CHARACTER}"  # stands for what cannot be printed
# They say which way a word is written, or join and part its letters: obeyed by the layout, without a shape.
ISOLATE, END_ISOLATE = "\N{FIRST STRONG ISOLATE}", "\N{POP DIRECTIONAL ISOLATE}"
RIGHT_TO_LEFT = frozenset({"R", "AL"})  # classes of letters
SHAPELESS = frozenset("\n\N{ZERO WIDTH NON-JOINER}\N{ZERO WIDTH JOINER}\N{LEFT-TO-RIGHT MARK}\N{RIGHT-TO-LEFT MARK}")


def font_path(name: str) -> Path:
    """Where the installed font file `name` lies.

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
    """Every character that one of the typefaces can print.

    Raises:
        ReportError: a font is missing.
    """
    from fontTools.ttLib import TTFont  # takes a while to load, which a night without reports spares

    letters: set[str] = set()
    for name in FONT_FILES:
        with TTFont(font_path(name), lazy=True) as font:
            letters |= {chr(code) for code in font.getBestCmap() or ()}
    return frozenset(letters)


def require_letters(text: str, where: str) -> None:
    """Make sure that a page can be printed as it is.

    Args:
        text: all of its words.
        where: which report, for the message.

    Raises:
        ReportError: no typeface has some of its characters, which is a fault of this room, or a font is missing.
    """
    missing = len(set(text) - covered() - SHAPELESS - {ISOLATE, END_ISOLATE})
    if missing:
        # Not which: they may be of a person's name, and this message goes into logs.
        raise ReportError(f"report of {where}: {missing} characters of it are in no font; report this as a bug")


def isolated(text: str) -> str:
    """Text that turns nothing around it: words that run from right to left are set apart."""
    turns = RIGHT_TO_LEFT & set(map(unicodedata.bidirectional, text))
    return f"{ISOLATE}{text}{END_ISOLATE}" if turns else text


def drawable(text: str, *, keep_letters: bool = False) -> str:
    """What people wrote (a name, a note, a file's name), ready to be printed: normalised, and on one line.

    Control characters, overrides of the writing direction, emoji and whatever else has no shape in the typefaces become
    `MARK`, one for each run of them.

    Args:
        text: what was written.
        keep_letters: print a letter that no typeface has as its number in Unicode, `[U+1210]`: a patient's name that
            lost one would be another name. A note or a file's name gets a mark for it as well.
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
