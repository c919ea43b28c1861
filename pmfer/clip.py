"""The CLIP back-end: both encoders of a pre-trained CLIP (Radford et al., ICML 2021), through `transformers`.

Three additions to CLIP are our interpretation:

- A token for dropped phrases: one more row in the table of token embeddings. It starts as the mean of all others and is
  trained with them; with a frozen text encoder it stays there. CLIP reads from left to right, so the features at a
  dropped phrase depend on the words before it, not on those after it.
- Local tokens of a usable scale: the patch tokens pass through the layer norm that CLIP itself applies only to the
  class token.
- Grey faces: all data sets are read in grey. A colour picture is converted to luma first, so the model never sees
  colours, on which it was not trained.

A checkpoint comes from a folder or the Hugging Face hub. Reading it fails closed: otherwise a checkpoint of another
kind, or one that lacks weights, would continue with random weights.
"""

from dataclasses import dataclass
from typing import Any, cast

import torch
from safetensors import SafetensorError
from torch import Tensor, nn
from transformers import CLIPConfig, CLIPModel, CLIPTextModel, CLIPTokenizer, CLIPVisionModel
from transformers.image_processing_utils import BaseImageProcessor

from pmfer.augment import Normalisation
from pmfer.config import ClipConfig, TrainConfig
from pmfer.encoders import Backend, LearntSpace
from pmfer.errors import ConfigurationError

EXAMPLE = "openai/clip-vit-base-patch16"


@dataclass(frozen=True)
class ClipCheckpoint:
    """The parts of a CLIP checkpoint that PMFER uses.

    patch_px and image_px: sides of a patch and of the training pictures. visual_projection: [D, vision width].
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
    """Read the weights in float32, the tokenizer and the normalisation of the pictures.

    Args:
        checkpoint: folder in the format of `transformers`, or id on the hub. The hub is only contacted if there is no
            such folder and the files are not in the cache.

    Raises:
        ConfigurationError: it is missing, incomplete, damaged or not a CLIP checkpoint.
    """
    try:
        settings = CLIPConfig.get_config_dict(checkpoint)[0]
        if settings.get("model_type") != "clip":
            raise ValueError(f"a model of type {settings.get('model_type')!r}")
        loaded: Any = CLIPModel.from_pretrained(checkpoint, dtype=torch.float32, output_loading_info=True)
        model, report = loaded
        absent = sorted([*report["missing_keys"], *(key for key, *_ in report["mismatched_keys"])])
        if absent:
            raise ValueError(f"{len(absent)} weights are missing or have another shape, the first is {absent[0]}")
        tokenizer = CLIPTokenizer.from_pretrained(checkpoint)
        # If its files are missing, the tokenizer still loads, with a vocabulary of three.
        if len(tokenizer) != model.config.text_config.vocab_size:
            raise ValueError(f"the tokenizer has {len(tokenizer)} tokens, which does not match the text model")
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


LUMA = (0.299, 0.587, 0.114)  # ITU-R BT.601, as inference converts colour to grey
# Prefixes of pretrained parameters. The others are the heads, the biases of the projections and the projection of local
# tokens.
PRETRAINED = ("image_encoder.", "text_encoder.", "image_global.weight", "text_global.weight", "log_scale")


def clip_backend(config: TrainConfig) -> Backend:
    """Build the back-end of `config.clip` for faces of `config.size_px`.

    Raises:
        ConfigurationError: the checkpoint is unusable, or sizes or layers do not fit it.
    """
    options, found = config.clip, read_clip(config.clip.checkpoint)
    _check_sizes(config, found.patch_px)
    tokenizer = ClipTokenizer(found.tokenizer, found.text)
    return Backend(
        image_encoder=ClipImageEncoder(found, config.size_px, options),
        text_encoder=ClipTextEncoder(found.text, tokenizer, options),
        tokenizer=tokenizer,
        latent=len(found.visual_projection),
        dropout=options.dropout,
        normalisation=found.normalisation,
        space=LearntSpace(found.visual_projection, found.text_projection, found.log_scale),
        pretrained=PRETRAINED,
        pretrained_rate=options.learning_rate_factor,
    )


def _check_sizes(config: TrainConfig, patch_px: int) -> None:
    for side in (config.size_px, *(side for _, side in config.schedule.sizes_px)):
        if side % patch_px:
            raise ConfigurationError(
                f"[clip] checkpoint = '{config.clip.checkpoint}': faces of {side} px are not a multiple of its patches "
                f"of {patch_px} px; change size_px and schedule.sizes_px"
            )


class ClipTokenizer:
    """CLIP's byte pair encoding with one more token, for a dropped phrase.

    Args:
        tokenizer: the checkpoint's tokenizer.
        text: its text model, before a row is added to the table of embeddings.
    """

    def __init__(self, tokenizer: CLIPTokenizer, text: CLIPTextModel) -> None:
        self._tokenizer = tokenizer
        self.pad: int = tokenizer.pad_token_id  # in most checkpoints the end token, which has no effect after the first
        self.mask: int = text.config.vocab_size
        self.begin: tuple[int, ...] = (tokenizer.bos_token_id,)
        self.end: tuple[int, ...] = (tokenizer.eos_token_id,)
        self.max_tokens: int = text.config.max_position_embeddings

    def encode(self, text: str) -> list[int]:
        """Token numbers of `text` alone, without begin and end."""
        numbers: list[int] = self._tokenizer.encode(text, add_special_tokens=False)
        return numbers


class ClipImageEncoder(nn.Module):
    """Faces [N, 3, S, S], normalised -> normed patch tokens [N, (S / patch)^2, W] and the normed class token [N, W].

    Args:
        found: the checkpoint, whose vision model becomes part of the encoder.
        size_px: side S in the exported graph. If S differs from the checkpoint's, position embeddings are resampled.
        options: `vision_layers` says how many layers are trained.
    """

    channels = 3

    def __init__(self, found: ClipCheckpoint, size_px: int, options: ClipConfig) -> None:
        super().__init__()
        self.vision = found.vision
        self.width: int = found.vision.config.hidden_size
        self.grid: int = size_px // found.patch_px
        self.map_widths: tuple[int, ...] = (self.width,)
        self._image_px = found.image_px
        self.mean: Tensor
        self.std: Tensor
        self.luma: Tensor
        for name, values in (("mean", found.normalisation.mean), ("std", found.normalisation.std), ("luma", LUMA)):
            self.register_buffer(name, torch.tensor(values)[:, None, None], persistent=False)
        if options.vision_layers is not None:
            self._train_last(options.vision_layers)

    def _train_last(self, count: int) -> None:
        layers = self.vision.encoder.layers
        if count > len(layers):
            raise ConfigurationError(
                f"[clip] vision_layers = {count}: the checkpoint has only {len(layers)}; use fewer"
            )
        self.vision.requires_grad_(False)
        for module in (*layers[len(layers) - count :], self.vision.post_layernorm):
            module.requires_grad_(True)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """As in `ImageEncoder`; the patch tokens are the only map."""
        resampled = faces.shape[-1] != self._image_px
        output = self.vision(self._grey(faces), interpolate_pos_encoding=resampled)
        tokens = self.vision.post_layernorm(output.last_hidden_state[:, 1:])
        side = round(tokens.shape[1] ** 0.5)
        return tokens, output.pooler_output, [tokens.transpose(1, 2).unflatten(-1, (side, side))]

    def maps_of(self, faces: Tensor) -> list[Tensor]:
        """Only the map."""
        return self(faces)[2]  # type: ignore[no-any-return]  # torch's types do not know the call

    def _grey(self, faces: Tensor) -> Tensor:
        """The luma of normalised faces in all three channels, normalised again; leaves grey faces unchanged."""
        luma = ((faces * self.std + self.mean) * self.luma).sum(1, keepdim=True)
        return (luma - self.mean) / self.std


class ClipTextEncoder(nn.Module):
    """Token numbers [P, L] -> token features [P, L, W] and the feature of the first end token [P, W].

    Padding needs no mask: it comes last, and no token attends to later ones.

    Args:
        text: the checkpoint's text model; the embedding of the mask token is added to it.
        tokenizer: the checkpoint's tokenizer.
        options: `text` says whether the encoder is trained.
    """

    def __init__(self, text: CLIPTextModel, tokenizer: ClipTokenizer, options: ClipConfig) -> None:
        super().__init__()
        self.text = text
        self.width: int = text.config.hidden_size
        self.frozen = options.text == "frozen"
        self._end = tokenizer.end[0]
        text.resize_token_embeddings(tokenizer.mask + 1, mean_resizing=False)
        table = cast(nn.Embedding, text.get_input_embeddings()).weight
        with torch.no_grad():
            table[tokenizer.mask] = table[: tokenizer.mask].mean(0)
        text.requires_grad_(not self.frozen)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """As in `TextEncoder`."""
        with torch.set_grad_enabled(torch.is_grad_enabled() and not self.frozen):
            features: Tensor = self.text(input_ids=tokens).last_hidden_state
        ends = (tokens == self._end).int().argmax(-1)
        return features, features[torch.arange(len(tokens), device=tokens.device), ends]
