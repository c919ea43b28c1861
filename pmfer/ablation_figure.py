"""The ablation as a picture: a panel per figure, the arms side by side, every seed a dot."""

from pathlib import Path
from statistics import mean
from typing import Any

from matplotlib.axes import Axes
from matplotlib.figure import Figure

FIGURE_FILE = "ablation.png"
_COLUMNS = 4
_PANEL_INCHES = (2.7, 2.3)  # width, height


def draw_ablation(results: list[dict[str, Any]], shares: list[str], distances: list[str], path: Path) -> None:
    """Write a PNG.

    Args:
        results: a dictionary of figures per run, with `arm` and `seed`; a figure may be missing in some.
        shares: names of the figures that are fractions, drawn in percent.
        distances: names of those that are drawn as they are.
        path: file to write.
    """
    names = [name for name in (*shares, *distances) if any(result.get(name) is not None for result in results)]
    lines = -(-len(names) // _COLUMNS)
    figure = Figure((_COLUMNS * _PANEL_INCHES[0], lines * _PANEL_INCHES[1]), layout="constrained")
    grid = figure.subplots(lines, _COLUMNS, squeeze=False)
    for axes in grid.flat[len(names) :]:
        axes.set_visible(False)
    for axes, name in zip(grid.flat, names, strict=False):
        _draw_panel(axes, name, results, 100 if name in shares else 1)
    figure.savefig(path, dpi=110, format="png")


def _draw_panel(axes: Axes, name: str, results: list[dict[str, Any]], scale: int) -> None:
    arms = sorted({result["arm"] for result in results})
    for place, arm in enumerate(arms):
        values = [scale * r[name] for r in results if r["arm"] == arm and r.get(name) is not None]
        axes.plot([place] * len(values), values, "o", color="0.55", markersize=4)
        if values:
            axes.hlines(mean(values), place - 0.28, place + 0.28, color="black", linewidth=2)
    unit = ", %" if scale == 100 else ""
    axes.set_title(name.removeprefix("accuracy_").replace("_", " ") + unit, fontsize=9)
    axes.set_xticks(range(len(arms)), arms)
    axes.set_xlim(-0.6, len(arms) - 0.4)
    axes.tick_params(labelsize=8)
    axes.grid(alpha=0.3, axis="y")
