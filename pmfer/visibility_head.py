"""The head that tells how visible each region of a face is. It can be trained alone (train_head.py)."""

from itertools import pairwise

import torch
from torch import Tensor, nn

HEAD_WIDTHS = (24, 40, 64)  # channels that the visibility head works with, by fineness of its maps
HEAD_HIDDEN = 128


class VisibilityHead(nn.Module):
    """Tells how visible each region of the face is, from the encoder's maps of several finenesses.

    The coarse map says which part of a face is where and the fine ones show edges and textures, by which a hand is told
    from a cheek. From fine to coarse each map is narrowed and added to what the finer ones gave; the last one is read
    place by place, because crops are upright and framed alike.

    Args:
        widths: channels of the maps, the finest first.
        grid: side of the last one.
        regions: how many are told.
    """

    def __init__(self, widths: tuple[int, ...], grid: int, regions: int) -> None:
        super().__init__()
        own = HEAD_WIDTHS[-len(widths) :]
        self.grid = grid
        self.narrow = nn.ModuleList(_normed(wide, narrow, 1) for wide, narrow in zip(widths, own, strict=True))
        self.down = nn.ModuleList(_normed(fine, coarse, 3) for fine, coarse in pairwise(own))
        self.read = nn.Sequential(
            nn.Flatten(),
            nn.Dropout(0.2),
            nn.Linear(own[-1] * grid**2, HEAD_HIDDEN),
            nn.ReLU(inplace=True),
            nn.Linear(HEAD_HIDDEN, regions),
        )

    def forward(self, maps: list[Tensor]) -> Tensor:
        """Maps [N, width, H, W], the finest first -> logits [N, R]."""
        found = torch.relu(self.narrow[0](maps[0]))
        for narrow, down, coarser in zip(self.narrow[1:], self.down, maps[1:], strict=True):
            found = torch.relu(narrow(coarser) + down(found))
        if found.shape[-1] != self.grid:  # faces of another size than the configured one
            found = nn.functional.interpolate(found, size=(self.grid, self.grid), mode="bilinear")
        logits: Tensor = self.read(found)
        return logits


def _normed(channels_in: int, channels: int, side: int) -> nn.Sequential:
    """A convolution of one or of three pixels' side, which halves the map then, and batch normalisation."""
    stride = 2 if side == 3 else 1
    return nn.Sequential(
        nn.Conv2d(channels_in, channels, side, stride, side // 2, bias=False), nn.BatchNorm2d(channels)
    )
