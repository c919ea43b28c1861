"""The interface of a back-end, and the encoders of the compact back-end, which are trained from scratch.

A back-end is two encoders and a tokenizer, with the initial weights. The pretrained one is in clip.py; checkpoint.py
builds the one that a configuration names.
"""

from dataclasses import dataclass
from typing import Protocol

import numpy as np
import torch
from torch import Tensor, nn

from pmfer.augment import Normalisation
from pmfer.config import ModelConfig
from pmfer.prompts import MAX_TOKENS, Tokenizer

MAPS = 3  # number of the compact encoder's last stages whose feature maps go to the visibility head


class ImageEncoder(Protocol):
    """Encodes faces."""

    width: int  # W, of a local token and of the feature of the whole face
    grid: int  # side of the grid of local tokens at the configured size
    map_widths: tuple[int, ...]  # channels of its maps; each map is half as large as the previous, the last has `grid`
    channels: int  # C: 1 grey, 3 RGB

    def __call__(self, faces: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """Faces float32 [N, C, S, S], normalised.

        Returns:
            Local tokens [N, J, W], row by row; the whole face [N, W]; maps [N, map width, H, W], finest first.
        """
        ...

    def maps_of(self, faces: Tensor) -> list[Tensor]:
        """Only the maps."""
        ...


class TextEncoder(Protocol):
    """Encodes prompts."""

    width: int  # W, of a token's feature and of the feature of the whole prompt

    def __call__(self, tokens: Tensor) -> tuple[Tensor, Tensor]:
        """Padded token numbers int64 [P, L] -> their features [P, L, W] and the whole prompt [P, W]."""
        ...


@dataclass(frozen=True)
class LearntSpace:
    """A pretrained common latent space.

    image: [latent, image width], text: [latent, text width]: projections of the global features, without biases.
    log_scale: logarithm of the factor on cosines.
    """

    image: Tensor
    text: Tensor
    log_scale: float


@dataclass(frozen=True)
class Backend:
    """Everything in which the two back-ends differ."""

    image_encoder: ImageEncoder
    text_encoder: TextEncoder
    tokenizer: Tokenizer
    latent: int  # width of the common latent space
    dropout: float  # before the projections of the image features
    normalisation: Normalisation | None = None  # of the pictures; None: measured on the training faces
    space: LearntSpace | None = None  # None: projections start with random weights
    pretrained: tuple[str, ...] = ()  # name prefixes of pretrained parameters
    pretrained_rate: float = 1.0  # their learning rate relative to the others


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
        """[N, C, H, W] -> [N, channels, H / stride, W / stride]."""
        return torch.relu(self.body(x) + self.skip(x))


class AttentionBlock(nn.Module):
    """Pre-norm transformer block whose queries may attend to another sequence (Vaswani et al., 2017).

    Self attention when `context` is the sequence itself; cross attention otherwise.
    """

    def __init__(self, width: int, heads: int) -> None:
        super().__init__()
        self.norm_query = nn.LayerNorm(width)
        self.norm_context = nn.LayerNorm(width)
        self.attention = nn.MultiheadAttention(width, heads, batch_first=True)
        self.feed_forward = nn.Sequential(
            nn.LayerNorm(width), nn.Linear(width, 2 * width), nn.GELU(), nn.Linear(2 * width, width)
        )

    def forward(self, query: Tensor, context: Tensor, ignore: Tensor | None = None) -> Tensor:
        """Query [N, Q, W], context [N, K, W], ignore bool [N, K] (True: masked out) -> [N, Q, W]."""
        keys = self.norm_context(context)
        attended, _ = self.attention(self.norm_query(query), keys, keys, key_padding_mask=ignore, need_weights=False)
        query = query + attended
        output: Tensor = query + self.feed_forward(query)
        return output


class CompactImageEncoder(nn.Module):
    """Faces [N, 1, S, S] -> local tokens [N, (S/8)^2, width], row by row over the grid, and one feature [N, width].

    The attention block is used only for the whole face: if the local tokens had attended to each other, those at the
    mouth would also carry information about the brows.
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
        """Only the maps."""
        features, maps = faces, []
        for index, stage in enumerate(self.stages):
            features = stage(features)
            if index in self.stage_ends:
                maps.append(features)
        return maps

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor, list[Tensor]]:
        """As in `ImageEncoder`. Faces may have another size than configured; the positions are resampled then."""
        maps = self.maps_of(faces)
        features = maps[-1]
        position: Tensor = self.position
        if features.shape[-1] != self.grid:
            position = nn.functional.interpolate(position, size=features.shape[-2:], mode="bilinear")
        tokens = (features + position).flatten(2).transpose(1, 2)
        return tokens, self.attention(tokens, tokens).mean(1), maps


class CompactTextEncoder(nn.Module):
    """Token numbers [P, L] -> token features [P, L, width] and their mean [P, width].

    Padding is masked out of the attention and of the mean; its own features are meaningless.
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
        """As in `TextEncoder`."""
        ignore = tokens == self.pad
        x = self.embedding(tokens) + self.position[: tokens.shape[1]]
        for block in self.blocks:
            x = block(x, x, ignore)
        features: Tensor = self.norm(x)
        return features, mean_over(features, ~ignore[:, None])[:, 0]


def mean_over(features: Tensor, chosen: Tensor) -> Tensor:
    """Features [P, L, W], chosen bool [P, S, L] -> mean of the chosen tokens [P, S, W]; zeros if none is chosen."""
    weights = chosen.to(features.dtype)
    return weights @ features / weights.sum(-1, keepdim=True).clamp(min=1)
