"""Training batches do not depend on the number of processes, and contain the teachers' predictions."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pmfer_faces import made_faces
from small_model import SMALL

from pmfer.augment import Normalisation
from pmfer.bake import predict
from pmfer.batches import Teachers, TrainingBatches
from pmfer.checkpoint import load_checkpoint
from pmfer.config import AugmentConfig, ScheduleConfig, TrainConfig
from pmfer.datasets import vote_distribution
from pmfer.errors import TrainingError
from pmfer.landmarks import POINTS
from pmfer.prompts import AU_COUNT
from pmfer.shapes import FaceShapes

CPU = torch.device("cpu")
SCHEDULE = ScheduleConfig(epochs=1, batch=16, sizes_px=((0.0, 48),))
GREY = Normalisation((0.5,), (0.25,))
# No augmentation except mirroring.
STILL = AugmentConfig(
    rotation_deg=0, scale=0, shift=0, light=0, gamma=0, blur=0, small=0, noisy=0, compressed=0, covered=0
)


@pytest.fixture(scope="module")
def shapes() -> FaceShapes:
    placed = np.random.default_rng(0).uniform(0.2, 0.8, (32, POINTS, 2)).astype(np.float32)
    return FaceShapes(np.zeros((32, AU_COUNT), np.float32), placed, np.zeros(32, np.float32), np.ones(32, bool))


def test_faces_do_not_depend_on_how_many_processes_draw(shapes: FaceShapes) -> None:
    config = TrainConfig(model=SMALL, schedule=SCHEDULE, augment=AugmentConfig(covered=0.5))
    batches = TrainingBatches(config, made_faces(), shapes, GREY, CPU)
    assert batches.processes == 0  # the model needs the cores itself
    alone = list(batches.epoch(7, 48))
    batches.processes = 2
    together = list(batches.epoch(7, 48))
    for one, other in zip(alone, together, strict=True):
        torch.testing.assert_close(one.faces, other.faces)
        torch.testing.assert_close(one.visible, other.visible, equal_nan=True)
    assert any((batch.visible < 0.9).any() for batch in alone)
    later = next(iter(batches.epoch(8, 48)))
    assert not torch.equal(later.faces, alone[0].faces)


def test_every_face_comes_once_an_epoch() -> None:
    faces = made_faces()
    config = TrainConfig(model=SMALL, schedule=SCHEDULE, augment=STILL)
    seen = torch.cat([batch.votes for batch in TrainingBatches(config, faces, None, GREY, CPU).epoch(0, 48)])
    expected = torch.from_numpy(vote_distribution(faces.votes))
    torch.testing.assert_close(seen.sum(0), expected.sum(0))
    with pytest.raises(TrainingError, match="fewer than one batch of 64"):
        TrainingBatches(TrainConfig(schedule=ScheduleConfig(batch=64)), faces, None, GREY, CPU)


def test_teachers_answer_with_the_mean_of_their_probabilities(checkpoint: Path) -> None:
    faces = made_faces()
    _, model, normalisation, _ = load_checkpoint(checkpoint)
    expected = predict(model, faces, normalisation)
    pictures = torch.from_numpy(faces.images)[:, None].float() / 255
    for names in ([str(checkpoint)], [str(checkpoint)] * 2):
        np.testing.assert_allclose(Teachers(names, CPU).answers(pictures).numpy(), expected, atol=1e-4)


def test_the_votes_keep_their_share_beside_the_teachers(checkpoint: Path) -> None:
    faces = made_faces()
    plain = TrainConfig(model=SMALL, schedule=SCHEDULE, augment=STILL)
    taught = plain.model_copy(update={"teachers": (str(checkpoint),), "teacher_share": 0.25})
    votes, mixed = (
        next(iter(TrainingBatches(config, faces, None, GREY, CPU).epoch(0, 48))).votes for config in (plain, taught)
    )
    torch.testing.assert_close(mixed.sum(1), torch.ones(16))
    said = (mixed - 0.75 * votes) / 0.25
    assert said.min() > -1e-6
    assert (said - votes).abs().max() > 0.1
