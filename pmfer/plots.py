"""Charts of training: the curves of a run, the confusion matrix, and the ablation. Does not need torch."""

import math
from collections.abc import Mapping, Sequence
from pathlib import Path
from statistics import mean
from typing import Any

import numpy as np
from matplotlib.axes import Axes
from matplotlib.backends.backend_agg import FigureCanvasAgg
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pmfer.errors import ConfigurationError

CURVES_FILE = "curves.png"
ABLATION_FILE = "ablation.png"
NOT_FOUND = "no face found"
DARK = 0.55  # above this share of its row, a cell of the matrix is dark enough for white text
MOST_TICKS = 5  # per axis of a curve; drawing the ticks takes most of the time
_NOT_DRAWN = {"epoch", "seconds"}

Row = Mapping[str, float | None]  # of the log: `epoch`, losses and accuracies by name; None: nothing to measure


def draw_curves(rows: Sequence[Row], path: Path) -> None:
    """Write the curves of the epochs in `rows` as a PNG. Does nothing if there are no rows.

    Names that begin with `valid_` are accuracies (fractions). They share a panel and are drawn in percent. Every other
    number has its own panel, losses first.
    """
    if not rows:
        return
    panels = _panels(rows)
    figure, grid = _grid(len(panels), columns=3, panel_inches=(3.6, 2.5))
    for axes, (title, names) in zip(grid, panels.items(), strict=True):
        _draw_curve(axes, title, names, rows)
    temporary = path.with_suffix(".tmp")
    figure.savefig(temporary, dpi=110, format="png")
    temporary.replace(path)


def _panels(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Names of the curves by the title of their panel, losses first, in the order of the log."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in _NOT_DRAWN]
    accuracies = [name for name in names if name.startswith("valid_")]
    rates = [name for name in names if name == "learning_rate"]
    panels = {name.replace("_", " "): [name] for name in names if name not in {*accuracies, *rates}}
    if accuracies:
        panels["accuracy on valid faces"] = accuracies
    if rates:
        panels["learning rate"] = rates
    return panels


def _draw_curve(axes: Axes, title: str, names: Sequence[str], rows: Sequence[Row]) -> None:
    """Draw one panel; a missing value leaves a gap."""
    epochs = [float(row["epoch"] or 0) for row in rows]
    shares = title.startswith("accuracy")
    for name in names:
        values = [float("nan") if (value := row.get(name)) is None else value for row in rows]
        last = next((value for value in reversed(values) if not math.isnan(value)), math.nan)
        now = f"{last:.1%}" if shares else f"{last:.4g}"
        label = f"{name.removeprefix('valid_').replace('_', ' ')}: {now}" if shares else f"now {now}"
        axes.plot(epochs, values, marker="." if len(rows) < 20 else "", label=label)
    # Without `y`, matplotlib measures every text around the title, which is slow.
    axes.set_title(title, fontsize=10, y=1.0)
    axes.set_xlabel("epoch", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(MOST_TICKS, integer=True))
    axes.yaxis.set_major_locator(MaxNLocator(MOST_TICKS))
    axes.legend(fontsize=8, frameon=False)
    if shares:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))


def draw_confusion(
    counts: Sequence[Sequence[int]], missed: Sequence[int], names: Sequence[str], title: str, out: Path
) -> None:
    """Write a confusion matrix as a PNG (or in the format of the suffix of `out`).

    Args:
        counts: [E, E], by label (row) and answer (column).
        missed: number of faces of each label that were not found; shown in a separate column if there are any.
        names: names of the E classes; rows without a face are left out.
        title: title of the chart.
        out: file to write.

    Raises:
        ConfigurationError: `out` cannot be written, or its suffix is not a picture format.
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
    # One hue from white to dark: lightness alone shows the share, so nothing is lost in a grey print.
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


def draw_ablation(results: list[dict[str, Any]], shares: list[str], distances: list[str], path: Path) -> None:
    """Write the ablation as a PNG: a panel per figure with the arms side by side, and a dot per seed.

    Args:
        results: figures of each run by name, with `arm` and `seed`; a figure may be missing in some runs.
        shares: names of the figures that are fractions, drawn in percent.
        distances: names of the figures that are drawn unchanged.
        path: file to write.
    """
    names = [name for name in (*shares, *distances) if any(result.get(name) is not None for result in results)]
    figure, grid = _grid(len(names), columns=4, panel_inches=(2.7, 2.3))
    for axes, name in zip(grid, names, strict=True):
        _draw_arms(axes, name, results, 100 if name in shares else 1)
    figure.savefig(path, dpi=110, format="png")


def _draw_arms(axes: Axes, name: str, results: list[dict[str, Any]], scale: int) -> None:
    arms = sorted({result["arm"] for result in results})
    for x, arm in enumerate(arms):
        values = [scale * r[name] for r in results if r["arm"] == arm and r.get(name) is not None]
        axes.plot([x] * len(values), values, "o", color="0.55", markersize=4)
        if values:
            axes.hlines(mean(values), x - 0.28, x + 0.28, color="black", linewidth=2)
    unit = ", %" if scale == 100 else ""
    axes.set_title(name.removeprefix("accuracy_").replace("_", " ") + unit, fontsize=9)
    axes.set_xticks(range(len(arms)), arms)
    axes.set_xlim(-0.6, len(arms) - 0.4)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3, axis="y")


def _grid(count: int, columns: int, panel_inches: tuple[float, float]) -> tuple[Figure, list[Axes]]:
    """A figure of `count` panels in rows of `columns`; `panel_inches` is the width and height of one panel."""
    rows = -(-count // columns)
    width, height = columns * panel_inches[0], rows * panel_inches[1]
    figure = Figure((width, height))
    panels = list(figure.subplots(rows, columns, squeeze=False).flat)
    # Fixed margins, in inches: a layout engine measures every text, which takes as long as an epoch of a small run.
    figure.subplots_adjust(
        left=0.55 / width,
        right=1 - 0.1 / width,
        bottom=0.4 / height,
        top=1 - 0.3 / height,
        wspace=0.65 / (panel_inches[0] - 0.65),
        hspace=0.7 / (panel_inches[1] - 0.7),
    )
    for axes in panels[count:]:
        axes.set_visible(False)
    return figure, panels[:count]
