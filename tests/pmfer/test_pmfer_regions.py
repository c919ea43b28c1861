"""Regions: what a mixed face is told to be, and where a phrase is told to look."""

import torch

from pmfer.facs import ACTION_UNITS, AU_COLUMNS, Region
from pmfer.losses import region_loss
from pmfer.regions import LOWER_FACE, mix_halves, region_masks


def halves(count: int) -> tuple[torch.Tensor, torch.Tensor]:
    """Faces of one grey level each, whose targets say which face they are."""
    levels = torch.arange(count) * 20
    return levels[:, None, None].expand(count, 48, 48).to(torch.uint8), levels[:, None].repeat(
        1, len(ACTION_UNITS)
    ) / 255


def test_a_mixed_face_has_the_targets_of_the_half_that_shows_them() -> None:
    pictures, targets = halves(12)
    mixed, mixed_targets = mix_halves(pictures, targets, 5, torch.Generator().manual_seed(0))
    assert torch.equal(mixed[:7], pictures[:7])
    assert torch.equal(mixed_targets[:7], targets[:7])
    for face, wanted in zip(mixed[7:], mixed_targets[7:], strict=True):
        for unit, target in zip(ACTION_UNITS, wanted, strict=True):
            row = 46 if unit.region in LOWER_FACE else 5
            assert round(float(target) * 255) == int(face[row, 24]), unit.column
    assert not torch.equal(mixed[7:, 46], mixed[7:, 5])


def test_nothing_mixed_is_nothing_changed() -> None:
    pictures, targets = halves(4)
    assert mix_halves(pictures, targets, 0, torch.Generator()) == (pictures, targets)


def test_masks_cover_their_boxes_whatever_the_grid() -> None:
    for side in (5, 6, 14):
        masks = region_masks(side).reshape(-1, side, side)
        assert masks.min() >= 0
        assert masks.max() <= 1
        mouth, brow = masks[AU_COLUMNS.index("au12")], masks[AU_COLUMNS.index("au04")]
        assert mouth[: side // 2].sum() == 0
        assert brow[side // 2 + 1 :].sum() == 0
        assert abs(float(mouth.sum()) / side**2 - 0.45 * 0.76) < 1e-5


def test_the_region_loss_is_nothing_inside_and_much_outside() -> None:
    masks = region_masks(6)
    inside = masks / masks.sum(1, keepdim=True)
    outside = (1 - masks.ceil()) / (1 - masks.ceil()).sum(1, keepdim=True)
    full = (masks > 0.999).float()  # cells that lie inside as a whole
    full = full / full.sum(1, keepdim=True)
    assert region_loss(full[None], masks) < 1e-3
    assert region_loss(inside[None], masks) < 0.5
    assert region_loss(outside[None], masks) > 5


def test_every_unit_looks_where_its_region_is() -> None:
    heights = region_masks(12).reshape(-1, 12, 12).sum(2) @ torch.arange(12.0) / region_masks(12).sum(1)
    by_region = {unit.region: float(heights[i]) for i, unit in enumerate(ACTION_UNITS)}
    assert by_region[Region.BROW] < by_region[Region.EYE] < by_region[Region.CHEEK] < by_region[Region.MOUTH]
