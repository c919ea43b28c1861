"""The cells of a table of labels: which words and numbers they may contain, and what these mean."""

import math
import re
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import polars as pl

from pmfer.datasets.pictures import Picture
from pmfer.datasets.samples import VOTE_COLUMNS, Labels, Votes
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

INTENSITY_LETTERS = "ABCDE"  # FACS intensities 1 to 5
MAX_INTENSITY, MAX_PSPI = 5, 16
# A unit that was not coded: FACS's own code for one that could not be seen, and EmotioNet's.
NOT_CODED = (9, 999)
UNKNOWN_CELLS = ("NA", "N/A", "NaN", "nan")  # as R, spreadsheets and pandas write an empty cell of a CSV
# Other words that label files use, in lower case; cells may use any case.
EXPRESSION_WORDS = {
    "neutral": ("calm",),
    "happiness": ("happy", "joy"),
    "surprise": ("surprised",),
    "sadness": ("sad", "sorrow"),
    "anger": ("angry",),
    "disgust": ("disgusted",),
    "fear": ("afraid", "fearful", "scared"),
    "contempt": ("contemptuous",),
}
SPLIT_WORDS = {"train": ("training",), "valid": ("validation", "val", "dev"), "test": ("testing",)}
YES, NO = {"true", "t", "yes", "y", "1", "1.0"}, {"false", "f", "no", "n", "0", "0.0", ""}
_UNKNOWN = {"", "unknown"}
EXPRESSION_OF = {word: name for name, words in EXPRESSION_WORDS.items() for word in (name, *words)}
SPLIT_OF = {word: name for name, words in SPLIT_WORDS.items() for word in (name, *words)}
_INTENSITIES = {
    letter: str(level)
    for level, capital in enumerate(INTENSITY_LETTERS, start=1)
    for letter in (capital, capital.lower())
}


def numbers(
    column: pl.Series, low: float, high: float, where: str, missing: Sequence[float] = ()
) -> npt.NDArray[np.float32]:
    """Numbers float32 [N] in `low`..`high`; NaN for an empty cell or one of the numbers `missing`.

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
    array[np.isin(array, missing)] = np.nan
    wrong = np.nonzero(malformed | (array < low) | (array > high))[0]
    if len(wrong):
        row = int(wrong[0])
        raise TrainingError(
            f"{where}: row {row + 1}: {column.name} is '{column[row]}', must be {low:g} to {high:g} or empty (unknown)"
        )
    return array


def intensities(column: pl.Series, where: str) -> npt.NDArray[np.float32]:
    """FACS intensities float32 [N] in 0..5 from numbers or the letters A to E; NaN for an empty cell or `NOT_CODED`.

    Raises:
        TrainingError: a cell is none of these.
    """
    if column.dtype == pl.String:
        column = column.str.strip_chars().replace(_INTENSITIES)
    return numbers(column, 0, MAX_INTENSITY, where, missing=NOT_CODED)


def is_yes_or_no(column: pl.Series) -> bool:
    """Whether all cells of a column are words of `YES` and `NO`. Some cells may be empty, but not all."""
    words = {word.lower() for word in texts(column)}
    return words <= YES | NO and words != {""}


def flags(column: pl.Series, where: str) -> npt.NDArray[np.bool_]:
    """Read words of `YES` and `NO` as booleans [N]; an empty cell is false.

    Raises:
        TrainingError: a cell has another value.
    """
    words = texts(column.cast(pl.Int8) if column.dtype == pl.Boolean else column)
    for row, word in enumerate(words):
        if word.lower() not in YES | NO:
            raise TrainingError(f"{where}: row {row + 1}: {column.name} is '{word}', must be true or false")
    return np.array([word.lower() in YES for word in words], bool)


def texts(column: pl.Series) -> list[str]:
    """The cells as stripped strings, [N]; an empty string for an empty cell."""
    return [str(cell) for cell in column.cast(pl.String).fill_null("").str.strip_chars()]


def expression_labels(column: pl.Series, where: str) -> Labels:
    """Labels int64 [N] from words of `EXPRESSION_WORDS`; -1 if the cell is empty or says unknown.

    Raises:
        TrainingError: a cell has another word.
    """
    labels = np.full(len(column), -1, np.int64)
    for row, cell in enumerate(texts(column)):
        name = EXPRESSION_OF.get(cell.lower())
        if name:
            labels[row] = EXPRESSION_NAMES.index(name)
        elif cell.lower() not in _UNKNOWN:
            raise TrainingError(
                f"{where}: row {row + 1}: expression is '{cell}', must be one of {', '.join(EXPRESSION_NAMES)} or empty"
            )
    return labels


def split_names(column: pl.Series, where: str) -> tuple[str, ...]:
    """Names of splits, [N], from words of `SPLIT_WORDS`; an empty string for an empty cell.

    Raises:
        TrainingError: a cell has another word.
    """
    cells = texts(column)
    for row, cell in enumerate(cells):
        if cell and cell.lower() not in SPLIT_OF:
            raise TrainingError(f"{where}: row {row + 1}: split is '{cell}', must be train, valid or test")
    return tuple(SPLIT_OF.get(cell.lower(), "") for cell in cells)


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


def grey_square(cell: str | None, where: str) -> Picture:
    """A square picture uint8 [S, S] from its grey values, row by row and separated by blanks.

    Raises:
        TrainingError: one is not 0 to 255, or a square picture has more or fewer; the message begins with `where`.
    """
    try:
        values = np.array((cell or "").split(), np.uint8)
    except (ValueError, OverflowError):
        raise TrainingError(f"{where}: pixels must be whole numbers from 0 to 255, separated by blanks") from None
    side = math.isqrt(len(values))
    if not side or side * side != len(values):
        raise TrainingError(f"{where}: has {len(values)} pixels, which make no square picture")
    return values.reshape(side, side)


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
