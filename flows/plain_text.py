"""Untrusted text: read it from CSV files, and show it so that no terminal, log or spreadsheet interprets it.

File names, and messages that quote them, may hold anything, so they are escaped in everything we print. CSV files may
have any separator that a spreadsheet writes. rich would interpret square brackets as markup and `:smile:` as an emoji;
our consoles print text as it is, and style comes only from rich's Text and from `style` arguments.
"""

import csv
import io
import re
from collections.abc import Collection, Iterable, Sequence
from datetime import datetime
from pathlib import Path
from typing import TYPE_CHECKING, Any

from rich.cells import cell_len
from rich.console import Console
from rich.table import Table
from rich.text import Text

from pmfer.errors import ConfigurationError

if TYPE_CHECKING:  # every command imports this module, and polars is slow to import
    import polars as pl

DELIMITERS = ",;\t"  # spreadsheets write semicolons where the decimal point is a comma
# A spreadsheet takes a cell that begins like this for a formula. If it splits at other separators than the file uses,
# such a cell may also begin in the middle of a text.
_FORMULA = r"(^|[;\t\r\n])(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20])"
_NUMBER = r"[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?"
MAX_CHARACTERS = 300  # of a name or message in a line; longer ones are not accidental
LEAST_WRAPPED = 20  # characters of a column whose cells are wrapped
TABLE_WIDTH = 1000  # characters, more than any row of a table has


def read_csv(content: bytes, *, strict: bool = True) -> "csv.DictReader[str]":
    """The rows of a CSV file as dictionaries; its first line names the columns and shows the separator.

    Args:
        content: content of the file, in UTF-8 with or without a BOM.
        strict: whether a row with wrong quotation marks raises csv.Error when it is read.

    Raises:
        csv.Error: the content is not UTF-8.
    """
    try:
        text = content.decode("utf-8-sig")
    except UnicodeDecodeError as error:
        raise csv.Error(f"byte {error.start} is not UTF-8; save it as CSV UTF-8") from None
    delimiter = delimiter_of(io.StringIO(text, newline="").readline())
    return csv.DictReader(io.StringIO(text, newline=""), delimiter=delimiter, strict=strict)


def require_columns(
    lines: "csv.DictReader[str]", file: Path, required: tuple[str, ...], optional: tuple[str, ...]
) -> None:
    """Check that a file has all required columns and no unknown ones, each once.

    Raises:
        ConfigurationError: it has not.
    """
    names = list(lines.fieldnames or ())
    for name in required:
        if name not in names:
            raise ConfigurationError(f"{file}: column {name} is missing; the first row names the columns")
    for name in names:
        if name not in required + optional:
            raise ConfigurationError(f"{file}: column '{name}' is not known; use {', '.join(required + optional)}")
        if names.count(name) > 1:
            raise ConfigurationError(f"{file}: column {name} is there twice; keep one")


def delimiter_of(header: str) -> str:
    """The separator between the column names in the first line of a file."""
    return max(DELIMITERS, key=header.count)


def plain(text: str) -> str:
    """Make a text safe for a spreadsheet: put `'` before anything that could begin a formula. Leave numbers alone."""
    return text if re.fullmatch(_NUMBER, text) else re.sub(_FORMULA, r"\1\2'\3", text)


def plain_column(name: str) -> "pl.Expr":
    """`plain` for every text in a column."""
    import polars as pl

    column = pl.col(name)
    shown = column.str.replace_all(_FORMULA, "${1}${2}'${3}")
    return pl.when(column.str.contains(f"^(?:{_NUMBER})$")).then(column).otherwise(shown).alias(name)


def escaped(text: str, keep: str = "") -> str:
    r"""Escape everything in `text` that a terminal or a log could interpret.

    Control characters, line breaks, bidirectional marks, and bytes that are not UTF-8 (which Python keeps as
    surrogates) become `\xNN`, `\uNNNN` or `\UNNNNNNNN`, except for the characters in `keep`.
    """
    return "".join(c if c.isprintable() or c in keep else _escaped(c) for c in text)


def printable(text: str) -> str:
    """Escape `text` so that it fits on one line, and cut it if it is too long."""
    kept = escaped(text)
    return kept if len(kept) <= MAX_CHARACTERS else f"{kept[:MAX_CHARACTERS]}..."


def is_plain(name: str) -> bool:
    """Whether a file name can be shown in tables and lines as it is."""
    return name.isprintable() and len(name) <= MAX_CHARACTERS


def _escaped(character: str) -> str:
    code = ord(character)
    if 0xDC80 <= code <= 0xDCFF:  # a byte that is not UTF-8, see os.fsdecode
        return f"\\x{code - 0xDC00:02x}"
    return f"\\x{code:02x}" if code <= 0xFF else f"\\u{code:04x}" if code <= 0xFFFF else f"\\U{code:08x}"


class PlainConsole(Console):
    """A console that prints text as it is: no markup, no control sequences, and no line breaks but its own."""

    def __init__(self, **options: Any) -> None:
        """Take the options of rich's Console; markup, emoji and highlighting are off."""
        super().__init__(**options, markup=False, emoji=False, highlight=False)

    def print(self, *objects: Any, soft_wrap: bool | None = None, **options: Any) -> None:
        """Print. Sentences, unlike tables, are not wrapped, so that paths and commands in them can be copied.

        A table that is wider than the terminal goes on in the next line: rich would cut its cells, and half a date or
        half a pseudonym reads like a whole one.
        """
        if soft_wrap is None:
            soft_wrap = all(isinstance(shown, str | Text) for shown in objects)
        width = self._width
        self.width = max([self.width, *(_least_width(shown) for shown in objects if isinstance(shown, Table))])
        try:
            super().print(*objects, soft_wrap=soft_wrap or self.soft_wrap, **options)
        finally:
            self._width = width

    def render_str(self, text: str, **options: Any) -> Text:
        """The text to print; rich calls this for every string, including the cells of tables."""
        return super().render_str(escaped(text, keep="\n\t"), **options)


def _least_width(table: Table) -> int:
    """Characters of a row in which nothing is cut: each cell that must not be wrapped, and each word of a heading."""
    widths = []
    for column in table.columns:
        whole = [column.header, *column.cells] if column.no_wrap else str(column.header).split()
        widths.append(max([column.min_width or 0, *(cell_len(str(text)) for text in whole)]))
    return sum(width + 2 for width in widths)


def table_console() -> PlainConsole:
    """A console for tables. If the output is not a terminal, each row stays on one line, so that it can be searched."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=TABLE_WIDTH)


def table_of(columns: Sequence[str], rows: Iterable[Iterable[object]], wrapped: Collection[str]) -> Table:
    """Rows as a table. A missing value is a dash. Only the columns in `wrapped` give way if the terminal is narrow."""
    table = Table(box=None, header_style="bold", pad_edge=False)
    for name in columns:
        wraps = name in wrapped
        table.add_column(name, no_wrap=not wraps, overflow="fold", min_width=LEAST_WRAPPED if wraps else None)
    for row in rows:
        table.add_row(*map(_cell, row))
    return table


def _cell(value: object) -> str:
    if isinstance(value, datetime):
        return value.isoformat(timespec="seconds")
    return "-" if value is None else str(value)
