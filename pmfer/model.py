"""PMFER: both encoders, the common latent space and the heads on it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pmfer.backend import Backend, LearntSpace
from pmfer.config import TrainConfig
from pmfer.covers import REGIONS
from pmfer.encoders import mean_over
from pmfer.heads import MaskedPhraseHead, ModalityAdversary, PhraseAlignment, VisibilityHead
from pmfer.prompts import PromptBatch

MAX_LOG_SCALE = 4.6  # cosines count at most a hundredfold, as in CLIP


@dataclass(frozen=True)
class ImageFeatures:
    """globals: [N, D], unit length. local: [N, J, D]."""

    globals: Tensor
    local: Tensor


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
        self.visibility = VisibilityHead(latent, len(REGIONS))
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
        tokens, whole = self.image_encoder(faces)
        whole = self.image_global(self.dropout(whole))
        return ImageFeatures(normalize(whole.float(), dim=-1), self.image_local(self.dropout(tokens)))

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
