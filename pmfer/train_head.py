"""Training of the visibility head alone, on a finished model of which nothing else changes.

The encoder looks once at every training face, with a cover or without, changed at random. The head then learns from
what the encoder saw, for several epochs: looking is what takes the time. A run that is stopped begins to learn again,
but need not look again.
"""

import time
from dataclasses import dataclass
from pathlib import Path
from typing import cast

import numpy as np
import torch
from rich.progress import track
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from pmfer.augment import Normalisation, normalise
from pmfer.bake import half_precision
from pmfer.checkpoint import AVERAGED_FILE, CHECKPOINT_FILE, checkpoint_head, write_averaged, write_checkpoint
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.covers import REGIONS
from pmfer.datasets import Faces
from pmfer.errors import TrainingError
from pmfer.losses import visibility_loss
from pmfer.model import Pmfer, VisibilityHead
from pmfer.shapes import FaceShapes
from pmfer.train import (
    LOG_FILE,
    append_row,
    changed_faces,
    descend,
    first_model,
    keep_epochs,
    learning_rate_factor,
    moving_average,
    parameter_groups,
    set_rates,
)

LOOKED_FILE = "looked.pt"
BATCH = 128  # faces looked at together


@dataclass(frozen=True)
class Looked:
    """maps: float16 [N, width, H, W] of the encoder, the finest first. visible: float32 [N, R], NaN where unknown."""

    maps: list[Tensor]
    visible: Tensor


def train_head(
    config: TrainConfig, faces: Faces, out: Path, shapes: FaceShapes | None, device: torch.device | None = None
) -> Path:
    """Train the head of a run with `trains = "visibility"`.

    Args:
        config: the run; `start` names the finished model.
        faces: training faces.
        out: folder of `checkpoint.pt`, `averaged.pt`, `metrics.jsonl` (a line per epoch) and `looked.pt`: what the
            encoder saw, 160 kB per face of 48 px, which may be deleted afterwards.
        shapes: what the face mesh says of `faces`.
        device: where to compute; a GPU when there is one.

    Returns:
        Path of the checkpoint. It holds averaged weights alone, and is not trained further.

    Raises:
        TrainingError: there is no start or there are no shapes, or the start is unusable or of another model.
    """
    if shapes is None or config.start is None:
        raise TrainingError(
            "the visibility head is trained on covered faces and a finished model: give start and shapes"
        )
    device = device or torch.device("cuda" if torch.cuda.is_available() else "cpu")
    out.mkdir(parents=True, exist_ok=True)
    torch.manual_seed(config.schedule.seed)
    model, normalisation = first_model(config, faces)
    model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
    key = config.model_copy(update={"schedule": ScheduleConfig(seed=config.schedule.seed)}).model_dump_json()
    looked = _read_looked(out / LOOKED_FILE, key)
    if looked is None:
        looked = look(model, normalisation, faces, shapes, config, device)
        write_checkpoint({"key": key, "maps": looked.maps, "visible": looked.visible}, out / LOOKED_FILE)
    model.requires_grad_(False)
    model.visibility.requires_grad_(True)
    model.visibility.load_state_dict(_learn(model, looked, config.schedule, out / LOG_FILE, device).state_dict())
    head = checkpoint_head(config, normalisation, config.schedule.epochs)
    write_checkpoint(head | {"averaged": model.state_dict()}, out / CHECKPOINT_FILE)
    write_averaged(out / CHECKPOINT_FILE, out / AVERAGED_FILE)
    return out / CHECKPOINT_FILE


@torch.no_grad()
def look(
    model: Pmfer,
    normalisation: Normalisation,
    faces: Faces,
    shapes: FaceShapes,
    config: TrainConfig,
    device: torch.device,
) -> Looked:
    """Cover and change every face once, and have the encoder look at it.

    Args:
        model: whose encoder looks.
        normalisation: of its pictures.
        faces: training faces.
        shapes: what the face mesh says of them.
        config: `augment`, `size_px` and the seed.
        device: where the model is.
    """
    seed = config.schedule.seed
    dice, cover_dice = torch.Generator().manual_seed(seed), np.random.default_rng(seed)
    model.eval()
    maps: list[Tensor] = []
    seen = torch.full((len(faces), len(REGIONS)), torch.nan)
    for begin in track(range(0, len(faces), BATCH), "looking at faces"):
        rows = np.arange(begin, min(begin + BATCH, len(faces)))
        pictures, visible = changed_faces(
            torch.from_numpy(faces.images[rows]), shapes.of(rows), config.augment, config.size_px, dice, cover_dice
        )
        batch = normalise(pictures, normalisation).to(device, memory_format=torch.channels_last)
        with half_precision(device):
            found = model.image_encoder.maps_of(batch)
        maps = maps or [torch.empty(len(faces), *one.shape[1:], dtype=torch.float16) for one in found]
        for kept, one in zip(maps, found, strict=True):
            kept[rows] = one.half().cpu()
        seen[rows] = torch.from_numpy(visible)
    return Looked(maps, seen)


def _read_looked(path: Path, key: str) -> Looked | None:
    """What an earlier run of the same faces, changes and weights saw."""
    if not path.exists():
        return None
    content = torch.load(path, map_location="cpu", weights_only=True, mmap=True)
    return Looked(content["maps"], content["visible"]) if content["key"] == key else None


def _learn(model: Pmfer, looked: Looked, schedule: ScheduleConfig, log: Path, device: torch.device) -> VisibilityHead:
    """The head with averaged weights."""
    torch.manual_seed(schedule.seed)  # dropout
    dice = torch.Generator().manual_seed(schedule.seed)
    averaged = AveragedModel(model.visibility, avg_fn=moving_average(schedule.ema), use_buffers=True)
    optimiser = torch.optim.AdamW(parameter_groups(model, schedule), fused=True)
    rates = [group["lr"] for group in optimiser.param_groups]
    steps = len(looked.visible) // schedule.batch
    if steps == 0:
        raise TrainingError(f"{len(looked.visible)} training faces are fewer than one batch of {schedule.batch}")
    keep_epochs(log, 0)
    model.visibility.train()
    for epoch in range(schedule.epochs):
        began, total = time.monotonic(), 0.0
        order = torch.randperm(len(looked.visible), generator=dice)[: steps * schedule.batch]
        for step, rows in enumerate(track(torch.split(order, schedule.batch), f"epoch {epoch + 1}/{schedule.epochs}")):
            factor = learning_rate_factor((epoch + step / steps) / schedule.epochs, schedule.warmup)
            set_rates(optimiser, rates, factor)
            maps = [one[rows].float().to(device) for one in looked.maps]
            loss = visibility_loss(model.visibility(maps), looked.visible[rows].to(device))
            descend(loss, model.visibility, optimiser, averaged)
            total += loss.item()
        append_row(log, {"epoch": epoch + 1, "visibility": total / steps, "seconds": time.monotonic() - began})
    return cast(VisibilityHead, averaged.module)
