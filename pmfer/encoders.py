"""The compact back-end's encoders, from scratch: a residual CNN with a little attention, and a text transformer."""

import torch
from torch import Tensor, nn

from pmfer.config import ModelConfig
from pmfer.tokenizer import MAX_TOKENS


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
        self.width = channels_in
        self.grid = size_px // 2 ** (len(config.channels) - 1)
        self.position = nn.Parameter(torch.zeros(1, self.width, self.grid, self.grid))
        self.attention = AttentionBlock(self.width, config.heads)

    def forward(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Encode. A size other than the configured one is allowed: positions are resampled to its grid."""
        features = self.stages(faces)
        position: Tensor = self.position
        if features.shape[-1] != self.grid:
            position = nn.functional.interpolate(position, size=features.shape[-2:], mode="bilinear")
        tokens = (features + position).flatten(2).transpose(1, 2)
        return tokens, self.attention(tokens, tokens).mean(1)


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
