"""Curves of a training run as a picture: each loss in a panel of its own, the accuracies together.

Drawn from the log alone, so a run that is still going, or that was killed, can be looked at as well.
"""

import math
from collections.abc import Sequence
from pathlib import Path

from matplotlib.axes import Axes
from matplotlib.figure import Figure
from matplotlib.ticker import MaxNLocator, PercentFormatter

from pmfer.train_log import Row

CURVES_FILE = "curves.png"
_NOT_DRAWN = {"epoch", "seconds"}
_COLUMNS = 3
_PANEL_INCHES = (3.6, 2.5)  # width, height


def draw_curves(rows: Sequence[Row], path: Path) -> None:
    """Write the curves of the epochs in `rows` as PNG; without any epoch nothing is written.

    Names that begin with `valid_` are accuracies (fractions) and share a panel, drawn in percent; every other number,
    losses first, has a panel of its own.
    """
    if not rows:
        return
    panels = _panels(rows)
    lines = -(-len(panels) // _COLUMNS)
    figure = Figure((_COLUMNS * _PANEL_INCHES[0], lines * _PANEL_INCHES[1]), layout="constrained")
    grid = figure.subplots(lines, _COLUMNS, squeeze=False)
    for axes in grid.flat[len(panels) :]:
        axes.set_visible(False)
    for axes, (title, names) in zip(grid.flat, panels.items(), strict=False):
        _draw_panel(axes, title, names, rows)
    temporary = path.with_suffix(".tmp")
    figure.savefig(temporary, dpi=110, format="png")
    temporary.replace(path)


def _panels(rows: Sequence[Row]) -> dict[str, list[str]]:
    """Names of the curves by title of the panel, losses first, in the order of the log."""
    names = [name for name in dict.fromkeys(name for row in rows for name in row) if name not in _NOT_DRAWN]
    accuracies = [name for name in names if name.startswith("valid_")]
    rates = [name for name in names if name == "learning_rate"]
    panels = {name.replace("_", " "): [name] for name in names if name not in {*accuracies, *rates}}
    if accuracies:
        panels["accuracy on valid faces"] = accuracies
    if rates:
        panels["learning rate"] = rates
    return panels


def _draw_panel(axes: Axes, title: str, names: Sequence[str], rows: Sequence[Row]) -> None:
    """One panel; an epoch in which a value is missing leaves a gap."""
    epochs = [float(row["epoch"] or 0) for row in rows]
    shares = title.startswith("accuracy")
    for name in names:
        values = [float("nan") if (value := row.get(name)) is None else value for row in rows]
        last = next((value for value in reversed(values) if not math.isnan(value)), math.nan)
        now = f"{last:.1%}" if shares else f"{last:.4g}"
        label = f"{name.removeprefix('valid_').replace('_', ' ')}: {now}" if shares else f"now {now}"
        axes.plot(epochs, values, marker="." if len(rows) < 20 else "", label=label)
    axes.set_title(title, fontsize=10)
    axes.set_xlabel("epoch", fontsize=8)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3)
    axes.xaxis.set_major_locator(MaxNLocator(integer=True))
    axes.legend(fontsize=8, frameon=False)
    if shares:
        axes.yaxis.set_major_formatter(PercentFormatter(xmax=1))
