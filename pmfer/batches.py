"""Training faces as a step sees them: some covered, all changed, a batch at a time.

Covers are drawn on the processor, by processes of their own beside a GPU; all other changes happen where the model
computes. What a face becomes depends on the seed of the epoch and its batch alone, not on how many processes draw.
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
    """Faces of one step on the processor.

    rows: int64 [N], which training faces. faces: float32 [N, S, S] in 0..1. visible: float32 [N, R], the visible share
    of each region, NaN where it is unknown.
    """

    rows: Rows
    faces: Floats
    visible: Floats


class _CoveredFaces(Dataset[_Covered]):
    """Covered faces by (rows, seed of their covers).

    Args:
        images: uint8 [N, S, S].
        shapes: of these faces; None: no face is covered.
        share: of the faces that are covered, 0..1.
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
            # Where the mesh finds no face something may hide it already.
            visible[~shapes.found[:, None] & (visible == 1)] = np.nan
        return _Covered(rows, faces, visible)


class Teachers:
    """Finished models whose mean answer a run learns beside the votes: the averaged weights of other runs.

    Several models together answer better than each of them, and one model can learn most of that from their answers
    (Hinton et al., 2015, arXiv 1503.02531). They see the very picture that the learner sees, covered and changed as it
    is (Beyer et al., CVPR 2022).

    Args:
        checkpoints: of the runs.
        device: where to compute.

    Raises:
        TrainingError: a checkpoint is missing, unusable or of another release.
    """

    def __init__(self, checkpoints: Sequence[str], device: torch.device) -> None:
        self.members = []
        for path in checkpoints:
            _, model, normalisation, _ = load_checkpoint(Path(path))
            model.to(device, memory_format=torch.channels_last)  # type: ignore[call-overload]  # missing in torch's types
            self.members.append((model, bake(model, model.tokenizer).classes, normalisation))

    @torch.no_grad()
    def answers(self, pictures: Tensor) -> Tensor:
        """Mean probabilities of the expressions float32 [N, E] for grey pictures [N, 1, S, S] in 0..1."""
        said = []
        for model, classes, normalisation in self.members:
            faces = normalise(pictures, normalisation).to(memory_format=torch.channels_last)
            with half_precision(pictures.device):
                logits = model.classify(model.encode_images(faces).globals, classes)
            said.append(logits.float().softmax(-1))
        return torch.stack(said).mean(0)


class TrainingBatches:
    """All faces of a run, in batches.

    Args:
        config: size of a batch, and by how much faces change.
        faces: training faces.
        shapes: what the face mesh says of them; None: targets follow the votes alone, and no face is covered.
        normalisation: of the pictures.
        device: where the batches go.

    Raises:
        TrainingError: there are fewer faces than one batch has, or a teacher's checkpoint is unusable.
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
        # Beside a GPU the processor's cores are free; where the model needs them itself, nothing is gained.
        self.processes = 0 if device.type == "cpu" else max(1, torch.get_num_threads() - 1)

    def __len__(self) -> int:
        return self.per_epoch

    def epoch(self, seed: int, size_px: int) -> Iterator[Batch]:
        """The batches of one pass over the faces, in an order and with changes that follow from `seed`.

        Args:
            seed: of the epoch.
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
            collate_fn=_unchanged,  # type: ignore[arg-type]  # without batch_size it gets what __getitem__ gives
        ):
            yield self._changed(covered, size_px, rng)

    def _changed(self, covered: _Covered, size_px: int, rng: torch.Generator) -> Batch:
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


def _unchanged(covered: _Covered) -> _Covered:
    return covered
