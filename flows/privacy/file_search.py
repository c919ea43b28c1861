"""Search a file for a patient's identifier: in its bytes, and inside file formats that compress their content."""

import gzip
import zlib
from collections.abc import Collection, Iterator
from pathlib import Path
from typing import IO

import polars as pl
import pypdfium2

from warehouse.personal import Traces

_CHUNK_BYTES = 1 << 20
_DUCKDB_MAGIC = (8, b"DUCK")  # offset and bytes
_PDF_MAGIC = (0, b"%PDF-")
_GZIP_MAGIC = (0, b"\x1f\x8b")


def files_below(folder: Path) -> Iterator[Path]:
    """All files and links below a folder, in a fixed order; links are not followed."""
    for path in sorted(folder.rglob("*")):
        if path.is_symlink() or path.is_file():
            yield path


def holds(path: Path, traces: Traces, passwords: Collection[str] = ()) -> bool:
    """Whether a file holds the identifier, or might hold it in a part that cannot be read.

    The raw bytes are searched. In addition, Parquet files are queried, gzip files are unpacked and the pages of PDFs
    are read. An identifier that could occur by chance is looked for only in texts and tables, or not at all, see
    warehouse.personal.

    Args:
        path: the file.
        traces: what to look for.
        passwords: passwords that may open a PDF; one that none of them opens is not read, see `is_locked`.

    Raises:
        OSError: the file cannot be read.
    """
    if not traces.is_distinct:
        return False
    if path.is_symlink():
        return traces.in_text(str(path.readlink()))
    with path.open("rb") as stream:
        if (traces.is_sure or _is_text(stream)) and _in_stream(stream, traces):
            return True
    if _begins_with(path, _GZIP_MAGIC):
        return _in_gzip(path, traces)
    if _begins_with(path, _PDF_MAGIC):
        return traces.in_text(_text_of_pdf(path, passwords) or "")
    return path.suffix == ".parquet" and _in_parquet(path, traces)


def is_database(path: Path) -> bool:
    """Whether a file is a DuckDB database, which compresses its content."""
    return _begins_with(path, _DUCKDB_MAGIC)


def is_locked(path: Path, passwords: Collection[str]) -> bool:
    """Whether a file is a PDF that none of these passwords opens, or is damaged, so that it cannot be searched.

    Raises:
        OSError: the file cannot be read.
    """
    if path.is_symlink() or not _begins_with(path, _PDF_MAGIC):
        return False
    return _text_of_pdf(path, passwords) is None


def _begins_with(path: Path, mark: tuple[int, bytes]) -> bool:
    offset, magic = mark
    with path.open("rb") as stream:
        return stream.read(offset + len(magic))[offset:] == magic


def _text_of_pdf(path: Path, passwords: Collection[str]) -> str | None:
    """The text that a reader would see or copy; fonts and compression hide it from a search of the bytes."""
    for password in (None, *passwords):
        try:
            with pypdfium2.PdfDocument(path, password=password) as pdf:  # type: ignore[no-untyped-call]
                return "\n".join(page.get_textpage().get_text_range() for page in pdf)
        except pypdfium2.PdfiumError:
            continue
    return None


def _is_text(stream: IO[bytes]) -> bool:
    start = stream.read(8192)
    stream.seek(0)
    return b"\0" not in start


def _in_stream(stream: IO[bytes] | gzip.GzipFile, traces: Traces) -> bool:
    tail = b""
    while chunk := stream.read(_CHUNK_BYTES):
        if traces.in_bytes(tail + chunk):
            return True
        tail = (tail + chunk)[-traces.longest :]
    return False


def _in_gzip(path: Path, traces: Traces) -> bool:
    """A damaged gzip file counts as holding the identifier, because it may."""
    try:
        with gzip.open(path) as stream:
            return _in_stream(stream, traces)
    except (gzip.BadGzipFile, EOFError, zlib.error):
        return True


def _in_parquet(path: Path, traces: Traces) -> bool:
    """A damaged Parquet file counts as holding the identifier, because it may."""
    try:
        table = pl.read_parquet(path, glob=False)
    except (pl.exceptions.PolarsError, OSError):
        return True
    columns = table.select(pl.selectors.string() | pl.selectors.categorical())
    return any(traces.in_text(value) for column in columns for value in column.unique().drop_nulls().cast(pl.String))
