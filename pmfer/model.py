"""The whole architecture of PMFER: what it asks of a back-end, the compact encoders, the heads and the model.

A back-end is two encoders, a tokenizer, and where their weights start. The compact one, from scratch, stands here; the
pre-trained one is in clip.py, and checkpoint.py builds the one that a configuration names.
"""

from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np
import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm

from pmfer.augment import Normalisation
from pmfer.config import ModelConfig, TrainConfig
from pmfer.covers import REGIONS
from pmfer.prompts import MAX_TOKENS, PromptBatch, Tokenizer
from pmfer.visibility_head import VisibilityHead


class ImageEncoder(Protocol):
    """Looks at faces."""

    width: int  # W, of a local token and of the feature of the whole face
    grid: int  # side of the grid of local tokens at the configured size
    map_widths: tuple[int, ...]  # channels of its maps, each half as fine as the one before, the last of side `grid`
    channels: int  # C: 1 grey, 3 RGB

    def __call__(self, faces: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Faces float32 [N, C, S, S], normalised.

        Returns:
            Local tokens [N, J, W], row by row; the whole face [N, W]; maps [N, map width, H, W], the finest first.
        """
        ...

    def maps_of(self, faces: Tensor) -> list[Tensor]:
        """The maps alone."""
        ...


class TextEncoder(Protocol):
    """Reads prompts."""

    width: int  # W, of a token's feature and of the feature of the whole prompt

    def __call__(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Padded token numbers int64 [P, L] -> their features [P, L, W] and the whole prompt [P, W]."""
        ...


@dataclass(frozen=True)
class LearntSpace:
    """A common latent space that is there before training, without biases.

    image: [latent, image width], text: [latent, text width]: projections of the features of the whole.
    log_scale: logarithm of the factor on cosines.
    """

    image: Tensor
    text: Tensor
    log_scale: float


@dataclass(frozen=True)
class Backend:
    """Everything that the two back-ends do differently."""

    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    tokenizer: Tokenizer
    latent: int  # width of the common latent space
    dropout: float  # before the projections of the image side
    normalisation: Normalisation | None = None  # of the pictures; None: that of the training faces
    space: LearntSpace | None = None  # None: projections start at random
    pretrained: tuple[str, ...] = ()  # how the names of parameters begin that do not start at random
    pretrained_rate: float = 1.0  # their learning rate as a factor of that of the others


MAPS = 3  # of the compact encoder's last stages, that the visibility is read from


class ResidualBlock(nn.Module):
    """Two 3x3 convolutions around an identity (He et al., 2016), [N, C_in, H, W] -> [N, C, H/s, W/s]."""

    def __init__(self, channels_in: int, channels: int, stride: int) -> None:
        super().__init__()
        self.body = nn.Sequential(
            nn.Conv2d(channels_in, channels, 3, stride, 1, bias=False),
            nn.BatchNorm2d(channels),
            nn.ReLU(inplace=True),
            nn.Conv2d(channels, channels, 3, 1, 1, bias=False),
            nn.BatchNorm2d(channels),
        )
        self.skip: nn.Module = nn.Identity()
        if stride != 1 or channels_in != channels:
            self.skip = nn.Sequential(nn.Conv2d(channels_in, channels, 1, stride, bias=False), nn.BatchNorm2d(channels))

    def forward(self, x: Tensor) -> Tensor:
        """Apply the block."""
        return torch.relu(self.body(x) + self.skip(x))


class AttentionBlock(nn.Module):
    """Pre-norm transformer block whose queries may look at another sequence (Vaswani et al., 2017).

    Self attention when `context` is the sequence itself; cross attention otherwise.
    """

    def __init__(self, width: int, heads: int, expansion: int = 2) -> None:
        super().__init__()
        self.norm_query = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, expansion * width), nn.GELU(), nn.Linear(expansion * width, width)
        )

    def forward(self, query: Tensor, context: Tensor, ignore: Tensor | None = None) -> Tensor:
        """Query [N, Q, W], context [N, K, W], ignore bool [N, K] (True: not looked at) -> [N, Q, W]."""
        keys = self.norm_context(context)
        attended, _ = self.attention(self.norm_query(query), keys, keys, key_padding_mask=ignore, need_weights=False)
        query = query + attended
        changed: Tensor = query + self.feed_forward(query)
        return changed


class CompactImageEncoder(nn.Module):
    """Faces [N, 1, S, S] -> local tokens [N, (S/8)^2, width], row by row over the grid, and one feature [N, width].

    The attention block serves the whole face alone: local tokens that had already looked at each other would tell a
    phrase about the mouth what the brows do.
    """

    channels = 1

    def __init__(self, config: ModelConfig, size_px: int) -> None:
        super().__init__()
        stem = config.channels[0]
        stages: list[nn.Module] = [
            nn.Sequential(nn.Conv2d(1, stem, 3, 1, 1, bias=False), nn.BatchNorm2d(stem), nn.ReLU(inplace=True))
        ]
        channels_in = stem
        for stage, (channels, count) in enumerate(zip(config.channels, config.blocks, strict=True)):
            for block in range(count):
                stages.append(ResidualBlock(channels_in, channels, 2 if stage and not block else 1))
                channels_in = channels
        self.stages = nn.Sequential(*stages)
        self.stage_ends = tuple(int(end) for end in np.cumsum(config.blocks))[-MAPS:]
        self.map_widths = config.channels[-MAPS:]
        self.width = channels_in
        self.grid = size_px // 2 ** (len(config.channels) - 1)
        self.position = nn.Parameter(torch.zeros(1, self.width, self.grid, self.grid))
        self.attention = AttentionBlock(self.width, config.heads)

    def maps_of(self, faces: Tensor) -> list[Tensor]:
        """The maps alone."""
        features, maps = faces, []
        for place, stage in enumerate(self.stages):
            features = stage(features)
            if place in self.stage_ends:
                maps.append(features)
        return maps

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Encode. A size other than the configured one is allowed: positions are resampled to its grid."""
        maps = self.maps_of(faces)
        features = maps[-1]
        position: Tensor = self.position
        if features.shape[-1] != self.grid:
            position = nn.functional.interpolate(position, size=features.shape[-2:], mode="bilinear")
        tokens = (features + position).flatten(2).transpose(1, 2)
        return tokens, self.attention(tokens, tokens).mean(1), maps


class CompactTextEncoder(nn.Module):
    """Token numbers [P, L] -> token features [P, L, width] and their mean [P, width].

    Padding is neither looked at nor part of the mean, and its own features mean nothing.
    """

    def __init__(self, config: ModelConfig, vocabulary: int, pad: int) -> None:
        super().__init__()
        self.width = config.text_width
        self.pad = pad
        self.embedding = nn.Embedding(vocabulary, self.width)
        self.position = nn.Parameter(torch.zeros(MAX_TOKENS, self.width))
        nn.init.normal_(self.embedding.weight, std=0.1)
        nn.init.normal_(self.position, std=0.02)
        self.blocks = nn.ModuleList(AttentionBlock(self.width, config.text_heads) for _ in range(config.text_layers))
        self.norm = nn.LayerNorm(self.width)

    def forward(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Encode a padded batch of prompts."""
        ignore = tokens == self.pad
        x = self.embedding(tokens) + self.position[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, x, ignore)
        features: Tensor = self.norm(x)
        return features, mean_over(features, ~ignore[:, None])[:, 0]


def mean_over(features: Tensor, chosen: Tensor) -> Tensor:
    """Features [P, L, W], chosen bool [P, S, L] -> mean of the chosen tokens [P, S, W]; zeros where none is chosen."""
    weights = chosen.to(features.dtype)
    return weights @ features / weights.sum(-1, keepdim=True).clamp(min=1)


class PhraseAlignment(nn.Module):
    """Looks for every phrase among the local tokens, one phrase independently of the others.

    score(n, a) = scale * cos(sum_j alpha(n, a, j) v_j, p_a) + bias(p_a), alpha = softmax_j(q(p_a) . k_j / sqrt(D)).
    The bias is a function of the phrase embedding, so that a phrase never seen in training has one as well. Attention
    pooling per phrase is our interpretation of the paper's fine alignment.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.query = nn.Linear(latent, latent)
        self.key = nn.Linear(latent, latent)
        self.value = nn.Linear(latent, latent)
        self.bias = nn.Linear(latent, 1)
        self.log_scale = nn.Parameter(torch.tensor(2.0))

    def forward(self, local: Tensor, phrases: Tensor) -> tuple[Tensor, Tensor]:
        """Local [N, J, D], phrases [A, D] (unit length) -> logits [N, A] and attention [N, A, J] (sums to 1 over J)."""
        query = self.query(phrases)
        attention = torch.softmax(query @ self.key(local).transpose(1, 2) * query.shape[-1] ** -0.5, dim=-1)
        found = normalize(attention @ self.value(local), dim=-1)
        logits = self.log_scale.exp() * (found * phrases).sum(-1) + self.bias(phrases).squeeze(-1)
        return logits, attention


class MaskedPhraseHead(nn.Module):
    """Predicts dropped phrases: their slots (query) attend to the local tokens (key, value)."""

    def __init__(self, text_width: int, latent: int) -> None:
        super().__init__()
        self.enter = nn.Linear(text_width, latent)
        self.cross = AttentionBlock(latent, heads=4)
        self.leave = nn.Linear(latent, latent)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def forward(self, slots: Tensor, local: Tensor, phrases: Tensor) -> Tensor:
        """Slots [N, S, text width], local [N, J, D], phrases [V, D] -> logits over the vocabulary [N, S, V]."""
        answer = self.leave(self.cross(self.enter(slots), local))
        return self.log_scale.exp() * normalize(answer, dim=-1) @ phrases.T


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """`x` itself on the way forward, minus `strength` times the gradient on the way back (Ganin et al., 2016)."""
    return _Reverse.apply(x, strength)  # type: ignore[no-any-return, no-untyped-call]


class ModalityAdversary(nn.Module):
    """A three-layer discriminator that tells image embeddings from text embeddings.

    Both embeddings reach it behind a gradient reversal, so that both encoders learn to hide the modality. Its layers
    are spectrally normalised (Miyato et al., 2018): an unbounded discriminator tells a few prompts from a cloud of
    faces within one epoch, its cross entropy is then flat and the reversed gradient nothing. Bounded, it never gets
    that sure.
    """

    def __init__(self, latent: int) -> None:
        super().__init__()
        self.layers = nn.Sequential(
            spectral_norm(nn.Linear(latent, latent // 2)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(latent // 2, latent // 4)),
            nn.LeakyReLU(0.2),
            spectral_norm(nn.Linear(latent // 4, 1)),
        )

    def forward(self, images: Tensor, texts: Tensor, strength: float) -> tuple[Tensor, Tensor]:
        """Images [N, D], texts [P, D] -> logits "is an image" of each, [N] and [P]."""
        image_logits = self.layers(reverse_gradient(images, strength)).squeeze(-1)
        text_logits = self.layers(reverse_gradient(texts, strength)).squeeze(-1)
        return image_logits, text_logits


MAX_LOG_SCALE = 4.6  # cosines count at most a hundredfold, as in CLIP


@dataclass(frozen=True)
class ImageFeatures:
    """globals: [N, D], unit length. local: [N, J, D]. maps: of `ImageEncoder`, the finest first."""

    globals: Tensor
    local: Tensor
    maps: list[Tensor]


@dataclass(frozen=True)
class TextFeatures:
    """prompts: [P, D], unit length. slots: [P, S, text width], mean over each phrase's tokens."""

    prompts: Tensor
    slots: Tensor


class Pmfer(nn.Module):
    """PMFER on a back-end.

    Args:
        config: `config.size_px` is the side of the faces.
        backend: encoders and tokenizer; the model takes them over.
    """

    def __init__(self, config: TrainConfig, backend: Backend) -> None:
        super().__init__()
        latent = backend.latent
        self.prompt_style = config.loss.prompts
        self.size_px = config.size_px
        self.tokenizer = backend.tokenizer
        self.normalisation = backend.normalisation
        self.pretrained, self.pretrained_rate = backend.pretrained, backend.pretrained_rate
        self.image_encoder = backend.image_encoder
        self.text_encoder = backend.text_encoder
        self.dropout = nn.Dropout(backend.dropout)
        self.image_global = nn.Linear(self.image_encoder.width, latent)
        self.image_local = nn.Linear(self.image_encoder.width, latent)
        self.text_global = nn.Linear(self.text_encoder.width, latent)
        self.alignment = PhraseAlignment(latent)
        self.masked_phrase = MaskedPhraseHead(self.text_encoder.width, latent)
        self.visibility = VisibilityHead(self.image_encoder.map_widths, self.image_encoder.grid, len(REGIONS))
        self.adversary = ModalityAdversary(latent)
        self.log_scale = nn.Parameter(torch.tensor(2.5))
        if backend.space:
            self._start_from(backend.space)

    def starts_trained(self, name: str) -> bool:
        """Whether the parameter `name` came from a checkpoint of the back-end."""
        return name.startswith(self.pretrained)

    @torch.no_grad()
    def _start_from(self, space: LearntSpace) -> None:
        for projection, weight in ((self.image_global, space.image), (self.text_global, space.text)):
            projection.weight.copy_(weight)
            projection.bias.zero_()
        self.log_scale.fill_(min(space.log_scale, MAX_LOG_SCALE))

    def encode_images(self, faces: Tensor) -> ImageFeatures:
        """Faces [N, C, S, S], normalised, to their place in the latent space."""
        tokens, whole, maps = self.image_encoder(faces)
        whole = self.image_global(self.dropout(whole))
        return ImageFeatures(normalize(whole.float(), dim=-1), self.image_local(self.dropout(tokens)), maps)

    def encode_prompts(self, batch: PromptBatch) -> TextFeatures:
        """Prompts to their place in the latent space, with the features of each phrase slot."""
        features, whole = self.text_encoder(batch.tokens)
        slot_numbers = torch.arange(batch.targets.shape[1], device=features.device)
        slots = mean_over(features, batch.slots[:, None] == slot_numbers[None, :, None])
        return TextFeatures(normalize(self.text_global(whole).float(), dim=-1), slots)

    def embed_phrases(self, batch: PromptBatch) -> Tensor:
        """One-phrase prompts to phrase embeddings [P, D] of unit length, pooled over the phrase's span."""
        slots = self.encode_prompts(batch).slots[:, 0]
        return normalize(self.text_global(slots).float(), dim=-1)

    def classify(self, images: Tensor, classes: Tensor) -> Tensor:
        """Image embeddings [N, D] and class embeddings [E, D] to logits [N, E]: cosine over a learnt temperature."""
        return self.log_scale.clamp(max=MAX_LOG_SCALE).exp() * images @ classes.T
