"""The heads of PMFER, and the model: a back-end's encoders (encoders.py, clip.py) with all heads on them."""

from dataclasses import dataclass
from itertools import pairwise
from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm

from pmfer.config import TrainConfig
from pmfer.covers import REGIONS
from pmfer.encoders import AttentionBlock, Backend, LearntSpace, mean_over
from pmfer.prompts import PromptBatch

MAX_LOG_SCALE = 4.6  # cosines count at most a hundredfold, as in CLIP
HEAD_WIDTHS = (24, 40, 64)  # channels that the visibility head works with, by fineness of its maps
HEAD_HIDDEN = 128


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
