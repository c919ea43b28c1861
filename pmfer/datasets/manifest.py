"""Manifest: a CSV or Parquet file that lists your own pictures, one per row.

Columns, in any order (if a column is missing, its values are unknown):

| column | meaning |
| --- | --- |
| `path` | picture file, absolute or relative to the manifest; or |
| `image` | the encoded picture itself (Parquet only) |
| `name` | for messages; default: the path, or the row number |
| `split` | `train`, `valid` or `test` |
| `expression` | one of the eight names; empty or `unknown` |
| `votes` | ten counts: the eight expressions, unknown, not a face; a list, or text with blanks in a CSV |
| `neutral` ... | alternatively, the ten counts as columns; the last two are `unknown` and `not_a_face` |
| `au01` ... | 0/1, or FACS intensity 0..5 with 1 = A; present from 1 (A) up; empty = not coded |
| `pspi` | Prkachin and Solomon pain intensity, 0..16 |
| `subject` | who is shown; pain figures are then fitted on other subjects |
| `cropped` | true: face crops, false: whole pictures; the same in all rows |
| any column of true/false, yes/no or 0/1 | membership in a subset, such as `occlusion`, `pose30`, `woman` |

If a row has votes, they count; otherwise its `expression` does. There is no official protocol: train and valid are as
the column says, and test is measured. The licence is that of your pictures. The FERPlus Parquet file is such a
manifest.
"""

import logging
import re
from collections.abc import Sequence
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl

from pmfer.datasets.pictures import PictureSource
from pmfer.datasets.samples import SPLITS, VOTE_COLUMNS, Labels, Samples, Votes, label_votes
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

TITLE = "manifest"
SUFFIXES = (".csv", ".parquet")
FLAGS = ("occlusion", "pose30", "pose45", "duplicate_of_train")  # always read as subsets; other values are an error
MAX_INTENSITY, MAX_PSPI = 5, 16
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
    return Samples(
        title=path.name,
        names=_names(table, path),
        sources=sources,
        votes=_votes(table, path),
        splits=_splits(table, path),
        aus={
            au_column(name): numbers(table[name], 0, MAX_INTENSITY, str(path))
            for name in table.columns
            if au_column(name)
        },
        pspi=numbers(table["pspi"], 0, MAX_PSPI, str(path)) if "pspi" in table.columns else None,
        subjects=tuple(texts(table["subject"])) if "subject" in table.columns else None,
        subsets={name: flags(table[name], str(path)) for name in table.columns if _is_flag(table[name])},
        cropped=_cropped(table, path),
    )


def read_table(path: Path) -> pl.DataFrame:
    """Read a CSV (every cell as text) or Parquet file, with column names converted to lower case.

    Raises:
        TrainingError: it is missing, cannot be read, or has no rows.
    """
    try:
        table = (
            pl.read_csv(path, infer_schema=False, glob=False)
            if path.suffix.lower() == ".csv"
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


def au_column(name: str) -> str:
    """Normalise `au01`, `AU1` or `au_1` to `au01`; an empty string for any other column."""
    match = re.fullmatch(r"au_?0*([1-9]\d?)", name.lower())
    return f"au{int(match[1]):02d}" if match else ""


def _is_flag(column: pl.Series) -> bool:
    """Whether a column says which pictures belong to a subset: booleans or, in a CSV, words for them."""
    if column.name in FLAGS:
        return True
    if column.name in {*_PLAIN, *VOTE_COLUMNS} or au_column(column.name):
        return False
    return column.dtype == pl.Boolean or (column.dtype == pl.String and is_yes_or_no(column))


def _has_vote_columns(table: pl.DataFrame) -> bool:
    return set(EXPRESSION_NAMES) <= set(table.columns)


def _check_columns(table: pl.DataFrame, path: Path) -> None:
    """Log the columns that are ignored, and raise a TrainingError if two columns are the same action unit."""
    known = _PLAIN | (set(VOTE_COLUMNS) if _has_vote_columns(table) else set())
    ignored = [c.name for c in table.iter_columns() if not (c.name in known or au_column(c.name) or _is_flag(c))]
    if ignored:
        log.warning("%s: columns ignored: %s", path.name, ", ".join(ignored))
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
    if "expression" in table.columns:
        labels = label_votes(expression_labels(table["expression"], str(path)))
        votes = np.where(votes.any(1, keepdims=True), votes, labels)
    return votes


def _splits(table: pl.DataFrame, path: Path) -> tuple[str, ...]:
    if "split" not in table.columns:
        return ("",) * len(table)
    splits = tuple(texts(table["split"]))
    for row, split in enumerate(splits):
        if split not in (*SPLITS, ""):
            raise TrainingError(f"{path}: row {row + 1}: split is '{split}', must be train, valid or test")
    return splits


def _cropped(table: pl.DataFrame, path: Path) -> bool | None:
    if "cropped" not in table.columns:
        return None
    cropped = flags(table["cropped"], str(path))
    if cropped.any() != cropped.all():
        raise TrainingError(f"{path}: some rows are cropped and some are not; split them into two manifests")
    return bool(cropped.all())


_YES, _NO = {"true", "yes", "1"}, {"false", "no", "0", ""}
# Other words that label files use for the eight expressions.
_SYNONYMS = {
    "happy": "happiness",
    "surprised": "surprise",
    "sad": "sadness",
    "angry": "anger",
    "disgusted": "disgust",
    "fearful": "fear",
    "afraid": "fear",
    "contemptuous": "contempt",
}
_UNKNOWN = {"", "unknown"}


def numbers(column: pl.Series, low: float, high: float, where: str) -> npt.NDArray[np.float32]:
    """Numbers float32 [N] in `low`..`high`; NaN for an empty cell.

    Raises:
        TrainingError: a cell is not a number or out of range; the message names the file, `where`.
    """
    if column.dtype == pl.String:
        text = column.str.strip_chars()
        filled = text.fill_null("").to_numpy() != ""
        values = text.cast(pl.Float64, strict=False)
    else:
        filled = column.is_not_null().to_numpy()
        try:
            values = column.cast(pl.Float64)
        except pl.exceptions.PolarsError:
            raise TrainingError(f"{where}: column {column.name} contains {column.dtype}, not numbers") from None
    array = values.fill_null(float("nan")).to_numpy().astype(np.float32)
    # In a numeric column, some tools write NaN for an empty cell. In a text column, NaN means that it is not a number.
    malformed = filled & np.isnan(array) if column.dtype == pl.String else np.zeros(len(array), bool)
    wrong = np.nonzero(malformed | (array < low) | (array > high))[0]
    if len(wrong):
        row = int(wrong[0])
        raise TrainingError(
            f"{where}: row {row + 1}: {column.name} is '{column[row]}', must be {low:g} to {high:g} or empty (unknown)"
        )
    return array


def is_yes_or_no(column: pl.Series) -> bool:
    """Whether all cells of a text column are true/false, yes/no or 1/0. Some cells may be empty, but not all."""
    words = {word.lower() for word in texts(column)}
    return words <= _YES | _NO and words != {""}


def flags(column: pl.Series, where: str) -> npt.NDArray[np.bool_]:
    """Read true/false, yes/no or 1/0 as booleans [N]; an empty cell is false.

    Raises:
        TrainingError: a cell has another value.
    """
    words = texts(column.cast(pl.Int8) if column.dtype == pl.Boolean else column)
    for row, word in enumerate(words):
        if word.lower() not in _YES | _NO:
            raise TrainingError(f"{where}: row {row + 1}: {column.name} is '{word}', must be true or false")
    return np.array([word.lower() in _YES for word in words], bool)


def texts(column: pl.Series) -> list[str]:
    """The cells as stripped strings, [N]; an empty string for an empty cell."""
    return [str(cell) for cell in column.cast(pl.String).fill_null("").str.strip_chars()]


def expression_labels(column: pl.Series, where: str) -> Labels:
    """Labels int64 [N]; -1 if the cell is empty or says unknown.

    Raises:
        TrainingError: a cell is not the name of an expression.
    """
    labels = np.full(len(column), -1, np.int64)
    for row, cell in enumerate(texts(column)):
        name = _SYNONYMS.get(cell.lower(), cell.lower())
        if name in EXPRESSION_NAMES:
            labels[row] = EXPRESSION_NAMES.index(name)
        elif name not in _UNKNOWN:
            raise TrainingError(
                f"{where}: row {row + 1}: expression is '{cell}', must be one of {', '.join(EXPRESSION_NAMES)} or empty"
            )
    return labels


def vote_counts(column: pl.Series, where: str) -> Votes:
    """Votes uint8 [N, 10] from lists, or from text such as "6 3 1 0 0 0 0 0 0 0"; zeros for an empty cell.

    Raises:
        TrainingError: a cell does not have ten (or eight) whole numbers in 0..255.
    """
    votes = np.zeros((len(column), len(VOTE_COLUMNS)), np.uint8)
    for row, cell in enumerate(column.to_list()):
        counts = _counts(cell)
        if counts is None:
            raise TrainingError(f"{where}: row {row + 1}: votes are '{cell}', must be ten whole numbers, 0 to 255")
        votes[row, : len(counts)] = counts
    return votes


def vote_columns(table: pl.DataFrame, where: str) -> Votes:
    """Votes uint8 [N, 10] from one column per choice; `unknown` and `not_a_face` may be missing.

    Raises:
        TrainingError: a cell is not a whole number in 0..255; the message names the file, `where`.
    """
    votes = np.zeros((len(table), len(VOTE_COLUMNS)), np.uint8)
    for index, name in enumerate(VOTE_COLUMNS):
        if name in table.columns:
            counts = np.nan_to_num(numbers(table[name], 0, 255, where))
            votes[:, index] = counts.astype(np.uint8)
            if (votes[:, index] != counts).any():
                raise TrainingError(f"{where}: column {name} contains fractions; give whole numbers")
    return votes


def _counts(cell: object) -> list[int] | None:
    """Counts of one cell; an empty list for an empty cell, None for a malformed one."""
    if cell is None:
        return []
    parts: Sequence[object] = re.split(r"[\s,;]+", cell.strip(" []()")) if isinstance(cell, str) else list(cell)  # type: ignore[call-overload]
    if list(parts) in ([], [""]):
        return []
    try:
        counts = [float(str(part)) for part in parts]
    except ValueError:
        return None
    fits = len(counts) in (8, 10) and all(0 <= count <= 255 and count == int(count) for count in counts)
    return [int(count) for count in counts] if fits else None
