"""Where the model looks for each phrase, as numbers and as pictures: does "lip corners pulled up" look at the mouth?"""

import textwrap
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from matplotlib.axes import Axes
from matplotlib.cm import ScalarMappable
from matplotlib.colors import LinearSegmentedColormap, Normalize
from matplotlib.figure import Figure
from matplotlib.patches import Rectangle
from numpy.typing import NDArray
from PIL import Image

from inference.faces import Floats, Picture
from pmfer.bundle import AuPhrase
from pmfer.errors import ConfigurationError
from pmfer.facs import REGION_BOXES, Region

SIDE_PX = 192  # side of one face on a sheet
COLUMNS = 6
CELL_INCHES = (1.75, 2.6)  # width, height, including the text above and below
# From transparent to a strong colour: without attention, the face stays visible.
HEAT = LinearSegmentedColormap.from_list("heat", [(1.0, 0.75, 0.0, 0.0), (1.0, 0.45, 0.0, 0.55), (0.85, 0.0, 0.1, 0.8)])


@dataclass(frozen=True)
class PhraseAttention:
    """Where the model looked for one phrase, averaged over faces."""

    phrase: AuPhrase
    mean_map: Floats  # [h, w], sums to 1
    share: float | None  # of the attention inside the phrase's region, 0..1; None for a phrase without a region
    chance: float | None  # the region's share of the crop's area: the share of even attention
    centre: tuple[float, float]  # centre of the mean map (x, y) as fractions of the crop


def region_mask(region: str, height: int, width: int) -> Floats:
    """Share of each cell of a map [height, width] that lies inside a region of the crop, 0..1."""
    top, bottom, left, right = REGION_BOXES[Region(region)]
    return np.outer(_overlap(height, top, bottom), _overlap(width, left, right)).astype(np.float32)


def inside_share(maps: Floats, region: str | None) -> Floats:
    """Share of the attention of maps [..., h, w] inside a region, [...]; NaN without a region."""
    if region is None:
        return np.full(maps.shape[:-2], np.nan, np.float32)
    return np.asarray((maps * region_mask(region, *maps.shape[-2:])).sum((-2, -1)), np.float32)


def mean_attention(maps: Floats, phrases: Sequence[AuPhrase]) -> list[PhraseAttention]:
    """Mean attention of each phrase over faces, from maps [N, A, h, w] with N > 0 in the order of `phrases`."""
    means = []
    for phrase, phrase_maps in zip(phrases, maps.swapaxes(0, 1), strict=True):
        mean_map = phrase_maps.mean(0)
        share = float(inside_share(mean_map, phrase.region)) if phrase.region else None
        chance = float(region_mask(phrase.region, *mean_map.shape).mean()) if phrase.region else None
        means.append(PhraseAttention(phrase, mean_map, share, chance, _centre(mean_map)))
    return means


def _overlap(intervals: int, low: float, high: float) -> NDArray[np.float64]:
    """Divide 0..1 into `intervals` equal parts and return the share of each that lies in [low, high]."""
    edges = np.linspace(0, 1, intervals + 1)
    return np.asarray(np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * intervals)


def _centre(mean_map: Floats) -> tuple[float, float]:
    height, width = mean_map.shape
    total = float(mean_map.sum())
    x = float(mean_map.sum(0) @ (np.arange(width) + 0.5)) / width / total
    y = float(mean_map.sum(1) @ (np.arange(height) + 0.5)) / height / total
    return x, y


@dataclass(frozen=True)
class _Cell:
    title: str
    text: str  # below the picture, in lines
    heat: Floats | None  # [h, w], attention relative to even attention
    region: str | None


def draw_sheet(crop: Picture, scores: Floats, maps: Floats, phrases: Sequence[AuPhrase], out: Path) -> None:
    """Draw one face: for every phrase its attention map, its score, and the attention inside the phrase's region.

    Args:
        crop: the model's input, [S, S] or [S, S, 3].
        scores: score of each phrase, [A].
        maps: attention map of each phrase, [A, h, w].
        phrases: in the order of `scores` and `maps`.
        out: PNG file to write.

    Raises:
        ConfigurationError: `out` cannot be written.
    """
    cells = [_Cell("the face", f"{crop.shape[0]} px, as the model sees it", None, None)]
    for phrase, score, heat in zip(phrases, scores, maps, strict=True):
        inside = f"\n{inside_share(heat, phrase.region):.0%} at the {phrase.region}" if phrase.region else ""
        text = f"{phrase.column}: score {score:.2f}{inside}"
        cells.append(_Cell(phrase.phrase, text, heat * heat.size, phrase.region))
    _draw(crop, cells, out)


def draw_means(crops: Sequence[Picture], means: Sequence[PhraseAttention], out: Path) -> None:
    """Draw many faces: the mean map of every phrase over the mean face, and its share inside the phrase's region.

    Raises:
        ConfigurationError: `out` cannot be written.
    """
    face = np.mean(np.stack(crops), axis=0).round().astype(np.uint8)
    cells = [_Cell("the mean face", f"of {len(crops)} faces", None, None)]
    for mean in means:
        text = mean.phrase.column
        if mean.share is not None and mean.chance is not None:
            text += f": {mean.share:.0%} at the {mean.phrase.region}\n(if even: {mean.chance:.0%})"
        cells.append(_Cell(mean.phrase.phrase, text, mean.mean_map * mean.mean_map.size, mean.phrase.region))
    _draw(face, cells, out)


def _draw(face: Picture, cells: Sequence[_Cell], out: Path) -> None:
    columns = min(COLUMNS, len(cells))
    rows = -(-len(cells) // columns)
    size = (max(columns, 3) * CELL_INCHES[0], rows * CELL_INCHES[1] + 0.7)
    figure = Figure(size, dpi=110, layout="constrained")
    grid = figure.subplots(rows, columns, squeeze=False)
    # One scale for all maps of a sheet: a map of even attention must look pale beside a focused one.
    strongest = max((float(cell.heat.max()) for cell in cells if cell.heat is not None), default=1.0)
    scale = Normalize(1.0, max(strongest, 2.0))
    large = np.asarray(Image.fromarray(face).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC))
    for axes in grid.flat:
        axes.axis("off")
    for axes, cell in zip(grid.flat, cells, strict=False):
        _draw_cell(axes, large, cell, scale)
    bar = figure.colorbar(
        ScalarMappable(scale, HEAT), ax=grid, location="bottom", fraction=0.03, pad=0.02, aspect=60, shrink=0.6
    )
    bar.set_label("attention, relative to even attention; dashed: the phrase's region", fontsize=8)
    bar.ax.tick_params(labelsize=7)
    try:
        figure.savefig(out, format="png")
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be written ({error.strerror or error})") from None


def _draw_cell(axes: Axes, face: Picture, cell: _Cell, scale: Normalize) -> None:
    extent = (0.0, 1.0, 1.0, 0.0)  # fractions of the crop, y down
    axes.imshow(face, cmap="gray", vmin=0, vmax=255, extent=extent)
    if cell.heat is not None:
        heat = Image.fromarray(cell.heat.astype(np.float32)).resize((SIDE_PX, SIDE_PX), Image.Resampling.BICUBIC)
        axes.imshow(np.asarray(heat), cmap=HEAT, norm=scale, extent=extent)
    if cell.region:
        top, bottom, left, right = REGION_BOXES[Region(cell.region)]
        for colour, style in (("white", "-"), ("black", (0, (4, 4)))):  # seen on bright and on dark faces
            frame = Rectangle((left, top), right - left, bottom - top, fill=False, ls=style, lw=0.8, ec=colour)
            axes.add_patch(frame)
    axes.set_title("\n".join(textwrap.wrap(cell.title, 25)), fontsize=8)
    axes.text(0.5, 1.04, cell.text, fontsize=7, ha="center", va="top", clip_on=False)
