"""Batches of training faces: some faces are covered, and all are augmented.

Covers are drawn on the CPU, in separate processes if the model runs on a GPU. All other augmentations run on the
model's device. The result depends only on the seed of the epoch and on the batch, not on the number of processes.
"""

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from pmfer.augment import Normalisation, augment, normalise
from pmfer.bake import bake, half_precision
from pmfer.checkpoint import load_checkpoint
from pmfer.config import TrainConfig
from pmfer.covers import REGIONS, cover_faces
from pmfer.datasets import Faces, vote_distribution
from pmfer.errors import TrainingError
from pmfer.losses import Batch, au_probability_table, phrase_targets
from pmfer.shapes import FaceShapes, Floats

Rows = npt.NDArray[np.int64]
COVER_SALT = 1  # so that covers are independent of the order of the faces, which uses the same seed


@dataclass(frozen=True)
class _Covered:
    """The faces of one step, on the CPU.

    rows: int64 [N], indices of the training faces. faces: float32 [N, S, S] in 0..1. visible: float32 [N, R], the
    visible share of each region, NaN where it is unknown.
    """

    rows: Rows
    faces: Floats
    visible: Floats


class _CoveredFaces(Dataset[_Covered]):
    """Covered faces, indexed by (rows, seed of their covers).

    Args:
        images: uint8 [N, S, S].
        shapes: the shapes of these faces; None: no face is covered.
        share: share of the faces to cover, 0..1.
    """

    def __init__(self, images: npt.NDArray[np.uint8], shapes: FaceShapes | None, share: float) -> None:
        self.images, self.shapes, self.share = images, shapes, share

    def __getitem__(self, chosen: tuple[Rows, tuple[int, ...]]) -> _Covered:
        rows, seed = chosen
        faces = self.images[rows].astype(np.float32) / np.float32(255)
        visible = np.full((len(rows), len(REGIONS)), np.nan, np.float32)
        if self.shapes:
            shapes = self.shapes.of(rows)
            faces, visible = cover_faces(faces, shapes.placed, self.share, np.random.default_rng(seed))
            # If the mesh found no face, something in the picture may hide it already.
            visible[~shapes.found[:, None] & (visible == 1)] = np.nan
        return _Covered(rows, faces, visible)


class Teachers:
    """Finished models whose mean prediction a run learns besides the votes (knowledge distillation).

    Several models together predict better than each of them, and one model can learn most of that from their
    predictions (Hinton et al., 2015, arXiv 1503.02531). The teachers see the same picture as the student, with its
    cover and augmentations (Beyer et al., CVPR 2022). Their averaged weights are used.

    Args:
        checkpoints: checkpoints of the finished runs.
        device: where to compute.

    Raises:
        TrainingError: a checkpoint is missing, unusable or of another release.
    """

    def __init__(self, checkpoints: Sequence[str], device: torch.device) -> None:
        self.members = []
        for path in checkpoints:
            _, model, normalisation, _ = load_checkpoint(Path(path))
            model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
            self.members.append((model, bake(model).classes, normalisation))

    @torch.no_grad()
    def answers(self, pictures: Tensor) -> Tensor:
        """Mean class probabilities float32 [N, E] for grey pictures [N, 1, S, S] in 0..1."""
        probabilities = []
        for model, classes, normalisation in self.members:
            faces = normalise(pictures, normalisation).to(memory_format=torch.channels_last)
            with half_precision(pictures.device):
                logits = model.classify(model.encode_images(faces).globals, classes)
            probabilities.append(logits.float().softmax(-1))
        return torch.stack(probabilities).mean(0)


class TrainingBatches:
    """All faces of a run, in batches.

    Args:
        config: batch size, augmentations and teachers.
        faces: training faces.
        shapes: shapes of these faces; None: targets follow from the votes alone, and no face is covered.
        normalisation: normalisation of the pictures.
        device: device of the batches.

    Raises:
        TrainingError: there are not enough faces for one batch, or a teacher's checkpoint is unusable.
    """

    def __init__(
        self,
        config: TrainConfig,
        faces: Faces,
        shapes: FaceShapes | None,
        normalisation: Normalisation,
        device: torch.device,
    ) -> None:
        self.config, self.normalisation, self.device = config, normalisation, device
        self.per_epoch = len(faces) // config.schedule.batch
        if self.per_epoch == 0:
            raise TrainingError(
                f"{len(faces)} training faces are fewer than one batch of {config.schedule.batch}; lower batch"
            )
        votes = vote_distribution(faces.votes)
        targets = phrase_targets(votes, au_probability_table(), shapes.evidence if shapes else None)
        self.votes, self.shown, self.deviation = (
            torch.from_numpy(values).to(device) for values in (votes, targets.shown, targets.deviation)
        )
        self.roll = torch.from_numpy(shapes.roll_deg if shapes else np.zeros(len(faces), np.float32)).to(device)
        self.covered = _CoveredFaces(faces.images, shapes, config.augment.covered)
        self.teachers = Teachers(config.teachers, device) if config.teachers else None
        # With a GPU the CPU cores are free. On the CPU the model needs them itself, so more processes gain nothing.
        self.processes = 0 if device.type == "cpu" else max(1, torch.get_num_threads() - 1)

    def __len__(self) -> int:
        return self.per_epoch

    def epoch(self, seed: int, size_px: int) -> Iterator[Batch]:
        """Yield the batches of one pass over the faces.

        Args:
            seed: the seed of the epoch, which determines the order of the faces and their augmentations.
            size_px: side of the pictures.
        """
        count = self.per_epoch * self.config.schedule.batch
        order = np.random.default_rng(seed).permutation(len(self.votes))[:count]
        steps = [(rows, (seed, step, COVER_SALT)) for step, rows in enumerate(np.split(order, self.per_epoch))]
        rng = torch.Generator(self.device).manual_seed(seed)
        for covered in DataLoader(
            self.covered,
            batch_size=None,
            sampler=steps,
            num_workers=self.processes,
            collate_fn=_identity,  # type: ignore[arg-type]  # without batch_size it gets what __getitem__ returns
        ):
            yield self._augmented(covered, size_px, rng)

    def _augmented(self, covered: _Covered, size_px: int, rng: torch.Generator) -> Batch:
        rows = torch.from_numpy(covered.rows).to(self.device)
        faces = torch.from_numpy(covered.faces).to(self.device)
        pictures = augment(faces, self.roll[rows], self.config.augment, size_px, rng)
        votes = self.votes[rows]
        if self.teachers:
            votes = torch.lerp(votes, self.teachers.answers(pictures), self.config.teacher_share)
        return Batch(
            normalise(pictures, self.normalisation).to(memory_format=torch.channels_last),
            votes,
            self.shown[rows],
            self.deviation[rows],
            torch.from_numpy(covered.visible).to(self.device),
        )


def _identity(covered: _Covered) -> _Covered:
    return covered
