"""Training: epochs, averaged weights, a checkpoint after each epoch, and resuming from it.

All randomness of an epoch comes from generators seeded by (seed, epoch), so a run that was killed and resumed sees the
same faces, changes and prompts as an undisturbed one.
"""

import math
import pickle
import random
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any, cast

import numpy as np
import numpy.typing as npt
import torch
from pydantic import ValidationError
from rich.progress import BarColumn, MofNCompleteColumn, Progress, TextColumn, TimeRemainingColumn
from torch import Tensor
from torch.optim.swa_utils import AveragedModel

from pmfer.augment import Normalisation, augment, normalise, plain
from pmfer.bake import InferenceModel, bake
from pmfer.build import build_model
from pmfer.bundle import CARD_FILE, WEIGHTS_FILE
from pmfer.config import ScheduleConfig, TrainConfig
from pmfer.covers import REGIONS, cover_faces
from pmfer.curves import CURVES_FILE, draw_curves
from pmfer.datasets import Faces, argmax_label, strict_label, vote_distribution
from pmfer.datasets.load import pixel_statistics
from pmfer.errors import TrainingError
from pmfer.geometry import au_probability_table, phrase_targets
from pmfer.landmark_file import FaceShapes
from pmfer.losses import Batch, compute_losses
from pmfer.metrics import accuracy
from pmfer.model import Pmfer
from pmfer.prompts import prompt_set_sha256
from pmfer.train_log import LOG_FILE, append_row, keep_epochs, read_log

CHECKPOINT_FILE = "checkpoint.pt"
AVERAGED_FILE = "averaged.pt"  # what later runs start from, an eighth as large
PIXELS_AT_ONCE = 512 * 48 * 48  # of the faces that are predicted together


def train(
    config: TrainConfig,
    faces: Faces,
    valid: Faces,
    out: Path,
    shapes: FaceShapes | None = None,
    device: torch.device | None = None,
) -> Path:
    """Train, or go on where the checkpoint in `out` stopped.

    Args:
        config: the run.
        faces: training faces, those without a usable vote already left out.
        valid: faces to watch progress on; nothing is learnt from them.
        out: folder of `checkpoint.pt`, `averaged.pt`, `metrics.jsonl` (a line per epoch) and `curves.png`.
        shapes: what the face mesh says of `faces`; None: phrases follow the votes alone, and no face is covered.
        device: where to compute; a GPU when there is one.

    Returns:
        Path of the checkpoint.

    Raises:
        TrainingError: `out` holds a checkpoint of another configuration, that of `config.start` is unusable or of
            another model, or the loss is no longer finite.
        ConfigurationError: CLIP's checkpoint is unusable.
    """
    out.mkdir(parents=True, exist_ok=True)
    run = _Run(config, faces, shapes, device or torch.device("cuda" if torch.cuda.is_available() else "cpu"))
    checkpoint = out / CHECKPOINT_FILE
    start = run.load(checkpoint) if checkpoint.exists() else 0
    keep_epochs(out / LOG_FILE, start)
    columns = (TextColumn("{task.description}"), BarColumn(), MofNCompleteColumn(), TimeRemainingColumn())
    with Progress(*columns) as progress:
        for epoch in range(start, config.schedule.epochs):
            began = time.monotonic()
            task = progress.add_task(f"epoch {epoch + 1}/{config.schedule.epochs}", total=run.steps_per_epoch)
            row: dict[str, float | None] = {"epoch": epoch + 1}
            row |= run.epoch(epoch, partial(progress.advance, task))
            row |= validate(run.averaged_model, valid, run.normalisation)
            row["learning_rate"] = run.optimiser.param_groups[0]["lr"]
            row["seconds"] = time.monotonic() - began
            append_row(out / LOG_FILE, row)  # before the checkpoint: what a kill in between leaves is dropped again
            run.save(checkpoint, epoch + 1)
            write_averaged(checkpoint, out / AVERAGED_FILE)
            draw_curves(read_log(out / LOG_FILE), out / CURVES_FILE)
            progress.update(task, description=f"epoch {epoch + 1}, valid {row['valid_strict'] or 0:.1%}")
    return checkpoint


@torch.no_grad()
def predict_scores(
    model: Pmfer, images: npt.NDArray[np.uint8], normalisation: Normalisation
) -> tuple[npt.NDArray[np.float32], npt.NDArray[np.float32]]:
    """Class probabilities float32 [N, E] and phrase scores [N, A] of the model with its text side baked, undecided."""
    inference = InferenceModel(model, bake(model, model.tokenizer))
    device = model.log_scale.device
    expressions, phrases = [], []
    for part in torch.split(torch.from_numpy(images), max(1, PIXELS_AT_ONCE // model.size_px**2)):
        pictures = normalise(plain(part, model.size_px), normalisation)
        with half_precision(device):
            scores = inference(pictures.to(device, memory_format=torch.channels_last))
        expressions.append(scores[0].float().cpu())
        phrases.append(scores[1].float().cpu())
    return torch.cat(expressions).numpy(), torch.cat(phrases).numpy()


def predict(model: Pmfer, faces: Faces, normalisation: Normalisation) -> npt.NDArray[np.float32]:
    """Class probabilities float32 [N, E], without flip averaging."""
    return predict_scores(model, faces.images, normalisation)[0]


def half_precision(device: torch.device) -> torch.autocast:
    """Autocast to bfloat16 where the processor computes in it; elsewhere it is emulated and ten times slower."""
    able = device.type != "cpu" or torch.cpu._is_avx512_bf16_supported() or torch.cpu._is_amx_tile_supported()
    return torch.autocast(device.type, torch.bfloat16, enabled=able)


def predict_both_ways(model: Pmfer, faces: Faces, normalisation: Normalisation) -> npt.NDArray[np.float32]:
    """Class probabilities float32 [N, E], each face averaged with its mirror image."""
    mirrored = replace(faces, images=np.ascontiguousarray(faces.images[:, :, ::-1]))
    views = [predict(model, one, normalisation) for one in (faces, mirrored)]
    return np.asarray(np.mean(views, axis=0), dtype=np.float32)


def validate(model: Pmfer, valid: Faces, normalisation: Normalisation) -> dict[str, float | None]:
    """Strict and argmax accuracy on `valid`."""
    answers = predict(model, valid, normalisation)
    return {
        "valid_strict": accuracy(answers, strict_label(valid.votes)),
        "valid_argmax": accuracy(answers, argmax_label(valid.votes)),
    }


def load_checkpoint(path: Path) -> tuple[TrainConfig, Pmfer, Normalisation, int]:
    """The configuration, the averaged model, the normalisation and the epochs done of a checkpoint.

    Raises:
        TrainingError: the file is missing, no checkpoint, or was trained with other prompts or another form of model.
        ConfigurationError: the CLIP that it started from is no longer where it was.
    """
    content = _read(path)
    try:
        config = TrainConfig.model_validate(content["config"])
        model = build_model(config)
        model.load_state_dict(content["averaged"])
    except (ValidationError, RuntimeError):
        raise TrainingError(
            f"{path}: made by another release, whose model has other parts; train again or use that release"
        ) from None
    return config, model.eval(), _read_normalisation(content["normalisation"]), content["epochs_done"]


def write_averaged(checkpoint: Path, out: Path) -> None:
    """Write the averaged weights of a checkpoint alone, in half precision: to start from, to export, to hand on.

    Raises:
        TrainingError: the checkpoint is unusable.
    """
    content = _read(checkpoint)
    kept = {key: content[key] for key in ("config", "prompt_set_sha256", "normalisation", "epochs_done")}
    averaged = {name: t.half() if t.is_floating_point() else t for name, t in content["averaged"].items()}
    _write({**kept, "averaged": averaged}, out)


def _write(content: dict[str, Any], path: Path) -> None:
    """Save, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)


def _read_normalisation(content: dict[str, Any]) -> Normalisation:
    """From a list per channel, or one number as checkpoints of grey models had it before there were others."""
    mean, std = (np.atleast_1d(content[key]).tolist() for key in ("mean", "std"))
    return Normalisation(tuple(mean), tuple(std))


def _read(path: Path) -> dict[str, Any]:
    if (path / CARD_FILE).is_file() or path.name in (CARD_FILE, WEIGHTS_FILE):
        raise TrainingError(
            f"{path}: a bundle, whose text side is baked into its graph; give the checkpoint.pt it was exported from"
        )
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except (OSError, RuntimeError, ValueError, pickle.UnpicklingError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: not a checkpoint ({reason}); train again or name another") from None
    if not isinstance(content, dict) or content.get("prompt_set_sha256") != prompt_set_sha256():
        raise TrainingError(f"{path}: trained with other prompts than this release has; train again")
    return content


class _Run:
    """State of a run: model, optimiser, averaged weights, data."""

    def __init__(self, config: TrainConfig, faces: Faces, shapes: FaceShapes | None, device: torch.device) -> None:
        self.config, self.device = config, device
        torch.manual_seed(config.schedule.seed)
        self.model, self.normalisation = _first_model(config, faces)
        self.model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
        self.averaged = AveragedModel(self.model, avg_fn=moving_average(config.schedule.ema), use_buffers=True)
        self.images = torch.from_numpy(faces.images)
        votes = vote_distribution(faces.votes)
        self.votes = torch.from_numpy(votes)
        self.shapes = shapes
        self.targets = phrase_targets(votes, au_probability_table(), shapes.evidence if shapes else None)
        self.steps_per_epoch = len(faces) // config.schedule.batch
        if self.steps_per_epoch == 0:
            raise TrainingError(f"{len(faces)} training faces are fewer than one batch of {config.schedule.batch}")
        self.optimiser = torch.optim.AdamW(_parameter_groups(self.model, config.schedule), fused=True)
        self.peak_rates = [group["lr"] for group in self.optimiser.param_groups]

    @property
    def averaged_model(self) -> Pmfer:
        """The model with the averaged weights."""
        return cast(Pmfer, self.averaged.module)

    def epoch(self, epoch: int, advance: Callable[[], None]) -> dict[str, float]:
        """One pass over the faces; returns mean losses."""
        schedule = self.config.schedule
        seed = schedule.seed * 100_003 + epoch
        order_dice, text_dice = torch.Generator().manual_seed(seed), random.Random(seed)
        cover_dice = np.random.default_rng(seed)
        torch.manual_seed(seed)  # dropout
        size_px = size_at(schedule.sizes_px, epoch / schedule.epochs)
        self.model.train()
        sums: dict[str, float] = {}
        for step, chosen in enumerate(self._batches(order_dice)):
            progress = (epoch + step / self.steps_per_epoch) / schedule.epochs
            for group, peak in zip(self.optimiser.param_groups, self.peak_rates, strict=True):
                group["lr"] = peak * learning_rate_factor(progress, schedule.warmup)
            parts = self._step(self._batch(chosen, size_px, order_dice, cover_dice), progress, text_dice)
            for name, value in parts.items():
                sums[name] = sums.get(name, 0.0) + value
            advance()
        return {name: value / self.steps_per_epoch for name, value in sums.items()}

    def _batch(self, chosen: Tensor, size_px: int, dice: torch.Generator, cover_dice: np.random.Generator) -> Batch:
        rows, config = chosen.numpy(), self.config.augment
        faces = self.images[rows].float() / 255
        roll, visible = torch.zeros(len(rows)), np.full((len(rows), len(REGIONS)), np.nan, np.float32)
        if self.shapes:
            covered, visible = cover_faces(faces.numpy(), self.shapes.placed[rows], config.covered, cover_dice)
            # Where the mesh finds no face something may hide it already.
            visible[~self.shapes.found[rows][:, None] & (visible == 1)] = np.nan
            faces, roll = torch.from_numpy(covered), torch.from_numpy(self.shapes.roll_deg[rows])
        pictures = normalise(augment(faces, roll, config, size_px, dice), self.normalisation)
        rest = (self.targets.shown[rows], self.targets.deviation[rows], visible)
        return Batch(
            pictures.to(self.device, memory_format=torch.channels_last),
            self.votes[chosen].to(self.device),
            *(torch.from_numpy(values).to(self.device) for values in rest),
        )

    def _step(self, batch: Batch, progress: float, dice: random.Random) -> dict[str, float]:
        with half_precision(self.device):
            losses = compute_losses(self.model, self.model.tokenizer, batch, self.config.loss, progress, dice)
        if not math.isfinite(losses.total.item()):
            raise TrainingError(f"the loss is no longer finite at {progress:.1%} of the run; lower learning_rate")
        self.optimiser.zero_grad(set_to_none=True)
        losses.total.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), 5.0)
        self.optimiser.step()
        self.averaged.update_parameters(self.model)
        return losses.parts

    def _batches(self, dice: torch.Generator) -> Iterator[Tensor]:
        order = torch.randperm(len(self.images), generator=dice)
        batch = self.config.schedule.batch
        return iter(torch.split(order[: self.steps_per_epoch * batch], batch))

    def save(self, path: Path, epochs_done: int) -> None:
        """Write the checkpoint, whole or not at all."""
        content = {
            "config": self.config.model_dump(mode="json"),
            "prompt_set_sha256": prompt_set_sha256(),
            "normalisation": {"mean": list(self.normalisation.mean), "std": list(self.normalisation.std)},
            "epochs_done": epochs_done,
            "model": self.model.state_dict(),
            "averaged": self.averaged.module.state_dict(),
            "averaged_steps": self.averaged.n_averaged,
            "optimiser": self.optimiser.state_dict(),
        }
        _write(content, path)

    def load(self, path: Path) -> int:
        """Take up a checkpoint of the same configuration; returns the number of epochs done."""
        content = _read(path)
        if TrainConfig.model_validate(content["config"]) != self.config:
            raise TrainingError(f"{path}: belongs to another configuration; choose another --out or remove it")
        if "optimiser" not in content:
            raise TrainingError(f"{path}: holds averaged weights alone; name it as `start` of a new run")
        self.model.load_state_dict(content["model"])
        self.averaged.module.load_state_dict(content["averaged"])
        self.averaged.n_averaged.copy_(content["averaged_steps"])
        self.optimiser.load_state_dict(content["optimiser"])
        return int(content["epochs_done"])


def _first_model(config: TrainConfig, faces: Faces) -> tuple[Pmfer, Normalisation]:
    """Where a run begins: with the averaged weights and the normalisation of `config.start`, or with a new model."""
    if config.start is None:
        model = build_model(config)
        return model, model.normalisation or measured_normalisation(faces)
    begun, model, normalisation, _ = load_checkpoint(Path(config.start))
    for key in ("backend", "size_px", "model"):
        if getattr(begun, key) != getattr(config, key):
            raise TrainingError(f"{config.start}: trained with another {key}; write the same into this configuration")
    return model, normalisation


def moving_average(decay: float) -> Callable[[Tensor, Tensor, Tensor | int], Tensor]:
    """Exponential moving average whose decay rises to `decay`, so that the first steps are soon forgotten."""

    def update(average: Tensor, current: Tensor, steps: Tensor | int) -> Tensor:
        n = float(steps)
        return torch.lerp(average.float(), current.float(), 1 - min(decay, (1 + n) / (10 + n))).to(average.dtype)

    return update


def learning_rate_factor(progress: float, warmup: float) -> float:
    """Linear warm-up to 1, then half a cosine to 0 (Loshchilov and Hutter, 2017)."""
    if progress < warmup:
        return progress / warmup
    return 0.5 * (1 + math.cos(math.pi * (progress - warmup) / (1 - warmup)))


def size_at(sizes_px: tuple[tuple[float, int], ...], progress: float) -> int:
    """Side of the training faces at this part of the run: that of the last step begun."""
    return [side for begin, side in sizes_px if begin <= progress][-1]


def measured_normalisation(faces: Faces) -> Normalisation:
    """Of grey faces, to four digits."""
    mean, std = pixel_statistics(faces.images)
    return Normalisation((round(mean, 4),), (round(std, 4),))


def _parameter_groups(model: Pmfer, schedule: ScheduleConfig) -> list[dict[str, Any]]:
    """Trained parameters by weight decay and peak learning rate, the new ones first.

    Weights of matrices and kernels decay; biases, norms, positions and temperatures do not.
    """
    groups: dict[tuple[bool, bool], list[Tensor]] = {}
    for name, parameter in model.named_parameters():
        if parameter.requires_grad:
            groups.setdefault((model.starts_trained(name), parameter.ndim < 2), []).append(parameter)
    return [
        {
            "params": groups[pretrained, single],
            "weight_decay": 0.0 if single else schedule.weight_decay,
            "lr": schedule.learning_rate * (model.pretrained_rate if pretrained else 1.0),
        }
        for pretrained, single in sorted(groups)
    ]
