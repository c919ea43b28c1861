"""From a page to the bytes of a PDF/UA-1 file by WeasyPrint: no network, no clock, no font but the packaged ones."""

# mypy: untyped-calls-exclude=weasyprint
import html
import logging
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import cache
from typing import Protocol, Self, TypeVar

import weasyprint
from weasyprint.text.fonts import FontConfiguration
from weasyprint.urls import FatalURLFetchingError, URLFetcher, URLFetcherResponse

from pmfer.errors import ReportError
from reports.fonts import FONT_FILES, font_path, require_letters
from reports.pages import TEMPLATES
from reports.room import Sheets

STYLES = ("fonts.css", "page.css", "a4.css", "letter.css")  # what a page may ask for beside the fonts, as `asset:NAME`
VARIANT = "pdf/ua-1"
SECOND_PART = "second"  # id of the part of a page that begins on a new sheet
# What the renderer says of a style rule that it does not know. All else that it complains about is missing on the page.
ABOUT_STYLE = ("Ignored", "Unknown rules", "Expected a media type")

RoomT = TypeVar("RoomT", bound="Room")


class AssetFetcher(URLFetcher):
    """Hands WeasyPrint this room's style sheets and fonts, and nothing else: no file, no network."""

    def fetch(self, url: str, headers: dict[str, str] | None = None) -> URLFetcherResponse:
        """Open `asset:NAME`.

        Raises:
            FatalURLFetchingError: for any other address. It stops the rendering; an ordinary error would leave a hole.
        """
        name = url.removeprefix("asset:")
        if url.startswith("asset:") and name in STYLES:
            return URLFetcherResponse(url, (TEMPLATES / name).read_bytes(), {"Content-Type": "text/css"})
        if url.startswith("asset:") and name in FONT_FILES:
            return URLFetcherResponse(url, font_path(name).read_bytes(), {"Content-Type": "font/ttf"})
        raise FatalURLFetchingError(f"address {url[:80]} is not one of the report's own files")


class Room(Protocol):
    """How much is spread out on a page."""

    def smaller(self, sheets: Sheets) -> Self | None:
        """What to try next after this took so many sheets; None to leave it at that."""


def fitted_pdf(page_of: Callable[[RoomT], str], room: RoomT, where: str) -> bytes:
    """The PDF of a report, with as much spread out as its sheets have room for.

    Args:
        page_of: the page with so much spread out.
        room: what to try first.
        where: which report, for messages.

    Raises:
        ReportError: a font or a letter is missing, or something would be missing in the file.
    """
    wanted: RoomT | None = room
    while wanted is not None:
        document = _laid_out(page_of(wanted), where)
        wanted = wanted.smaller(_sheets(document))
    with nothing_lost(where):
        pdf: bytes = document.write_pdf(pdf_variant=VARIANT)
    return pdf


def _sheets(document: weasyprint.Document) -> Sheets:
    second = [number for number, page in enumerate(document.pages) if SECOND_PART in page.anchors]
    return Sheets(first_part=second[0] if second else len(document.pages), all=len(document.pages))


def _laid_out(page: str, where: str) -> weasyprint.Document:
    for font in FONT_FILES:
        font_path(font)  # a missing font is an error here; the renderer would only warn
    require_letters(html.unescape(page), where)
    try:
        with nothing_lost(where):
            source = weasyprint.HTML(string=page, url_fetcher=AssetFetcher())  # type: ignore[no-untyped-call]
            document: weasyprint.Document = source.render(font_config=_fonts(), pdf_variant=VARIANT)
    except FatalURLFetchingError as error:
        raise ReportError(f"report of {where}: {error}") from None
    return document


@cache
def _fonts() -> FontConfiguration:
    """The fonts of this process: loading them anew for each report would take as long as its layout."""
    return FontConfiguration()


@contextmanager
def nothing_lost(where: str) -> Iterator[None]:
    """Turn what the renderer only logs into an error, where something would be missing in the file.

    Raises:
        ReportError: a font, a picture or a character could not be printed.
    """
    heard = _Heard()
    loggers = [logging.getLogger(name) for name in ("weasyprint", "fontTools")]
    for logger in loggers:
        logger.addHandler(heard)
    try:
        yield
    finally:
        for logger in loggers:
            logger.removeHandler(heard)
    lost = [message for message in heard.messages if not message.startswith(ABOUT_STYLE)]
    if lost:
        raise ReportError(
            f"report of {where}: not whole ({lost[0]}); install the project again, or report this as a bug"
        )


class _Heard(logging.Handler):
    """Keeps what is complained about."""

    def __init__(self) -> None:
        super().__init__(logging.WARNING)
        self.messages: list[str] = []

    def emit(self, record: logging.LogRecord) -> None:
        self.messages.append(" ".join(record.getMessage().split()))
