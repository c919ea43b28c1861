"""Manifest: a CSV or Parquet file that lists your own pictures, one per row.

Columns, in any order (if a column is missing, its values are unknown):

| column | meaning |
| --- | --- |
| `path` | picture file, absolute or relative to the manifest; or |
| `image` | the encoded picture itself (Parquet only) |
| `name` | for messages; default: the path, or the row number |
| `split` | `train`, `valid` or `test`, or another word for it (`cells.SPLIT_WORDS`) |
| `expression` | one of the eight names, or another word for it (`cells.EXPRESSION_WORDS`); empty or `unknown` |
| `votes` | ten counts: the eight expressions, unknown, not a face; a list, or text with blanks in a CSV |
| `neutral` ... | alternatively, the ten counts as columns; the last two are `unknown` and `not_a_face` |
| `au01` ... | 0/1, or FACS intensity 0..5 or A..E; present from 1 (A) up; empty, 9 or 999 = not coded |
| `pspi` | Prkachin and Solomon pain intensity, 0..16 |
| `subject` | who is shown; pain figures are then fitted on other subjects |
| `cropped` | true: face crops, false: whole pictures; the same in all rows |
| any column of true/false, yes/no, t/f, y/n or 0/1 | membership in a subset, such as `occlusion`, `pose30`, `woman` |

In a CSV, `NA`, `N/A` and `NaN` are empty cells.

If a row has votes, they count; otherwise its `expression` does. An expression that no row has is not an answer. There
is no official protocol: train and valid are as the column says, and test is measured. The licence is that of your
pictures. The FERPlus Parquet file is such a manifest.
"""

import logging
import re
from pathlib import Path

import numpy as np
import polars as pl

from pmfer.datasets.cells import (
    MAX_PSPI,
    UNKNOWN_CELLS,
    expression_labels,
    flags,
    intensities,
    is_yes_or_no,
    numbers,
    split_names,
    texts,
    vote_columns,
    vote_counts,
)
from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import (
    RATERS,
    VOTE_COLUMNS,
    Samples,
    Votes,
    label_votes,
    voted_classes,
)
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

TITLE = "manifest"
TEXT_SUFFIXES = (".csv", ".tsv")
SUFFIXES = (*TEXT_SUFFIXES, ".parquet")
FIGURES = {"strict", "argmax", "strict_dedup", "strict_interval95"}  # `accuracy_NAME` is a figure of all faces
FLAGS = ("occlusion", "pose30", "pose45", "duplicate_of_train")  # always read as subsets; other values are an error
SEPARATORS = ",;\t"  # spreadsheets write semicolons where the decimal separator is a comma
_PLAIN = {"path", "image", "name", "split", "expression", "votes", "pspi", "subject", "cropped"}
log = logging.getLogger("pmfer.datasets")


def is_here(path: Path) -> bool:
    """Whether `path` may be a manifest."""
    return path.is_file() and path.suffix.lower() in SUFFIXES


def read(path: Path) -> Samples:
    """Read a manifest. Unknown columns are ignored, with a line in the log.

    Raises:
        TrainingError: the file is missing, empty or malformed, has no pictures, or a cell does not fit its column.
    """
    table = read_table(path)
    _check_columns(table, path)
    sources = _sources(table, path)
    votes = _votes(table, path)
    return Samples(
        title=path.name,
        names=_names(table, path),
        sources=sources,
        votes=votes,
        splits=_splits(table, path),
        aus={au_column(name): intensities(table[name], str(path)) for name in table.columns if au_column(name)},
        pspi=numbers(table["pspi"], 0, MAX_PSPI, str(path)) if "pspi" in table.columns else None,
        subjects=tuple(texts(table["subject"])) if "subject" in table.columns else None,
        subsets={name: flags(table[name], str(path)) for name in table.columns if _is_flag(table[name])},
        cropped=_cropped(table, path),
        classes=voted_classes(votes),
    )


def read_table(path: Path) -> pl.DataFrame:
    """Read a CSV (every cell as text) or Parquet file, with column names converted to lower case.

    The separator of a CSV is whichever of `SEPARATORS` its first line has most of; `UNKNOWN_CELLS` count as empty.

    Raises:
        TrainingError: it is missing, cannot be read, or has no rows.
    """
    try:
        table = (
            pl.read_csv(
                path,
                infer_schema=False,
                glob=False,
                separator=max(SEPARATORS, key=header(path).count),
                null_values=list(UNKNOWN_CELLS),
            )
            if path.suffix.lower() in TEXT_SUFFIXES
            else pl.read_parquet(path, glob=False)
        )
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such file; name a manifest or the folder of a data set") from None
    except (OSError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: cannot be read as a table ({reason}); see docs/training.md") from None
    lowered = [name.strip().lower() for name in table.columns]
    if len(set(lowered)) < len(lowered):
        raise TrainingError(f"{path}: two columns have the same name; rename one")
    if table.is_empty():
        raise TrainingError(f"{path}: has no rows")
    return table.rename(dict(zip(table.columns, lowered, strict=True)))


def header(path: Path) -> str:
    """The first line of a text file, in lower case."""
    with path.open(encoding="utf-8-sig", errors="replace") as stream:
        return stream.readline().lower()


def au_column(name: str) -> str:
    """Normalise `au01`, `AU1`, `AU 1` or `au_1` to `au01`; an empty string for any other column."""
    match = re.fullmatch(r"au[ _]?0*([1-9]\d?)", name.lower())
    return f"au{int(match[1]):02d}" if match else ""


def _is_flag(column: pl.Series) -> bool:
    """Whether a column says which pictures belong to a subset: booleans, or words or numbers for them."""
    if column.name in FLAGS:
        return True
    if column.name in {*_PLAIN, *VOTE_COLUMNS} or au_column(column.name):
        return False
    readable = column.dtype == pl.String or column.dtype.is_numeric()
    return column.dtype == pl.Boolean or (readable and is_yes_or_no(column))


def _has_vote_columns(table: pl.DataFrame) -> bool:
    return set(EXPRESSION_NAMES) <= set(table.columns)


def _check_columns(table: pl.DataFrame, path: Path) -> None:
    """Log the columns that are ignored.

    Raises:
        TrainingError: two columns are the same action unit, or a subset has the name of a figure.
    """
    known = _PLAIN | (set(VOTE_COLUMNS) if _has_vote_columns(table) else set())
    ignored = [c.name for c in table.iter_columns() if not (c.name in known or au_column(c.name) or _is_flag(c))]
    if ignored:
        log.warning("%s: columns ignored: %s", path.name, ", ".join(ignored))
    taken = [column.name for column in table.iter_columns() if column.name in FIGURES and _is_flag(column)]
    if taken:
        raise TrainingError(
            f"{path}: subset {taken[0]} has the name of the figure accuracy_{taken[0]}; rename the column"
        )
    units = [au_column(name) for name in table.columns if au_column(name)]
    if len(set(units)) < len(units):
        raise TrainingError(f"{path}: two columns are the same action unit ({', '.join(units)}); remove one")


def _sources(table: pl.DataFrame, path: Path) -> tuple[PictureSource, ...]:
    if "image" in table.columns:
        if table["image"].dtype != pl.Binary:
            raise TrainingError(
                f"{path}: column image must contain encoded pictures; use a column named path for files"
            )
        return tuple(PictureSource(content or b"") for content in table["image"])
    if "path" not in table.columns:
        raise TrainingError(f"{path}: has neither a column path nor a column image; see docs/training.md")
    paths = texts(table["path"])
    if "" in paths:
        raise TrainingError(f"{path}: row {paths.index('') + 1}: path is empty")
    return tuple(PictureSource(path.parent / name) for name in paths)


def _names(table: pl.DataFrame, path: Path) -> tuple[str, ...]:
    for column in ("name", "path"):
        if column in table.columns:
            return tuple(texts(table[column]))
    return tuple(f"row {row + 1}" for row in range(len(table)))


def _votes(table: pl.DataFrame, path: Path) -> Votes:
    votes = np.zeros((len(table), len(VOTE_COLUMNS)), np.uint8)
    if "votes" in table.columns:
        votes = vote_counts(table["votes"], str(path))
    elif _has_vote_columns(table):
        votes = vote_columns(table, str(path))
    single = votes.sum(1, keepdims=True) == 1  # one column per expression, one of them 1: a label, not a lone rater
    votes = np.where(single, votes * np.uint8(RATERS), votes)
    if "expression" in table.columns:
        labels = label_votes(expression_labels(table["expression"], str(path)))
        votes = np.where(votes.any(1, keepdims=True), votes, labels)
    return votes


def _splits(table: pl.DataFrame, path: Path) -> tuple[str, ...]:
    return split_names(table["split"], str(path)) if "split" in table.columns else ("",) * len(table)


def _cropped(table: pl.DataFrame, path: Path) -> bool | None:
    if "cropped" not in table.columns:
        return None
    cropped = flags(table["cropped"], str(path))
    if cropped.any() != cropped.all():
        raise TrainingError(f"{path}: some rows are cropped and some are not; split them into two manifests")
    return bool(cropped.all())
