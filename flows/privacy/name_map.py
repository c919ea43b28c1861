"""The name map from pseudonyms to names: a file of the facility, read only to print names on patients' reports.

It is a CSV or Parquet file with the columns `patient_id` and `name`. No name is stored, logged or quoted in a message.
"""

from collections.abc import Callable, Mapping
from pathlib import Path

import polars as pl

from flows.plain_text import delimiter_of
from pmfer.errors import ReportError
from reports import LONGEST_NAME
from warehouse.private_file import private_draft

COLUMNS = ("patient_id", "name")


def read_names(path: Path | None) -> Mapping[str, str]:
    """The names by pseudonym; empty if there is no file.

    Raises:
        ReportError: the file cannot be read, or a row is wrong. The message gives file, row and field, never a name.
    """
    if path is None:
        return {}
    table = _read(path)
    names: dict[str, str] = {}
    for row, (patient_id, name) in enumerate(table.select(COLUMNS).iter_rows(), start=2):
        where = f"name map {path}, row {row}"
        if not patient_id:
            raise ReportError(f"{where}, patient_id: empty; write a pseudonym or remove the row")
        if patient_id in names:
            raise ReportError(f"{where}, patient_id: {patient_id} has a row already; keep one")
        if not name or len(name) > LONGEST_NAME or not name.isprintable():
            raise ReportError(f"{where}, name: must have 1 to {LONGEST_NAME} printable characters")
        names[patient_id] = name
    return names


def remove_name(path: Path, patient_id: str) -> bool:
    """Remove a patient from the map; return whether the patient was in it. The file is replaced as a whole.

    Raises:
        ReportError: the file cannot be read or written.
    """
    table = _read(path)
    kept = table.filter(pl.col("patient_id").ne_missing(patient_id))
    if kept.height == table.height:
        return False
    write: Callable[[Path], object] = kept.write_parquet if _is_parquet(path) else kept.write_csv
    try:
        with private_draft(path) as draft:
            write(draft)
            draft.chmod(path.stat().st_mode & 0o777)
    except OSError as error:
        raise ReportError(f"name map {path}: cannot be written ({error.strerror}); remove the row by hand") from None
    return True


def _read(path: Path) -> pl.DataFrame:
    """The table; pseudonyms and names as text without surrounding white space, other columns as they are."""
    try:
        table = pl.read_parquet(path, glob=False) if _is_parquet(path) else _read_csv(path)
    except OSError as error:
        raise ReportError(f"name map {path}: cannot be read ({error.strerror or 'missing'}); check the path") from None
    except pl.exceptions.PolarsError:
        # Its message may quote the line, and with it a name.
        raise ReportError(
            f"name map {path}: neither CSV nor Parquet with the columns patient_id and name; write it again"
        ) from None
    for column in COLUMNS:
        if column not in table.columns:
            raise ReportError(f"name map {path}: column {column} is missing; the first row names the columns")
    return table.with_columns(pl.col(COLUMNS).cast(pl.String).str.strip_chars())


def _read_csv(path: Path) -> pl.DataFrame:
    with path.open(encoding="utf-8", errors="replace") as stream:
        separator = delimiter_of(stream.readline())
    return pl.read_csv(path, infer_schema=False, glob=False, separator=separator)


def _is_parquet(path: Path) -> bool:
    return path.suffix.lower() == ".parquet"
