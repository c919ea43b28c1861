"""Turns a page into the bytes of a file: PDF/UA-1 for print, or one HTML file for the screen.

WeasyPrint lays out the PDF without network or clock and with the packaged fonts only, so the same report with the same
time of printing gives the same bytes.

The HTML is the printed page with its styles inline and nothing to fetch. It uses the system's fonts, because embedding
the packaged ones would make each file many times as large. It keeps the print styles, so a browser prints nearly what
the PDF shows. A content security policy in the page forbids scripts and any address.
"""

# mypy: untyped-calls-exclude=weasyprint
import html
import logging
import re
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cache
from typing import Protocol, Self, TypeVar

import weasyprint
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from pmfer.errors import ReportError
from reports import Printed
from reports.fonts import FONT_FILES, font_path, require_letters
from reports.pages import TEMPLATES, PatientFit, Sheets, WardFit, patient_html, usual_fit, ward_html
from reports.patient import PatientReport
from reports.ward import WardReport

STYLES = ("fonts.css", "page.css", "a4.css", "letter.css")  # what a page may load besides fonts, as `asset:NAME`
VARIANT = "pdf/ua-1"
SECOND_PART = "second"  # id of the part of a page that starts on a new sheet
# Prefixes of the renderer's warnings about unknown style rules. Any other warning means that something is missing.
ABOUT_STYLE = ("Ignored", "Unknown rules", "Expected a media type")

SCREEN_STYLE = "screen.css"
_STYLE_LINK = re.compile(r'<link rel="stylesheet" href="asset:([A-Za-z0-9_-]+\.css)">')
_SVG_NAMESPACE = "http://www.w3.org/2000/svg"
_SVG = re.compile(r"<svg\b[^>]*><title>(?P<title>[^<]*)</title>.*?</svg>", re.DOTALL)
_DRAWING = "asset:drawing-"
_ANY_LINK = re.compile(r"<(?:link|script|img|iframe|object|embed)\b")
_FOOTER = re.compile(r"<footer>.*?</footer>\s*", re.DOTALL)
_FONT_FACE = re.compile(r"@font-face\s*\{[^}]*\}\s*")
_SCREEN_HEAD = (
    '<meta name="viewport" content="width=device-width, initial-scale=1">\n'
    "  <meta http-equiv=\"Content-Security-Policy\" content=\"default-src 'none'; style-src 'unsafe-inline'; "
    'img-src data:">\n'
)

FitT = TypeVar("FitT", bound="PageFit")


def patient_pdf(
    report: PatientReport,
    name: str | None = None,
    *,
    language: str = "en",
    page_size: str = "A4",
    contact: str | None = None,
    printed: Printed | None = None,
) -> bytes:
    """The PDF of one patient's day, at most two sheets.

    Args:
        report: what is printed.
        name: the patient's name, printed beside the pseudonym; None: only the pseudonym. It is not part of the report,
            so it is not in the report's key.
        language: one of reports.words.language.LANGUAGES.
        page_size: one of reports.pages.PAGE_SIZES.
        contact: one line that says whom staff may ask; None: no such line.
        printed: time of printing; None: it is not shown.

    Raises:
        ReportError: the language or the page size is unknown, a font or a character is missing, or something would be
            missing on the page.
    """

    def page_of(fit: PatientFit) -> str:
        return patient_html(
            report, name, language=language, page_size=page_size, contact=contact, printed=printed, fit=fit
        )

    return fitted_pdf(page_of, usual_fit(report), f"patient {report.patient_id}")


def ward_pdf(
    report: WardReport,
    *,
    language: str = "en",
    page_size: str = "A4",
    contact: str | None = None,
    printed: Printed | None = None,
) -> bytes:
    """The PDF of the ward overview, one sheet; arguments and errors as for `patient_pdf`."""

    def page_of(fit: WardFit) -> str:
        return ward_html(report, language=language, page_size=page_size, contact=contact, printed=printed, fit=fit)

    return fitted_pdf(page_of, WardFit(), "ward overview")


class AssetFetcher(URLFetcher):
    """Gives WeasyPrint the packaged style sheets, the fonts and the page's drawings: no other file, no network.

    Args:
        drawings: the SVGs of the page.
    """

    def __init__(self, drawings: Sequence[str] = ()) -> None:
        super().__init__()  # type: ignore[no-untyped-call]
        self._drawings = {f"{_DRAWING}{number}": drawing for number, drawing in enumerate(drawings)}

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        """Open `asset:NAME`.

        Raises:
            FatalURLFetchingError: for any other address. It stops the rendering; another error would only leave a gap.
        """
        name = url.removeprefix("asset:")
        if url.startswith("asset:") and name in STYLES:
            return URLFetcherResponse(url, (TEMPLATES / name).read_bytes(), {"Content-Type": "text/css"})
        if url.startswith("asset:") and name in FONT_FILES:
            return URLFetcherResponse(url, font_path(name).read_bytes(), {"Content-Type": "font/ttf"})
        if url in self._drawings:
            return URLFetcherResponse(url, self._drawings[url].encode(), {"Content-Type": "image/svg+xml"})
        raise FatalURLFetchingError(f"address {url[:80]} is not one of the report's own files")


class PageFit(Protocol):
    """How much space the parts of a page get."""

    def smaller(self, sheets: Sheets) -> Self | None:
        """The next fit to try if this one takes so many sheets; None to keep this one."""


def fitted_pdf(page_of: Callable[[FitT], str], fit: FitT, where: str) -> bytes:
    """The PDF of a report, in the most spacious fit that its sheets have room for.

    Args:
        page_of: makes the page for a fit.
        fit: the fit to try first.
        where: which report, for messages.

    Raises:
        ReportError: a font or a character is missing, or something would be missing in the file.
    """
    wanted: FitT | None = fit
    page = ""
    while wanted is not None:
        candidate = page_of(wanted)
        if candidate != page:  # a smaller fit may give the same page, for example if it has few sessions anyway
            page, document = candidate, _laid_out(candidate, where)
        wanted = wanted.smaller(_sheets(document))
    with nothing_lost(where):
        pdf: bytes = document.write_pdf(pdf_variant=VARIANT)
    return pdf


def _sheets(document: weasyprint.Document) -> Sheets:
    second = [number for number, page in enumerate(document.pages) if SECOND_PART in page.anchors]
    return Sheets(first_part=second[0] if second else len(document.pages), all=len(document.pages))


def _laid_out(page: str, where: str) -> weasyprint.Document:
    for font in FONT_FILES:
        font_path(font)  # raises an error for a missing font; the renderer would only warn
    require_letters(html.unescape(page), where)
    try:
        with nothing_lost(where):
            styles = [_print_style(name) for name in _STYLE_LINK.findall(page)]
            page, drawings = _drawings_apart(_STYLE_LINK.sub("", page))
            source = weasyprint.HTML(string=page, url_fetcher=AssetFetcher(drawings))
            document: weasyprint.Document = source.render(stylesheets=styles, font_config=_fonts(), pdf_variant=VARIANT)
    except FatalURLFetchingError as error:
        raise ReportError(f"report of {where}: {error}") from None
    return document


def _drawings_apart(page: str) -> tuple[str, list[str]]:
    """Replace each drawing in the page by an image, and return the page and the drawings.

    This saves time, and the PDF is the same to the byte. Most elements of a page are marks in its drawings, and the
    renderer would otherwise parse each as HTML and match it against all style sheets.
    """
    drawings: list[str] = []

    def image(found: re.Match[str]) -> str:
        drawings.append(found[0].replace("<svg", f'<svg xmlns="{_SVG_NAMESPACE}"', 1))
        return f'<img src="{_DRAWING}{len(drawings) - 1}" alt="{found["title"]}">'

    return _SVG.sub(image, page), drawings


@cache
def _print_style(name: str) -> weasyprint.CSS:
    """A style sheet, read once per process."""
    return weasyprint.CSS(url=f"asset:{name}", url_fetcher=AssetFetcher(), font_config=_fonts())


@cache
def _fonts() -> FontConfiguration:
    """The fonts, loaded once per process: loading them for each report would take as long as its layout."""
    return FontConfiguration()


@contextmanager
def nothing_lost(where: str) -> Iterator[None]:
    """Raise an error where the renderer only logs that something is missing in the file.

    Raises:
        ReportError: a font, a picture or a character could not be printed.
    """
    collector = _WarningCollector()
    loggers = [logging.getLogger(name) for name in ("weasyprint", "fontTools")]
    for logger in loggers:
        logger.addHandler(collector)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(collector)
    lost = [message for message in collector.messages if not message.startswith(ABOUT_STYLE)]
    if lost:
        raise ReportError(
            f"report of {where}: incomplete ({lost[0]}); install the project again, or report this as a bug"
        )


class _WarningCollector(logging.Handler):
    """Collects warnings."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(" ".join(record.getMessage().split()))


def screen_html(page: str) -> bytes:
    """The page of `patient_html` or `ward_html` as a file for any browser, UTF-8.

    Raises:
        ReportError: the page or a style sheet refers to something that would have to be fetched.
    """
    styled = _STYLE_LINK.sub(lambda link: f"<style>\n{_screen_style(link[1])}</style>", page)
    if styled == page or _ANY_LINK.search(styled):
        raise ReportError("report as HTML: the page refers to another file; put what it needs into the page itself")
    footer = _FOOTER.search(styled)
    if footer is not None:
        # It comes first so that it runs on every sheet of the PDF; a browser would show it above the title.
        styled = styled.replace(footer[0], "", 1).replace("</body>", f"{footer[0]}</body>", 1)
    screen = f"{_SCREEN_HEAD}  <style>\n{_screen_style(SCREEN_STYLE)}</style>\n</head>"
    return styled.replace("</head>", screen, 1).encode()


def _screen_style(name: str) -> str:
    text = _FONT_FACE.sub("", (TEMPLATES / name).read_text(encoding="utf-8"))
    if "url(" in text or "@import" in text or "</" in text:
        raise ReportError(f"report as HTML: style {name} refers to another file; leave that to the print style")
    return text
