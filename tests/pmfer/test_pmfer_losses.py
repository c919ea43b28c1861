"""Each loss rewards what it should, and a phrase attends only to its region."""

import random

import numpy as np
import pytest
import torch
from small_model import SMALL

from pmfer.checkpoint import build_model
from pmfer.config import LossConfig, ScheduleConfig, TrainConfig
from pmfer.covers import REGIONS
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import ACTION_UNITS, AU_COLUMNS, Region
from pmfer.losses import (
    Batch,
    alignment_loss,
    au_probability_table,
    compute_losses,
    deviation_loss,
    masked_phrase_loss,
    phrase_regions,
    phrase_targets,
    region_loss,
    region_masks,
    reversal_strength,
)
from pmfer.prompts import (
    AU_COUNT,
    NO_PHRASE,
)

CONFIG = TrainConfig(model=SMALL, schedule=ScheduleConfig(epochs=2, batch=8, sizes_px=((0.0, 32),)))


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
    full = (masks > 0.999).float()  # cells that are completely inside
    full = full / full.sum(1, keepdim=True)
    assert region_loss(full[None], masks) < 1e-3
    assert region_loss(inside[None], masks) < 0.5
    assert region_loss(outside[None], masks) > 5


def test_every_unit_looks_where_its_region_is() -> None:
    heights = region_masks(12).reshape(-1, 12, 12).sum(2) @ torch.arange(12.0) / region_masks(12).sum(1)
    by_region = {unit.region: float(heights[i]) for i, unit in enumerate(ACTION_UNITS)}
    assert by_region[Region.BROW] < by_region[Region.EYE] < by_region[Region.CHEEK] < by_region[Region.MOUTH]
    assert [REGIONS[index] for index in phrase_regions()] == [unit.region for unit in ACTION_UNITS]


def test_a_covered_phrase_is_not_asked_for() -> None:
    logits, targets = torch.tensor([[5.0, 5.0]]), torch.tensor([[1.0, 0.0]])
    assert alignment_loss(logits, targets, torch.tensor([[1.0, 0.0]])) < 0.01
    assert alignment_loss(logits, targets, torch.ones(1, 2)) > 2


def test_a_phrase_that_restates_the_expression_earns_nothing_by_it() -> None:
    rng = torch.Generator().manual_seed(0)
    votes = torch.eye(4).repeat(50, 1)
    shape = torch.randn(200, 2, generator=rng)
    known = torch.ones(200, 2)
    expression = (votes @ torch.tensor([3.0, -3.0, 1.0, 0.0]))[:, None]
    assert deviation_loss(expression + 0.01 * torch.randn(200, 2, generator=rng), votes, shape, known) > 0.7
    assert deviation_loss(10 * expression + shape, votes, shape, known) < 0.01
    assert deviation_loss(-shape, votes, shape, known) > 1.9
    half = known.clone()
    half[::2] = 0
    wrong_where_covered = torch.where(half > 0, shape, -5 * shape)
    assert deviation_loss(wrong_where_covered, votes, shape, half) < 0.05


def test_the_reversal_ramps_up_from_nothing() -> None:
    assert reversal_strength(0.0, 0.1) == 0.0
    assert 0.09 < reversal_strength(1.0, 0.1) <= 0.1


def test_masked_loss_counts_dropped_phrases_only() -> None:
    logits = torch.zeros(1, 2, 3)
    logits[0, 0, 1] = 100.0
    assert masked_phrase_loss(logits, torch.tensor([[1, NO_PHRASE]])).item() == pytest.approx(0, abs=1e-6)
    assert masked_phrase_loss(logits, torch.tensor([[0, NO_PHRASE]])).item() > 50


@pytest.mark.parametrize("part", ["alignment", "region", "masked_phrase", "adversary", "deviation", "visibility"])
def test_each_loss_can_be_switched_off(part: str) -> None:
    model = build_model(CONFIG)
    shape, visible = torch.randn(8, AU_COUNT), torch.rand(8, len(REGIONS))
    shape[0], visible[1] = torch.nan, torch.nan
    batch = Batch(torch.rand(8, 1, 32, 32), torch.eye(8), torch.rand(8, AU_COUNT), shape, visible)
    names = {"classification", "alignment", "region", "masked_phrase", "adversary", "deviation", "visibility"}
    config = LossConfig.model_validate({part: 0.0})
    losses = compute_losses(model, batch, config, 0.5, random.Random(0))
    off = {part, "region", "deviation"} if part == "alignment" else {part}  # both need the result of the alignment
    assert torch.isfinite(losses.total)
    assert names & set(losses.parts) == names - off


def test_without_evidence_the_targets_are_the_votes_times_the_table() -> None:
    votes = np.eye(len(EXPRESSION_NAMES), dtype=np.float32)
    table = au_probability_table()
    np.testing.assert_array_equal(phrase_targets(votes, table).shown, table)
    assert np.isnan(phrase_targets(votes, table).deviation).all()
    none = np.full((8, len(AU_COLUMNS)), np.nan, dtype=np.float32)
    np.testing.assert_allclose(phrase_targets(votes, table, none).shown, table, rtol=1e-6)


def test_evidence_orders_faces_inside_an_expression_and_not_between_them() -> None:
    rng = np.random.default_rng(0)
    votes = np.repeat(np.eye(8, dtype=np.float32)[[1, 3]], 200, axis=0)  # happiness, sadness
    brows, corners = AU_COLUMNS.index("au04"), AU_COLUMNS.index("au15")
    seen = rng.normal(0, 1, (400, len(AU_COLUMNS))).astype(np.float32)
    seen[:200, brows] += 5  # how often a class shows a unit is already in the table
    targets = phrase_targets(votes, au_probability_table(), seen)
    happy, sad = targets.shown[:200, brows], targets.shown[200:, brows]
    assert (np.diff(happy[np.argsort(seen[:200, brows])]) >= 0).all()
    assert happy.mean() < 0.2
    assert sad.mean() > 0.6
    assert sad.std() > 0.2
    assert targets.shown[200:, corners].mean() > targets.shown[:200, corners].mean()
    assert abs(targets.deviation[:200, brows].mean()) < 1e-4
    assert ((targets.shown >= 0) & (targets.shown <= 1)).all()


def test_closed_eyes_are_closed_whatever_the_face_expresses() -> None:
    rng = np.random.default_rng(0)
    votes = np.repeat(np.eye(8, dtype=np.float32)[[0, 1]], 500, axis=0)
    seen = rng.normal(0, 0.3, (1000, len(AU_COLUMNS))).astype(np.float32)
    shut = AU_COLUMNS.index("au43")
    seen[::20, shut] += 5
    q = phrase_targets(votes, au_probability_table(), seen).shown[:, shut]
    assert q[::20].min() > 0.8
    assert np.delete(q, np.s_[::20]).mean() < 0.05
