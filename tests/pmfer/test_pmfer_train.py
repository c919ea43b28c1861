"""Training on small synthetic faces: a run can be stopped, resumed, and started from another one."""

import shutil
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
import torch
from pmfer_faces import made_faces
from small_model import SMALL

from pmfer.checkpoint import AVERAGED_FILE, load_checkpoint
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import TrainingError
from pmfer.landmarks import POINTS
from pmfer.prompts import (
    AU_COUNT,
)
from pmfer.shapes import FaceShapes
from pmfer.train import LOG_FILE, read_log, train

CONFIG = TrainConfig(model=SMALL, schedule=ScheduleConfig(epochs=2, batch=16, sizes_px=((0.0, 32),)))


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The checkpoint of an uninterrupted run of CONFIG. Tests must not change it."""
    faces = made_faces()
    return train(CONFIG, faces, faces, tmp_path_factory.mktemp("whole"), device=torch.device("cpu"))


def test_a_run_that_was_stopped_ends_like_an_undisturbed_one(
    whole: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    faces = made_faces()

    class StoppedError(Exception):
        pass

    import pmfer.train as module

    parts = tmp_path / "parts"
    original = module._Run.epoch
    calls = []

    def one_epoch(self: module._Run, epoch: int, advance: object) -> dict[str, float]:
        if calls:
            raise StoppedError
        calls.append(epoch)
        return original(self, epoch, advance)  # type: ignore[arg-type]

    monkeypatch.setattr(module._Run, "epoch", one_epoch)
    with pytest.raises(StoppedError):
        train(CONFIG, faces, faces, parts, device=torch.device("cpu"))
    monkeypatch.undo()
    resumed = train(CONFIG, faces, faces, parts, device=torch.device("cpu"))
    _, first, _, epochs = load_checkpoint(whole)
    _, second, _, _ = load_checkpoint(resumed)
    assert epochs == 2
    for name, tensor in first.state_dict().items():
        torch.testing.assert_close(tensor, second.state_dict()[name], msg=name)


def test_a_run_is_not_continued_on_other_faces(whole: Path, tmp_path: Path) -> None:
    faces = made_faces()
    shutil.copy(whole, tmp_path)
    assert train(CONFIG, faces, faces, tmp_path, device=torch.device("cpu")) == tmp_path / whole.name
    relabelled = replace(faces, votes=faces.votes[::-1].copy())
    with pytest.raises(TrainingError, match="was trained on other faces"):
        train(CONFIG, relabelled, faces, tmp_path, device=torch.device("cpu"))


def test_a_run_with_shapes_covers_its_faces_and_learns_from_both(tmp_path: Path) -> None:
    faces, rng = made_faces(), np.random.default_rng(0)
    seen = rng.normal(0, 1, (32, AU_COUNT)).astype(np.float32)
    seen[::4] = np.nan
    placed = rng.uniform(0.2, 0.8, (32, POINTS, 2)).astype(np.float32)
    shapes = FaceShapes(seen, placed, np.full(32, 10, np.float32), np.arange(32) % 4 > 0)
    together = CONFIG.model_copy(update={"schedule": ScheduleConfig(epochs=2, batch=32, sizes_px=((0.0, 32),))})
    train(together, faces, faces, tmp_path, shapes, device=torch.device("cpu"))
    for row in read_log(tmp_path / LOG_FILE):
        assert 0 < (row["deviation"] or 0) < 2
        assert 0 < (row["visibility"] or 0) < 5


def test_a_run_can_start_from_the_weights_of_another(whole: Path, tmp_path: Path) -> None:
    faces = made_faces()
    still = ScheduleConfig(epochs=1, batch=16, sizes_px=((0.0, 32),), learning_rate=1e-12, seed=7)
    tuned = CONFIG.model_copy(update={"start": str(whole), "schedule": still})
    brighter = Faces(faces.images // 2 + 128, faces.votes, {})
    second = train(tuned, brighter, brighter, tmp_path / "second", device=torch.device("cpu"))
    _, before, normalisation, _ = load_checkpoint(whole)
    _, after, kept, epochs = load_checkpoint(second)
    assert (kept, epochs) == (normalisation, 1)
    for name, parameter in before.named_parameters():
        torch.testing.assert_close(dict(after.named_parameters())[name], parameter)
    _, light, _, done = load_checkpoint(whole.with_name(AVERAGED_FILE))
    assert done == 2
    for name, parameter in before.named_parameters():
        torch.testing.assert_close(dict(light.named_parameters())[name], parameter, atol=1e-3, rtol=1e-3)
