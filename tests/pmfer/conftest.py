from pathlib import Path

import pytest
import torch
from made_once import made_once
from pmfer_faces import write_ferplus
from small_model import SMALL

from pmfer.checkpoint import CHECKPOINT_FILE
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.datasets import read_ferplus
from pmfer.train import train

TINY = TrainConfig(
    name="tiny",
    model=SMALL,
    schedule=ScheduleConfig(epochs=1, batch=8, sizes_px=((0.0, 32),)),
)


@pytest.fixture(scope="session")
def ferplus(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A FERPlus file of noise with all three splits."""
    path = tmp_path_factory.mktemp("ferplus") / "faces.parquet"
    write_ferplus(path, train=16, valid=8, test=8)
    return path


@pytest.fixture(scope="session")
def checkpoint(ferplus: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A complete checkpoint after two steps, which has learnt nothing. Tests must not change it."""

    def make(out: Path) -> None:
        train(TINY, read_ferplus(ferplus, "train"), read_ferplus(ferplus, "valid"), out, device=torch.device("cpu"))

    return made_once(tmp_path_factory, "checkpoint", make) / CHECKPOINT_FILE
