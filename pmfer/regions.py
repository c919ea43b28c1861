"""Regions of an upright face crop: where a phrase is expected, and faces mixed out of two.

Both take the phrases of one expression apart. A face whose upper half is angry and whose lower half smiles can only be
described by looking at each half; and a phrase about the mouth that finds its answer in the brows has learnt the
expression, not the unit. The idea of mixing is CutMix's (Yun et al., 2019), along the face's anatomy; it is not in the
paper's abstract.
"""

import torch
from torch import Generator, Tensor

from pmfer.facs import ACTION_UNITS, REGION_BOXES, Region

LOWER_FACE = (Region.MOUTH, Region.JAW)
SEAM = (0.54, 0.62)  # height of the cut between two faces, between nose tip and upper lip in most crops
BLEND = 0.04  # half the height over which the pictures fade into each other


def region_masks(side: int) -> Tensor:
    """Float32 [A, side * side]: share of each grid cell that lies inside the unit's region, row by row."""
    edges = torch.linspace(0, 1, side + 1)
    masks = [
        torch.outer(_overlap(edges, top, bottom), _overlap(edges, left, right)).flatten()
        for top, bottom, left, right in (REGION_BOXES[unit.region] for unit in ACTION_UNITS)
    ]
    return torch.stack(masks)


def _overlap(edges: Tensor, low: float, high: float) -> Tensor:
    """Share of each interval between neighbouring edges that lies in [low, high]."""
    length = edges[1] - edges[0]
    return ((edges[1:].clamp(max=high) - edges[:-1].clamp(min=low)) / length).clamp(0, 1)


def mix_halves(pictures: Tensor, targets: Tensor, count: int, dice: Generator) -> tuple[Tensor, Tensor]:
    """Give the last `count` faces the lower half of another face, and its phrase targets below the nose.

    Args:
        pictures: uint8 [N, S, S] upright crops; not changed.
        targets: float32 [N, A]; not changed.
        count: how many, 0..N.
        dice: source of the partners and of the seam's height.

    Returns:
        Pictures and targets of the same shapes.
    """
    if count == 0:
        return pictures, targets
    n, side = pictures.shape[:2]
    partners = torch.randperm(n, generator=dice)[:count]
    seam = torch.rand(count, generator=dice)[:, None] * (SEAM[1] - SEAM[0]) + SEAM[0]
    rows = (torch.arange(side) + 0.5) / side
    lower = ((rows - seam) / (2 * BLEND) + 0.5).clamp(0, 1)[:, :, None]
    mixed = pictures[n - count :] * (1 - lower) + pictures[partners] * lower
    below = torch.tensor([unit.region in LOWER_FACE for unit in ACTION_UNITS])
    mixed_targets = torch.where(below, targets[partners], targets[n - count :])
    return (
        torch.cat([pictures[: n - count], mixed.round().to(torch.uint8)]),
        torch.cat([targets[: n - count], mixed_targets]),
    )
