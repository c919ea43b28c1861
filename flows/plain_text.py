"""Text that others wrote: read from CSV files, and shown so that no terminal, log or spreadsheet obeys it.

Names of files, and messages that quote them, may hold anything: in lines of ours they are escaped. People hand in CSV
files with whichever separator their spreadsheet writes. rich takes square brackets for orders and `:smile:` for a
picture; on consoles of ours text is text, and style comes from rich's Text and from the `style` of what is printed.
"""

import csv
import io
import re
from typing import TYPE_CHECKING, Any

from rich.console import Console
from rich.text import Text

if TYPE_CHECKING:  # every command has a console, and must not wait for polars
    import polars as pl

DELIMITERS = ",;\t"  # spreadsheets write semicolons where the comma is the decimal point
# A spreadsheet computes a cell that begins like this; one that separates by semicolons finds such cells in mid-text.
_FORMULA = r"(^|[;\t\r\n])(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20])"
_NUMBER = r"[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?"
MAX_CHARACTERS = 300  # of a name or message in a line; a longer one was made on purpose
UNFOLDED = 1000  # characters: more than a row of a table has


def read_csv(content: bytes, *, strict: bool = True) -> "csv.DictReader[str]":
    """The rows of a CSV file as dictionaries; its first line names the columns and shows the separator.

    Args:
        content: of the file, in UTF-8, with or without a mark in front.
        strict: whether rows with wrong quotation marks are refused, which csv.Error says while they are read.

    Raises:
        csv.Error: it is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise csv.Error(f"byte {error.start} is not UTF-8; save it as CSV UTF-8") from None
    delimiter = delimiter_of(io.StringIO(text, newline="").readline())
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)


def delimiter_of(header: str) -> str:
    """What stands between the columns that the first line of a file names."""
    return max(DELIMITERS, key=header.count)


def plain(text: str) -> str:
    """A text as a cell that no spreadsheet takes for a formula: `'` stands before what could begin one.

    A number keeps its sign.
    """
    return text if re.fullmatch(_NUMBER, text) else re.sub(_FORMULA, r"\1\2'\3", text)


def plain_column(name: str) -> "pl.Expr":
    """`plain` for every text of a column."""
    import polars as pl

    column = pl.col(name)
    shown = column.str.replace_all(_FORMULA, "${1}${2}'${3}")
    return pl.when(column.str.contains(f"^(?:{_NUMBER})$")).then(column).otherwise(shown).alias(name)


def escaped(text: str, keep: str = "") -> str:
    r"""Escape everything in `text` that a terminal or a log could obey.

    Control characters, line breaks, marks that turn the direction of writing, and bytes that are no UTF-8 (which Python
    keeps as surrogates) become `\xNN` or `\uNNNN`, except for the characters to `keep`.
    """
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def printable(text: str) -> str:
    """Escape `text`, put it on one line, and cut it if it is too long."""
    kept = escaped(text)
    return kept if len(kept) <= MAX_CHARACTERS else f"{kept[:MAX_CHARACTERS]}..."


def is_plain(name: str) -> bool:
    """Whether a file's name can stand in tables and lines as it is."""
    return name.isprintable() and len(name) <= MAX_CHARACTERS


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is no UTF-8, see os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


class PlainConsole(Console):
    """A console that prints text as it is: no markup, no control sequences."""

    def __init__(self, **options: Any) -> None:
        """Take the options of rich's Console; nothing is marked up, replaced or highlighted."""
        super().__init__(**options, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text as it is printed; rich calls it for every string, cells of tables included."""
        return super().render_str(escaped(text, keep="\n\t"), **options)


def table_console() -> PlainConsole:
    """A console for tables with names: where nobody watches, a row is one line to search for, however long."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=UNFOLDED)
