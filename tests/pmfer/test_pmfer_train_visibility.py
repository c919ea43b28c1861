"""The visibility head can be trained alone: it learns what is covered, and the rest of the model is unchanged."""

from pathlib import Path

import numpy as np
import pytest
import torch
from pmfer_faces import made_faces
from small_model import SMALL

from pmfer.checkpoint import AVERAGED_FILE, load_checkpoint
from pmfer.config import AugmentConfig, ScheduleConfig, TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import TrainingError
from pmfer.landmarks import POINTS
from pmfer.prompts import AU_COUNT
from pmfer.shapes import FaceShapes
from pmfer.train import LOG_FILE, read_log, train

SCHEDULE = ScheduleConfig(epochs=2, batch=8, sizes_px=((0.0, 32),))
CPU = torch.device("cpu")


@pytest.fixture(scope="module")
def shapes() -> FaceShapes:
    rng = np.random.default_rng(0)
    placed = rng.uniform(0.2, 0.8, (32, POINTS, 2)).astype(np.float32)
    return FaceShapes(np.zeros((32, AU_COUNT), np.float32), placed, np.zeros(32, np.float32), np.ones(32, bool))


@pytest.fixture(scope="module")
def finished(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A model after its first training."""
    config = TrainConfig(model=SMALL, schedule=SCHEDULE)
    return train(config, made_faces(), made_faces(), tmp_path_factory.mktemp("finished"), device=CPU)


def head_config(start: Path, epochs: int = 3) -> TrainConfig:
    return TrainConfig(
        model=SMALL,
        start=str(start),
        trains="visibility",
        augment=AugmentConfig(covered=0.6, compressed=0.5),
        schedule=SCHEDULE.model_copy(update={"epochs": epochs}),
    )


def test_only_the_head_changes(finished: Path, shapes: FaceShapes, tmp_path: Path) -> None:
    config = head_config(finished)
    trained = train(config, made_faces(), made_faces(), tmp_path, shapes, CPU)
    _, before, normalisation, _ = load_checkpoint(finished)
    read, after, kept, epochs = load_checkpoint(trained)
    assert (read, kept, epochs) == (config, normalisation, 3)
    weights = after.state_dict()
    for name, weight in before.state_dict().items():
        if name.startswith("visibility."):
            continue
        assert torch.equal(weight, weights[name]), name
    assert not torch.equal(before.visibility.read[2].weight, after.visibility.read[2].weight)
    assert [row["epoch"] for row in read_log(tmp_path / LOG_FILE)] == [1, 2, 3]
    load_checkpoint(tmp_path / AVERAGED_FILE)


def test_it_needs_a_finished_model_and_shapes(shapes: FaceShapes, finished: Path, tmp_path: Path) -> None:
    faces: Faces = made_faces()
    with pytest.raises(TrainingError, match="give start"):
        train(TrainConfig(model=SMALL, trains="visibility"), faces, faces, tmp_path, shapes, CPU)
    with pytest.raises(TrainingError, match="give start"):
        train(head_config(finished), faces, faces, tmp_path, None, CPU)
