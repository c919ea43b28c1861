"""CSV files that people hand in, with whichever separator their spreadsheet writes."""

import csv
import io

DELIMITERS = ",;\t"  # spreadsheets write semicolons where the comma is the decimal point


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
