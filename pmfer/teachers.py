"""Teachers: finished models whose mean answer a run learns beside the votes.

Several models together answer better than each of them, and one model can learn most of that from their answers (Hinton
et al., 2015, arXiv 1503.02531). They see the very picture that the learner sees, covered and changed as it is (Beyer et
al., CVPR 2022).
"""

from collections.abc import Sequence
from pathlib import Path

import torch
from torch import Tensor

from pmfer.augment import normalise
from pmfer.bake import bake, half_precision
from pmfer.checkpoint import load_checkpoint


class Teachers:
    """The averaged models of finished runs.

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
