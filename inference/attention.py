"""Where a bundle looks for its phrases, as numbers: does "lip corners pulled up" look at the mouth?"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from inference.faces import Floats
from pmfer.bundle import AuPhrase
from pmfer.facs import REGION_BOXES, Region


@dataclass(frozen=True)
class Look:
    """Where one phrase was looked for, on the mean over faces."""

    phrase: AuPhrase
    mean_map: Floats  # [h, w], sums to 1
    share: float | None  # of the attention inside the phrase's region, 0..1; None for a phrase without a region
    chance: float | None  # the region's share of the crop's area: the share of a look that goes everywhere alike
    centre: tuple[float, float]  # centre of the mean map (x, y) as fractions of the crop


def region_mask(region: str, height: int, width: int) -> Floats:
    """Share of each place of a map [height, width] that lies inside a region of the crop, 0..1."""
    top, bottom, left, right = REGION_BOXES[Region(region)]
    return np.outer(_overlap(height, top, bottom), _overlap(width, left, right)).astype(np.float32)


def inside_share(maps: Floats, region: str | None) -> Floats:
    """Share of the attention of maps [..., h, w] inside a region, [...]; NaN without a region."""
    if region is None:
        return np.full(maps.shape[:-2], np.nan, np.float32)
    return np.asarray((maps * region_mask(region, *maps.shape[-2:])).sum((-2, -1)), np.float32)


def mean_looks(maps: Floats, phrases: Sequence[AuPhrase]) -> list[Look]:
    """Look of each phrase over faces, from maps [N, A, h, w] with N > 0 in the order of `phrases`."""
    looks = []
    for phrase, own in zip(phrases, maps.swapaxes(0, 1), strict=True):
        mean_map = own.mean(0)
        share = float(inside_share(mean_map, phrase.region)) if phrase.region else None
        chance = float(region_mask(phrase.region, *mean_map.shape).mean()) if phrase.region else None
        looks.append(Look(phrase, mean_map, share, chance, _centre(mean_map)))
    return looks


def _overlap(places: int, low: float, high: float) -> NDArray[np.float64]:
    """Share of each of `places` equal intervals of 0..1 that lies in [low, high]."""
    edges = np.linspace(0, 1, places + 1)
    return np.asarray(np.clip(np.minimum(edges[1:], high) - np.maximum(edges[:-1], low), 0, None) * places)


def _centre(mean_map: Floats) -> tuple[float, float]:
    height, width = mean_map.shape
    total = float(mean_map.sum())
    x = float(mean_map.sum(0) @ (np.arange(width) + 0.5)) / width / total
    y = float(mean_map.sum(1) @ (np.arange(height) + 0.5)) / height / total
    return x, y
