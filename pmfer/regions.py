"""Regions of an upright face crop: where a phrase is expected, and which region each phrase belongs to."""

import torch
from torch import Tensor

from pmfer.covers import REGIONS
from pmfer.facs import ACTION_UNITS, REGION_BOXES


def region_masks(side: int) -> Tensor:
    """Float32 [A, side * side]: share of each grid cell that lies inside the unit's region, row by row."""
    edges = torch.linspace(0, 1, side + 1)
    masks = [
        torch.outer(_overlap(edges, top, bottom), _overlap(edges, left, right)).flatten()
        for top, bottom, left, right in (REGION_BOXES[unit.region] for unit in ACTION_UNITS)
    ]
    return torch.stack(masks)


def phrase_regions() -> Tensor:
    """Int64 [A]: number of each unit's region in covers.REGIONS."""
    return torch.tensor([REGIONS.index(unit.region) for unit in ACTION_UNITS])


def _overlap(edges: Tensor, low: float, high: float) -> Tensor:
    """Share of each interval between neighbouring edges that lies in [low, high]."""
    length = edges[1] - edges[0]
    return ((edges[1:].clamp(max=high) - edges[:-1].clamp(min=low)) / length).clamp(0, 1)
