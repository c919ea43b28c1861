"""Read a CLIP checkpoint (Radford et al., ICML 2021) through `transformers`, from a folder or the Hugging Face hub.

It fails closed: a checkpoint of another kind, or one that lacks weights, would otherwise go on with random ones.
"""

from dataclasses import dataclass
from typing import Any

import torch
from safetensors import SafetensorError
from torch import Tensor
from transformers import CLIPConfig, CLIPModel, CLIPTextModel, CLIPTokenizer, CLIPVisionModel
from transformers.image_processing_utils import BaseImageProcessor

from pmfer.augment import Normalisation
from pmfer.errors import ConfigurationError

EXAMPLE = "openai/clip-vit-base-patch16"


@dataclass(frozen=True)
class ClipCheckpoint:
    """What PMFER takes over from a CLIP.

    patch_px and image_px: sides of a patch and of the pictures it was trained on. visual_projection: [D, vision width].
    text_projection: [D, text width]. log_scale: logarithm of the factor on cosines.
    """

    vision: CLIPVisionModel
    text: CLIPTextModel
    tokenizer: CLIPTokenizer
    patch_px: int
    image_px: int
    visual_projection: Tensor
    text_projection: Tensor
    log_scale: float
    normalisation: Normalisation


def read_clip(checkpoint: str) -> ClipCheckpoint:
    """Weights in float32, the tokenizer and the normalisation of the pictures.

    Args:
        checkpoint: folder in the format of `transformers`, or id on the hub. The hub is asked only if there is no such
            folder and its files are not in the cache.

    Raises:
        ConfigurationError: it is missing, incomplete, damaged or no CLIP.
    """
    try:
        settings = CLIPConfig.get_config_dict(checkpoint)[0]
        if settings.get("model_type") != "clip":
            raise ValueError(f"a model of type {settings.get('model_type')!r}")
        loaded: Any = CLIPModel.from_pretrained(checkpoint, dtype=torch.float32, output_loading_info=True)
        model, report = loaded
        absent = sorted([*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])])
        if absent:
            raise ValueError(f"{len(absent)} weights are missing or of another shape, first {absent[0]}")
        tokenizer = CLIPTokenizer.from_pretrained(checkpoint)
        # Without its files the tokenizer still loads, with a vocabulary of three.
        if len(tokenizer) != model.config.text_config.vocab_size:
            raise ValueError(f"the tokenizer has {len(tokenizer)} tokens, the text model another number")
        pictures = BaseImageProcessor.get_image_processor_dict(checkpoint)[0]
        normalisation = Normalisation(tuple(pictures["image_mean"]), tuple(pictures["image_std"]))
    except (OSError, ValueError, KeyError, RuntimeError, SafetensorError) as error:
        raise ConfigurationError(_what_to_do(checkpoint, error)) from None
    return ClipCheckpoint(
        vision=model.vision_model,
        text=model.text_model,
        tokenizer=tokenizer,
        patch_px=int(model.vision_model.config.patch_size),
        image_px=int(model.vision_model.config.image_size),
        visual_projection=model.visual_projection.weight.detach(),
        text_projection=model.text_projection.weight.detach(),
        log_scale=float(model.logit_scale.detach()),
        normalisation=normalisation,
    )


def _what_to_do(checkpoint: str, error: Exception) -> str:
    reason = str(error).strip().splitlines()[0].rstrip(".")
    return (
        f"[clip] checkpoint = '{checkpoint}': no usable CLIP there ({reason}); fetch one with `hf download {EXAMPLE} "
        "--local-dir models/clip` on a machine with access to the hub, and set checkpoint to that folder"
    )
