"""Checkpoints of a training run: build the model of a configuration, save its weights and load them.

Checkpoints contain only tensors, numbers and text, and are loaded with `weights_only`, so that `torch.load` runs no
code from a file.
"""

from collections.abc import Sequence
from pathlib import Path
from typing import Any

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
AVERAGED_FILE = "averaged.pt"  # averaged weights, from which later runs start; an eighth of the size


def build_model(config: TrainConfig) -> Pmfer:
    """Build an untrained PMFER model on the back-end `config.backend`.

    Raises:
        ConfigurationError: CLIP's checkpoint is missing, is not a CLIP checkpoint, or does not fit the configuration.
    """
    return Pmfer(config, build_backend(config))


def build_backend(config: TrainConfig) -> Backend:
    """Build encoders and tokenizer, see `build_model`."""
    if config.backend == "clip":
        from pmfer.clip import clip_backend  # imports transformers, which nothing else needs

        return clip_backend(config)
    return compact_backend(config)


def compact_backend(config: TrainConfig) -> Backend:
    """Encoders with new weights, and a tokenizer whose vocabulary is the words of the prompts."""
    tokenizer = default_tokenizer()
    return Backend(
        image_encoder=CompactImageEncoder(config.model, config.size_px),
        text_encoder=CompactTextEncoder(config.model, len(tokenizer), tokenizer.pad),
        tokenizer=tokenizer,
        latent=config.model.latent,
        dropout=config.model.dropout,
    )


def checkpoint_head(config: TrainConfig, normalisation: Normalisation, epochs_done: int) -> dict[str, Any]:
    """The content of every checkpoint besides the weights."""
    return {
        "config": config.model_dump(mode="json"),
        "prompt_set_sha256": prompt_set_sha256(),
        "normalisation": {"mean": list(normalisation.mean), "std": list(normalisation.std)},
        "epochs_done": epochs_done,
    }


def read_checkpoint(path: Path) -> dict[str, Any]:
    """The content of a checkpoint by name, with its tensors on the CPU.

    Raises:
        TrainingError: the file is missing, is not a checkpoint, or was trained with other prompts.
    """
    if (path / CARD_FILE).is_file() or path.name in (CARD_FILE, WEIGHTS_FILE):
        raise TrainingError(f"{path}: a bundle, not a checkpoint; give the checkpoint.pt it was exported from")
    try:
        content = torch.load(path, map_location="cpu", weights_only=True)
    except FileNotFoundError:
        raise TrainingError(f"{path}: no such file; name a checkpoint.pt or averaged.pt of a training run") from None
    except OSError as error:
        raise TrainingError(f"{path}: cannot be read ({error.strerror}); train again or name another file") from None
    except Exception:  # what torch raises for another kind of file depends on its bytes
        raise TrainingError(f"{path}: not a checkpoint, or damaged; train again or name another file") from None
    if not isinstance(content, dict) or content.get("prompt_set_sha256") != prompt_set_sha256():
        raise TrainingError(f"{path}: trained with other prompts than those of this release; train again")
    return content


def load_checkpoint(path: Path) -> tuple[TrainConfig, Pmfer, Normalisation, int]:
    """Load a checkpoint.

    Returns:
        Its configuration, the model with the averaged weights, the normalisation and the number of epochs done.

    Raises:
        TrainingError: the file is missing, is not a checkpoint, or was trained with other prompts or with another
            model architecture.
        ConfigurationError: the CLIP checkpoint that it started from is no longer there.
    """
    content = read_checkpoint(path)
    try:
        config = TrainConfig.model_validate(content["config"])
        model = build_model(config)
        model.load_state_dict(content["averaged"])
    except (ValidationError, RuntimeError):
        raise TrainingError(
            f"{path}: written by another release with a different model; train again or use that release"
        ) from None
    normalisation = Normalisation(**{key: tuple(values) for key, values in content["normalisation"].items()})
    return config, model.eval(), normalisation, content["epochs_done"]


def blend_with_start(model: Pmfer, config: TrainConfig, share: float) -> None:
    """Interpolate the weights of the image encoder, in place, towards those that the run started from.

    Fine-tuning forgets some of what the model knew. The mean of both weights does better on old and new kinds of faces
    than either (Wortsman et al., CVPR 2022).

    Args:
        model: as returned by `load_checkpoint`.
        config: the configuration of its checkpoint.
        share: weight of the starting weights in the mean, 0..1.

    Raises:
        TrainingError: the run did not start from a checkpoint, or that checkpoint is unusable.
    """
    if config.start is None:
        raise TrainingError("start_share: the run did not start from another checkpoint; set it to 0")
    start = load_checkpoint(Path(config.start))[1].state_dict()
    for name, weight in model.state_dict().items():
        if name.startswith("image_encoder.") and weight.is_floating_point():
            weight.lerp_(start[name], share)


def write_averaged(checkpoints: Sequence[Path], out: Path, config: TrainConfig | None = None) -> None:
    """Write only the averaged weights, in half precision, to start from, to export or to share.

    For several runs that started from the same weights, write the mean of their weights. Such runs end near each other,
    and the mean does better than each of them (Wortsman et al., ICML 2022).

    Args:
        checkpoints: checkpoints of the runs, at least one.
        out: file to write.
        config: the common configuration of the runs; None: that of the first.

    Raises:
        TrainingError: a checkpoint is unusable.
    """
    contents = [read_checkpoint(path) for path in checkpoints]
    head = {key: contents[0][key] for key in ("config", "prompt_set_sha256", "normalisation", "epochs_done")}
    if config is not None:
        head["config"] = config.model_dump(mode="json")
    averaged = {
        name: torch.stack([content["averaged"][name].float() for content in contents]).mean(0).half()
        if first.is_floating_point()
        else first
        for name, first in contents[0]["averaged"].items()
    }
    write_checkpoint({**head, "averaged": averaged}, out)


def write_checkpoint(content: dict[str, Any], path: Path) -> None:
    """Save a checkpoint atomically."""
    temporary = path.with_suffix(".tmp")
    torch.save(content, temporary)
    temporary.replace(path)
