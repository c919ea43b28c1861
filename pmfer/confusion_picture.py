"""The confusion matrix as a picture: counts and row shares, readable in a grey print."""

from collections.abc import Sequence
from pathlib import Path

import numpy as np
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure

from pmfer.errors import ConfigurationError

NOT_FOUND = "no face found"
DARK = 0.55  # row share from which the cell is dark enough for white text


def draw_confusion(
    counts: Sequence[Sequence[int]], missed: Sequence[int], names: Sequence[str], title: str, out: Path
) -> None:
    """Write a confusion matrix as a PNG (or what the suffix of `out` says).

    Args:
        counts: [E, E], row the label, column the answer.
        missed: faces of each label that were not found; a column of its own if there are any.
        names: of the E classes; rows without a face are left out.
        title: above the picture.
        out: the file.

    Raises:
        ConfigurationError: `out` cannot be written, or its suffix is of no picture.
    """
    table = np.array(counts, np.int64)
    columns = list(names)
    if any(missed):
        table = np.concatenate([table, np.array(missed, np.int64)[:, None]], axis=1)
        columns.append(NOT_FOUND)
    filled = table.sum(1) > 0
    rows = [name for name, keep in zip(names, filled, strict=True) if keep]
    table = table[filled]
    figure = Figure(figsize=(1.6 + 0.95 * len(columns), 1.6 + 0.75 * max(1, len(rows))), dpi=120, layout="constrained")
    FigureCanvasAgg(figure)
    axes = figure.add_subplot()
    shares = table / np.maximum(table.sum(1, keepdims=True), 1)
    # From white to dark in one hue: lightness alone carries the share, so a grey print loses nothing.
    axes.imshow(shares, cmap="Blues", vmin=0, vmax=1, aspect="auto")
    for (row, column), share in np.ndenumerate(shares):
        colour = "white" if share > DARK else "black"
        text = f"{table[row, column]}\n{share:.0%}"
        axes.text(column, row, text, ha="center", va="center", color=colour, fontsize=8)
    axes.set_xticks(range(len(columns)), columns, rotation=35, ha="right")
    axes.set_yticks(range(len(rows)), rows)
    axes.set(xlabel="answer", ylabel="label", title=title)
    try:
        figure.savefig(out)
    except (OSError, ValueError) as error:
        raise ConfigurationError(f"{out}: the picture cannot be written ({error})") from None
