"""Columns of a manifest as arrays, whatever type the file gave them. What does not fit is named with its row."""

import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from pmfer.datasets.votes import VOTE_COLUMNS, Labels, Votes
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

_YES, _NO = {"true", "yes", "1"}, {"false", "no", "0", ""}
# Other words for the eight expressions that label files use.
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
    """Numbers float32 [N] in `low`..`high`, NaN where the cell is empty.

    Raises:
        TrainingError: a cell is no number or out of range; `where` names the file.
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
            raise TrainingError(f"{where}: column {column.name} holds {column.dtype}, not numbers") from None
    array = values.fill_null(float("nan")).to_numpy().astype(np.float32)
    # NaN in a numeric column is how some tools write an empty cell; in text it is a word that is no number.
    unread = filled & np.isnan(array) if column.dtype == pl.String else np.zeros(len(array), bool)
    wrong = np.nonzero(unread | (array < low) | (array > high))[0]
    if len(wrong):
        row = int(wrong[0])
        raise TrainingError(
            f"{where}: row {row + 1}: {column.name} is '{column[row]}', must be {low:g} to {high:g} or empty (unknown)"
        )
    return array


def is_yes_or_no(column: pl.Series) -> bool:
    """Whether the cells of a column of text say true/false, yes/no or 1/0; some may be empty, but not all."""
    words = {word.lower() for word in texts(column)}
    return words <= _YES | _NO and words != {""}


def flags(column: pl.Series, where: str) -> npt.NDArray[np.bool_]:
    """Booleans [N] of true/false, yes/no or 1/0; an empty cell is false.

    Raises:
        TrainingError: a cell says something else.
    """
    words = texts(column.cast(pl.Int8) if column.dtype == pl.Boolean else column)
    for row, word in enumerate(words):
        if word.lower() not in _YES | _NO:
            raise TrainingError(f"{where}: row {row + 1}: {column.name} is '{word}', must be true or false")
    return np.array([word.lower() in _YES for word in words], bool)


def texts(column: pl.Series) -> list[str]:
    """Stripped text [N]; an empty cell is the empty text."""
    return [str(cell) for cell in column.cast(pl.String).fill_null("").str.strip_chars()]


def expression_labels(column: pl.Series, where: str) -> Labels:
    """Labels int64 [N], -1 where the cell is empty or says unknown.

    Raises:
        TrainingError: a cell names no expression.
    """
    found = np.full(len(column), -1, np.int64)
    for row, cell in enumerate(texts(column)):
        name = _SYNONYMS.get(cell.lower(), cell.lower())
        if name in EXPRESSION_NAMES:
            found[row] = EXPRESSION_NAMES.index(name)
        elif name not in _UNKNOWN:
            raise TrainingError(
                f"{where}: row {row + 1}: expression '{cell}' is none of {', '.join(EXPRESSION_NAMES)} (or empty)"
            )
    return found


def vote_counts(column: pl.Series, where: str) -> Votes:
    """Votes uint8 [N, 10] from lists, or from text such as "6 3 1 0 0 0 0 0 0 0"; an empty cell has no votes.

    Raises:
        TrainingError: a cell has neither ten nor eight whole numbers in 0..255.
    """
    votes = np.zeros((len(column), len(VOTE_COLUMNS)), np.uint8)
    for row, cell in enumerate(column.to_list()):
        counts = _counts(cell)
        if counts is None:
            raise TrainingError(f"{where}: row {row + 1}: votes are '{cell}', must be ten whole numbers, 0 to 255")
        votes[row, : len(counts)] = counts
    return votes


def vote_columns(table: pl.DataFrame, where: str) -> Votes:
    """Votes uint8 [N, 10] from one column per choice; `unknown` and `not_a_face` may be missing."""
    votes = np.zeros((len(table), len(VOTE_COLUMNS)), np.uint8)
    for place, name in enumerate(VOTE_COLUMNS):
        if name in table.columns:
            counts = np.nan_to_num(numbers(table[name], 0, 255, where))
            votes[:, place] = counts.astype(np.uint8)
            if (votes[:, place] != counts).any():
                raise TrainingError(f"{where}: column {name} holds parts of votes; give whole numbers")
    return votes


def _counts(cell: object) -> list[int] | None:
    """Counts of one cell; an empty list for an empty cell, None for one that does not fit."""
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
