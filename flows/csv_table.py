"""CSV files: those that people hand in, with whichever separator their spreadsheet writes, and those that we write."""

import csv
import io
import re

import polars as pl

DELIMITERS = ",;\t"  # spreadsheets write semicolons where the comma is the decimal point
# A spreadsheet computes a cell that begins like this; one that separates by semicolons finds such cells in mid-text.
_FORMULA = r"(^|[;\t\r\n])(\s*)([=+\-@\uff1d\uff0b\uff0d\uff20])"
_NUMBER = r"[-+]?[0-9]+([.][0-9]+)?([eE][-+]?[0-9]+)?"


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


def plain_column(name: str) -> pl.Expr:
    """`plain` for every text of a column."""
    column = pl.col(name)
    shown = column.str.replace_all(_FORMULA, "${1}${2}'${3}")
    return pl.when(column.str.contains(f"^(?:{_NUMBER})$")).then(column).otherwise(shown).alias(name)
