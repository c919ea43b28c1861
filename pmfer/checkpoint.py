"""Checkpoints of a training run: build the model that a configuration names, save its weights and load them.

They hold tensors, numbers and text only, and are read as such: `torch.load` runs no code of a file.
"""

import pickle
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from pydantic import ValidationError

from pmfer.augment import Normalisation
from pmfer.bundle import CARD_FILE, WEIGHTS_FILE
from pmfer.config import TrainConfig
from pmfer.encoders import Backend, CompactImageEncoder, CompactTextEncoder
from pmfer.errors import TrainingError
from pmfer.model import Pmfer
from pmfer.prompts import default_tokenizer, prompt_set_sha256

CHECKPOINT_FILE = "checkpoint.pt"
AVERAGED_FILE = "averaged.pt"  # what later runs start from, an eighth as large


def build_model(config: TrainConfig) -> Pmfer:
    """PMFER before training, on the back-end that `config.backend` names.

    Raises:
        ConfigurationError: CLIP's checkpoint is missing, is none, or does not fit the configuration.
    """
    return Pmfer(config, build_backend(config))


def build_backend(config: TrainConfig) -> Backend:
    """Encoders and tokenizer, see `build_model`."""
    if config.backend == "clip":
        from pmfer.clip import clip_backend  # brings transformers, which nothing else needs

        return clip_backend(config)
    return compact_backend(config)


def compact_backend(config: TrainConfig) -> Backend:
    """Encoders from scratch, and the tokenizer over the phrases' own words."""
    tokenizer = default_tokenizer()
    return Backend(
        image_encoder=CompactImageEncoder(config.model, config.size_px),
        text_encoder=CompactTextEncoder(config.model, len(tokenizer), tokenizer.pad),
        tokenizer=tokenizer,
        latent=config.model.latent,
        dropout=config.model.dropout,
    )


def checkpoint_head(config: TrainConfig, normalisation: Normalisation, epochs_done: int) -> dict[str, Any]:
    """What every checkpoint says of its run, beside the weights."""
    return {
        "config": config.model_dump(mode="json"),
        "prompt_set_sha256": prompt_set_sha256(),
        "normalisation": {"mean": list(normalisation.mean), "std": list(normalisation.std)},
        "epochs_done": epochs_done,
    }


def read_checkpoint(path: Path) -> dict[str, Any]:
    """What a checkpoint holds, by name, its tensors on the CPU.

    Raises:
        TrainingError: the file is missing, no checkpoint, or was trained with other prompts.
    """
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


def load_checkpoint(path: Path) -> tuple[TrainConfig, Pmfer, Normalisation, int]:
    """The configuration, the averaged model, the normalisation and the epochs done of a checkpoint.

    Raises:
        TrainingError: the file is missing, no checkpoint, or was trained with other prompts or another form of model.
        ConfigurationError: the CLIP that it started from is no longer where it was.
    """
    content = read_checkpoint(path)
    try:
        config = TrainConfig.model_validate(content["config"])
        model = build_model(config)
        model.load_state_dict(content["averaged"])
    except (ValidationError, RuntimeError):
        raise TrainingError(
            f"{path}: made by another release, whose model has other parts; train again or use that release"
        ) from None
    return config, model.eval(), _read_normalisation(content["normalisation"]), content["epochs_done"]


def keep_of_start(model: Pmfer, config: TrainConfig, share: float) -> None:
    """Bring the picture side's weights back towards those that the run started from, in place.

    What a run learns at the end it partly pays for with what it knew: the mean of both weights does better on old and
    new kinds of faces than either (Wortsman et al., CVPR 2022).

    Args:
        model: as `load_checkpoint` gives it.
        config: of its checkpoint.
        share: of the starting weights in the mean, 0..1.

    Raises:
        TrainingError: the run started from nothing, or from a checkpoint that is unusable.
    """
    if config.start is None:
        raise TrainingError("the run started from no other checkpoint, so nothing of one can be kept")
    began = load_checkpoint(Path(config.start))[1].state_dict()
    for name, weight in model.state_dict().items():
        if name.startswith("image_encoder.") and weight.is_floating_point():
            weight.lerp_(began[name], share)


def write_averaged(checkpoints: Sequence[Path], out: Path, config: TrainConfig | None = None) -> None:
    """Write the averaged weights alone, in half precision: to start from, to export, to hand on.

    Of several runs that began with the same weights, their mean: they end near each other, and it does better than each
    (Wortsman et al., ICML 2022).

    Args:
        checkpoints: of the runs, at least one.
        out: the file.
        config: what the runs have in common; None: that of the first.

    Raises:
        TrainingError: a checkpoint is unusable.
    """
    contents = [read_checkpoint(path) for path in checkpoints]
    kept = {key: contents[0][key] for key in ("config", "prompt_set_sha256", "normalisation", "epochs_done")}
    if config is not None:
        kept["config"] = config.model_dump(mode="json")
    averaged = {
        name: torch.stack([content["averaged"][name].float() for content in contents]).mean(0).half()
        if first.is_floating_point()
        else first
        for name, first in contents[0]["averaged"].items()
    }
    write_checkpoint({**kept, "averaged": averaged}, out)


def write_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Save, whole or not at all."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)


def _read_normalisation(content: dict[str, Any]) -> Normalisation:
    """From a list per channel, or one number as checkpoints of grey models had it before there were others."""
    mean, std = (np.atleast_1d(content[key]).tolist() for key in ("mean", "std"))
    return Normalisation(tuple(mean), tuple(std))
