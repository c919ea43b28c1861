"""Training: epochs, averaged weights, a checkpoint after each epoch, and resuming from it.

All randomness of an epoch comes from generators seeded by (seed, epoch), so a run that was killed and resumed sees the
same faces, augmentations and prompts as an uninterrupted one.

The log, `metrics.jsonl`, has one JSON object per epoch, written before the epoch's checkpoint. A resumed run keeps the
lines of the epochs in its checkpoint and drops the rest, so every epoch is in the log once, no matter when the run was
killed.
"""

import json
import math
import random
import time
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import partial
from pathlib import Path
from typing import Any, cast

import torch
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.nn.attention import SDPBackend, sdpa_kernel
from torch.optim.swa_utils import AveragedModel

from pmfer.augment import Normalisation
from pmfer.bake import half_precision, predict
from pmfer.batches import TrainingBatches
from pmfer.checkpoint import (
    AVERAGED_FILE,
    CHECKPOINT_FILE,
    blend_with_start,
    build_model,
    checkpoint_head,
    load_checkpoint,
    read_checkpoint,
    write_averaged,
    write_checkpoint,
)
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.datasets import Faces, argmax_label, strict_label
from pmfer.datasets.load import pixel_statistics
from pmfer.errors import TrainingError
from pmfer.losses import Batch, StepLosses, compute_losses, visibility_loss
from pmfer.metrics import accuracy
from pmfer.model import Pmfer
from pmfer.plots import CURVES_FILE, Row, draw_curves
from pmfer.shapes import FaceShapes

_Tensors = tuple[Tensor, ...] | list[Tensor]

LOG_FILE = "metrics.jsonl"
CURVES_EVERY_S = 60.0  # for small runs, drawing the curves takes longer than an epoch


def train(
    config: TrainConfig,
    faces: Faces,
    valid: Faces,
    out: Path,
    shapes: FaceShapes | None = None,
    device: torch.device | None = None,
) -> Path:
    """Train a model, or resume from the checkpoint in `out`.

    Args:
        config: the run.
        faces: training faces, without those that have no usable vote.
        valid: faces on which progress is measured; they are not trained on.
        out: folder for `checkpoint.pt`, `averaged.pt`, `metrics.jsonl` (a line per epoch) and `curves.png` (drawn at
            most once a minute, and at the end).
        shapes: shapes of `faces` by the face mesh; None: phrase targets follow from the votes alone, and no face is
            covered.
        device: where to compute; None: the GPU if there is one.

    Returns:
        Path of the checkpoint.

    Raises:
        TrainingError: `out` holds a checkpoint of another configuration or other faces; `config.start` is unusable or
            of another model; only the visibility head is to be trained, but there is no start or there are no shapes;
            or the loss is no longer finite.
        ConfigurationError: CLIP's checkpoint is unusable.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(config, faces, shapes, device or torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    checkpoint = out / CHECKPOINT_FILE
    start = run.load(checkpoint) if checkpoint.exists() else 0
    keep_epochs(out / LOG_FILE, start)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    drawn = time.monotonic()
    with Progress(*columns) as progress, _steady_kernels():
        for epoch in range(start, config.schedule.epochs):
            began = time.monotonic()
            task = progress.add_task(f"epoch {epoch + 1}/{config.schedule.epochs}", total=len(run.batches))
            row: dict[str, float | None] = {"epoch": epoch + 1}
            row |= run.epoch(epoch, partial(progress.advance, task))
            row |= validate(run.averaged_model, valid, run.normalisation)
            row["learning_rate"] = run.optimiser.param_groups[0]["lr"]
            row["seconds"] = time.monotonic() - began
            append_row(out / LOG_FILE, row)  # before the checkpoint: if killed in between, resuming drops the line
            run.save(checkpoint, epoch + 1)
            write_averaged([checkpoint], out / AVERAGED_FILE)
            if epoch + 1 == config.schedule.epochs or time.monotonic() - drawn > CURVES_EVERY_S:
                draw_curves(read_log(out / LOG_FILE), out / CURVES_FILE)
                drawn = time.monotonic()
            progress.update(task, description=f"epoch {epoch + 1}, valid {row['valid_strict'] or 0:.1%}")
    return checkpoint


@contextmanager
def _steady_kernels() -> Iterator[None]:
    """Select kernels for prompts whose length changes with every step, and faces whose size hardly ever changes.

    cuDNN plans its attention anew for each length: without it, a step on an H200 took 89 ms instead of 164.
    """
    others = [SDPBackend.FLASH_ATTENTION, SDPBackend.EFFICIENT_ATTENTION, SDPBackend.MATH]
    with torch.backends.cudnn.flags(enabled=True, benchmark=True), sdpa_kernel(others):
        yield


def validate(model: Pmfer, valid: Faces, normalisation: Normalisation) -> dict[str, float | None]:
    """Strict and argmax accuracy on `valid`."""
    answers = predict(model, valid, normalisation)
    return {
        "valid_strict": accuracy(answers, strict_label(valid.votes)),
        "valid_argmax": accuracy(answers, argmax_label(valid.votes)),
    }


class _Run:
    """State of a run: model, optimiser, averaged weights and data."""

    def __init__(self, config: TrainConfig, faces: Faces, shapes: FaceShapes | None, device: torch.device) -> None:
        self.config, self.device = config, device
        self.faces_sha256 = faces.labels_sha256()
        torch.manual_seed(config.schedule.seed)
        self.model, self.normalisation = first_model(config, faces)
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        self.trained: torch.nn.Module = self.model
        if config.trains == "visibility":
            if shapes is None or config.start is None:
                raise TrainingError(
                    "the visibility head is trained on covered faces and a finished model: give start and shapes"
                )
            self.model.requires_grad_(False)
            self.trained = self.model.visibility.requires_grad_(True)
        self.averaged = AveragedModel(self.model, multi_avg_fn=_moving_average(config.schedule.ema), use_buffers=True)
        self.batches = TrainingBatches(config, faces, shapes, self.normalisation, device)
        self.optimiser = torch.optim.AdamW(_parameter_groups(self.model, config.schedule), fused=True)
        self.peak_rates = [group["lr"] for group in self.optimiser.param_groups]

    @property
    def averaged_model(self) -> Pmfer:
        """The model with the averaged weights."""
        return cast(Pmfer, self.averaged.module)

    def epoch(self, epoch: int, advance: Callable[[], None]) -> dict[str, float]:
        """Train for one pass over the faces and return the mean losses.

        Raises:
            TrainingError: the loss is no longer finite.
        """
        schedule = self.config.schedule
        seed = schedule.seed * 100_003 + epoch
        text_rng = random.Random(seed)
        torch.manual_seed(seed)  # dropout
        size_px = size_at(schedule.sizes_px, epoch / schedule.epochs)
        self.model.eval()  # frozen parts keep their batch statistics as well
        self.trained.train()
        sums: dict[str, Tensor] = {}
        for step, batch in enumerate(self.batches.epoch(seed, size_px)):
            progress = (epoch + step / len(self.batches)) / schedule.epochs
            _set_rates(self.optimiser, self.peak_rates, _learning_rate_factor(progress, schedule.warmup))
            for name, value in self._step(batch, progress, text_rng).items():
                sums[name] = sums.get(name, torch.zeros_like(value)) + value
            advance()
        means = {name: value.item() / len(self.batches) for name, value in sums.items()}
        if not all(math.isfinite(mean) for mean in means.values()):
            raise TrainingError(f"the loss is no longer finite in epoch {epoch + 1}; lower learning_rate")
        return means

    def _step(self, batch: Batch, progress: float, rng: random.Random) -> dict[str, Tensor]:
        with half_precision(self.device):
            losses = self._losses(batch, progress, rng)
        _optimise(losses.total, self.model, self.optimiser, self.averaged)
        return losses.parts

    def _losses(self, batch: Batch, progress: float, rng: random.Random) -> StepLosses:
        if self.trained is self.model:
            return compute_losses(self.model, batch, self.config.loss, progress, rng)
        loss = visibility_loss(self.model.visibility(self.model.image_encoder.maps_of(batch.faces)), batch.visible)
        return StepLosses(loss, {"visibility": loss.detach()})

    def save(self, path: Path, epochs_done: int) -> None:
        """Write the checkpoint atomically."""
        content = checkpoint_head(self.config, self.normalisation, epochs_done) | {
            "faces_sha256": self.faces_sha256,
            "model": self.model.state_dict(),
            "averaged": self.averaged.module.state_dict(),
            "averaged_steps": self.averaged.n_averaged,
            "optimiser": self.optimiser.state_dict(),
        }
        write_checkpoint(content, path)

    def load(self, path: Path) -> int:
        """Resume from a checkpoint and return the number of epochs done.

        Raises:
            TrainingError: it is unusable, or belongs to another configuration or other faces.
        """
        content = read_checkpoint(path)
        if TrainConfig.model_validate(content["config"]) != self.config:
            raise TrainingError(f"{path}: belongs to another configuration; choose another --out or remove it")
        if content.get("faces_sha256", self.faces_sha256) != self.faces_sha256:  # older checkpoints do not say
            raise TrainingError(f"{path}: was trained on other faces; choose another --out or remove it")
        if "optimiser" not in content:
            raise TrainingError(f"{path}: holds only averaged weights; name it as `start` of a new run")
        self.model.load_state_dict(content["model"])
        self.averaged.module.load_state_dict(content["averaged"])
        self.averaged.n_averaged.copy_(content["averaged_steps"])
        self.optimiser.load_state_dict(content["optimiser"])
        return int(content["epochs_done"])


def first_model(config: TrainConfig, faces: Faces) -> tuple[Pmfer, Normalisation]:
    """The initial model and normalisation of a run: the averaged model of `config.start`, or a new one.

    Raises:
        TrainingError: `config.start` is unusable, or was trained with another back-end, size or model.
        ConfigurationError: CLIP's checkpoint is unusable.
    """
    if config.start is None:
        model = build_model(config)
        return model, model.normalisation or measured_normalisation(faces)
    begun, model, normalisation, _ = load_checkpoint(Path(config.start))
    for key in ("backend", "size_px", "model"):
        if getattr(begun, key) != getattr(config, key):
            raise TrainingError(f"{config.start}: trained with another {key}; use the same in this configuration")
    if config.start_share:
        blend_with_start(model, begun, config.start_share)
    return model, normalisation


def size_at(sizes_px: tuple[tuple[float, int], ...], progress: float) -> int:
    """Side of the training faces after this share of the run: that of the last entry that has begun."""
    return [side for begin, side in sizes_px if begin <= progress][-1]


def measured_normalisation(faces: Faces) -> Normalisation:
    """Measure the normalisation of grey faces, to four decimals."""
    mean, std = pixel_statistics(faces.images)
    return Normalisation((round(mean, 4),), (round(std, 4),))


def read_log(path: Path) -> list[Row]:
    """The epochs of a log in order; an empty list if there is no log.

    A line that is not a JSON object with an `epoch` was cut off when the run was killed, and is ignored. If an epoch is
    there twice, the later line counts.
    """
    if not path.exists():
        return []
    rows: dict[int, Row] = {}
    for line in path.read_text(encoding="utf-8", errors="replace").splitlines():
        try:
            row = json.loads(line)
            rows[int(row["epoch"])] = row
        except (ValueError, KeyError, TypeError):
            continue
    return [rows[epoch] for epoch in sorted(rows)]


def append_row(path: Path, row: Row) -> None:
    """Append one epoch's line; values are rounded to six significant digits."""
    with path.open("a", encoding="utf-8") as log:
        log.write(_line(row))


def keep_epochs(path: Path, epochs_done: int) -> None:
    """Keep only the lines of the first `epochs_done` epochs. The file is replaced atomically."""
    kept = [row for row in read_log(path) if (row["epoch"] or 0) <= epochs_done]
    temporary = path.with_suffix(".tmp")
    temporary.write_text("".join(_line(row) for row in kept), encoding="utf-8")
    temporary.replace(path)


def _line(row: Row) -> str:
    return json.dumps({k: float(f"{v:.6g}") if isinstance(v, float) else v for k, v in row.items()}) + "\n"


def _parameter_groups(model: Pmfer, schedule: ScheduleConfig) -> list[dict[str, Any]]:
    """Trained parameters grouped by weight decay and peak learning rate, new ones before pretrained ones.

    Weight decay applies to parameters with two dimensions or more (matrices, kernels, embeddings, positions), not to
    biases, norms and temperatures.
    """
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((model.is_pretrained(name), parameter.ndim < 2), []).append(parameter)
    return [
        {
            "params": groups[pretrained, is_vector],
            "weight_decay": 0.0 if is_vector else schedule.weight_decay,
            "lr": schedule.learning_rate * (model.pretrained_rate if pretrained else 1.0),
        }
        for pretrained, is_vector in sorted(groups)
    ]


def _moving_average(decay: float) -> Callable[[_Tensors, _Tensors, Tensor | int], None]:
    """Exponential moving average whose decay rises to `decay`, so that the first steps lose their weight soon.

    The average is updated in place, for all tensors of one type at once.
    """

    def update(averages: _Tensors, currents: _Tensors, steps: Tensor | int) -> None:
        n = float(steps)
        weight = 1 - min(decay, (1 + n) / (10 + n))
        if torch.is_floating_point(averages[0]):
            torch._foreach_lerp_(averages, currents, weight)
            return
        for average, current in zip(averages, currents, strict=True):  # such as the batch counts of BatchNorm
            average.copy_(torch.lerp(average.float(), current.float(), weight))

    return update


def _learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear warm-up to 1, then cosine decay to 0 (Loshchilov and Hutter, 2017)."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def _set_rates(optimiser: torch.optim.Optimizer, peaks: Sequence[float], factor: float) -> None:
    """Set the learning rates of the parameter groups to their peaks times a factor."""
    for group, peak in zip(optimiser.param_groups, peaks, strict=True):
        group["lr"] = peak * factor


def _optimise(loss: Tensor, model: torch.nn.Module, optimiser: torch.optim.Optimizer, averaged: AveragedModel) -> None:
    """Take one optimiser step on the parameters of `model` and update their moving average."""
    optimiser.zero_grad(set_to_none=True)
    loss.backward()  # type: ignore[no-untyped-call]
    torch.nn.utils.clip_grad_norm_(model.parameters(), 5.0)
    optimiser.step()
    averaged.update_parameters(model)
