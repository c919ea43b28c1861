"""What PMFER asks of a back-end: two encoders, a tokenizer, and where its weights start.

The heads, the losses, the export and the prompts know these types only. `pmfer/build.py` assembles the back-end that a
configuration names.
"""

from dataclasses import dataclass
from typing import Protocol

from torch import Tensor

from pmfer.augment import Normalisation


class Tokenizer(Protocol):
    """Turns text into token numbers."""

    pad: int  # fills a row up to the longest of its batch
    mask: int  # stands for a dropped phrase, whatever its length
    begin: tuple[int, ...]  # before every prompt; belongs to no phrase
    end: tuple[int, ...]  # after every prompt; belongs to no phrase
    max_tokens: int  # longest prompt that the text encoder takes, begin and end included

    def encode(self, text: str) -> list[int]:
        """Token numbers of `text` alone, without begin and end."""
        ...


class ImageEncoder(Protocol):
    """Looks at faces."""

    width: int  # W, of a local token and of the feature of the whole face
    grid: int  # side of the grid of local tokens at the configured size
    channels: int  # C: 1 grey, 3 RGB

    def __call__(self, faces: Tensor) -> tuple[Tensor, Tensor]:
        """Faces float32 [N, C, S, S], normalised -> local tokens [N, J, W], row by row, and the whole face [N, W]."""
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
