"""The PMFER model: the encoders of a back-end (encoders.py, clip.py) with all heads on top."""

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

MAX_LOG_SCALE = 4.6  # cosines are scaled by at most about 100, as in CLIP
HEAD_WIDTHS = (24, 40, 64)  # channels inside the visibility head, finest map first
HEAD_HIDDEN = 128


class PhraseAlignment(nn.Module):
    """Attends to the local tokens for every phrase, independently of the other phrases.

    score(n, a) = scale * cos(sum_j alpha(n, a, j) v_j, p_a) + bias(p_a), alpha = softmax_j(q(p_a) . k_j / sqrt(D)).
    The bias is a function of the phrase embedding, so that a phrase that was not in training has one as well.
    Attention pooling per phrase is our interpretation of the paper's fine-grained alignment.
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
    """Predicts dropped phrases: the slots (query) attend to the local tokens (key, value)."""

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
    """Predicts how visible each region of the face is, from the encoder's feature maps of several resolutions.

    The coarse map says where each part of the face is. The fine ones show edges and textures, which tell a hand from a
    cheek. From fine to coarse, each map is projected to fewer channels and added to the downsampled result of the finer
    ones. The last map is read with weights for every position, because crops are upright and framed alike.

    Args:
        widths: channels of the maps, finest first.
        grid: side of the last map.
        regions: number of regions R.
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
        """Maps [N, width, H, W], finest first -> logits [N, R]."""
        found = torch.relu(self.narrow[0](maps[0]))
        for narrow, down, coarser in zip(self.narrow[1:], self.down, maps[1:], strict=True):
            found = torch.relu(narrow(coarser) + down(found))
        if found.shape[-1] != self.grid:  # the faces do not have the configured size
            found = nn.functional.interpolate(found, size=(self.grid, self.grid), mode="bilinear")
        logits: Tensor = self.read(found)
        return logits


def _normed(channels_in: int, channels: int, side: int) -> nn.Sequential:
    """A 1x1 convolution, or a 3x3 convolution with stride 2, followed by batch normalisation."""
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
    """Identity in the forward pass; the gradient times minus `strength` in the backward pass (Ganin et al., 2016)."""
    return _Reverse.apply(x, strength)  # type: ignore[no-any-return, no-untyped-call]


class ModalityAdversary(nn.Module):
    """A three-layer discriminator that tells image embeddings from text embeddings.

    Both embeddings pass through a gradient reversal first, so that both encoders learn to hide the modality. Its layers
    are spectrally normalised (Miyato et al., 2018). Without that bound, the discriminator learns within one epoch to
    tell a few prompts from a cloud of faces with certainty; its cross entropy is then flat and the reversed gradient
    vanishes.
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
        """Images [N, D], texts [P, D] -> logits of being an image, [N] and [P]."""
        image_logits = self.layers(reverse_gradient(images, strength)).squeeze(-1)
        text_logits = self.layers(reverse_gradient(texts, strength)).squeeze(-1)
        return image_logits, text_logits


@dataclass(frozen=True)
class ImageFeatures:
    """globals: [N, D], unit length. local: [N, J, D]. maps: those of `ImageEncoder`, finest first."""

    globals: Tensor
    local: Tensor
    maps: list[Tensor]


@dataclass(frozen=True)
class TextFeatures:
    """prompts: [P, D], unit length. slots: [P, S, text width], mean over each phrase's tokens."""

    prompts: Tensor
    slots: Tensor


class Pmfer(nn.Module):
    """The PMFER model.

    Args:
        config: `config.size_px` is the side of the faces, `config.loss.prompts` the kind of prompts.
        backend: encoders and tokenizer, which become part of the model.
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
            self._load_space(backend.space)

    def is_pretrained(self, name: str) -> bool:
        """Whether the parameter `name` was loaded from a pretrained checkpoint of the back-end."""
        return name.startswith(self.pretrained)

    @torch.no_grad()
    def _load_space(self, space: LearntSpace) -> None:
        for projection, weight in ((self.image_global, space.image), (self.text_global, space.text)):
            projection.weight.copy_(weight)
            projection.bias.zero_()
        self.log_scale.fill_(min(space.log_scale, MAX_LOG_SCALE))

    def encode_images(self, faces: Tensor) -> ImageFeatures:
        """Embed normalised faces [N, C, S, S] in the latent space."""
        tokens, whole, maps = self.image_encoder(faces)
        whole = self.image_global(self.dropout(whole))
        return ImageFeatures(normalize(whole.float(), dim=-1), self.image_local(self.dropout(tokens)), maps)

    def encode_prompts(self, batch: PromptBatch) -> TextFeatures:
        """Embed prompts in the latent space; also returns the features of each phrase slot."""
        features, whole = self.text_encoder(batch.tokens)
        slot_numbers = torch.arange(batch.targets.shape[1], device=features.device)
        slots = mean_over(features, batch.slots[:, None] == slot_numbers[None, :, None])
        return TextFeatures(normalize(self.text_global(whole).float(), dim=-1), slots)

    def embed_phrases(self, batch: PromptBatch) -> Tensor:
        """Embed one-phrase prompts as [P, D] of unit length, pooled over the tokens of the phrase."""
        slots = self.encode_prompts(batch).slots[:, 0]
        return normalize(self.text_global(slots).float(), dim=-1)

    def classify(self, images: Tensor, classes: Tensor) -> Tensor:
        """Image embeddings [N, D], class embeddings [E, D] -> logits [N, E]: cosines over a learnt temperature."""
        return self.log_scale.clamp(max=MAX_LOG_SCALE).exp() * images @ classes.T
