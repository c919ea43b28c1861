"""PMFER: both encoders, the common latent space and the heads on it."""

from dataclasses import dataclass

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize

from pmfer.config import TrainConfig
from pmfer.encoders import CompactImageEncoder, CompactTextEncoder
from pmfer.heads import MaskedPhraseHead, ModalityAdversary, PhraseAlignment
from pmfer.prompts import PromptBatch
from pmfer.tokenizer import WordTokenizer


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
    """The compact PMFER.

    Args:
        config: sizes; `config.size_px` is the side of the faces.
        tokenizer: gives the text vocabulary.
    """

    def __init__(self, config: TrainConfig, tokenizer: WordTokenizer) -> None:
        super().__init__()
        sizes = config.model
        self.prompt_style = config.loss.prompts
        self.image_encoder = CompactImageEncoder(sizes, config.size_px)
        self.text_encoder = CompactTextEncoder(sizes, len(tokenizer), tokenizer.pad)
        self.dropout = nn.Dropout(sizes.dropout)
        self.image_global = nn.Linear(self.image_encoder.width, sizes.latent)
        self.image_local = nn.Linear(self.image_encoder.width, sizes.latent)
        self.text_global = nn.Linear(self.text_encoder.width, sizes.latent)
        self.alignment = PhraseAlignment(sizes.latent)
        self.masked_phrase = MaskedPhraseHead(self.text_encoder.width, sizes.latent)
        self.adversary = ModalityAdversary(sizes.latent)
        self.log_scale = nn.Parameter(torch.tensor(2.5))

    def encode_images(self, faces: Tensor) -> ImageFeatures:
        """Faces [N, 1, S, S], normalised, to their place in the latent space."""
        tokens, whole = self.image_encoder(faces)
        whole = self.image_global(self.dropout(whole))
        return ImageFeatures(normalize(whole.float(), dim=-1), self.image_local(self.dropout(tokens)))

    def encode_prompts(self, batch: PromptBatch) -> TextFeatures:
        """Prompts to their place in the latent space, with the features of each phrase slot."""
        features = self.text_encoder(batch.tokens)
        whole = _mean_over(features, (batch.tokens != self.text_encoder.pad)[:, None])
        slot_numbers = torch.arange(batch.targets.shape[1], device=features.device)
        slots = _mean_over(features, batch.slots[:, None] == slot_numbers[None, :, None])
        return TextFeatures(normalize(self.text_global(whole[:, 0]).float(), dim=-1), slots)

    def embed_phrases(self, batch: PromptBatch) -> Tensor:
        """One-phrase prompts to phrase embeddings [P, D] of unit length, pooled over the phrase's span."""
        slots = self.encode_prompts(batch).slots[:, 0]
        return normalize(self.text_global(slots).float(), dim=-1)

    def classify(self, images: Tensor, classes: Tensor) -> Tensor:
        """Image embeddings [N, D] and class embeddings [E, D] to logits [N, E]: cosine over a learnt temperature."""
        return self.log_scale.clamp(max=4.6).exp() * images @ classes.T


def _mean_over(features: Tensor, chosen: Tensor) -> Tensor:
    """Features [P, L, W], chosen bool [P, S, L] -> mean of the chosen tokens [P, S, W]; zeros where none is chosen."""
    weights = chosen.to(features.dtype)
    return weights @ features / weights.sum(-1, keepdim=True).clamp(min=1)
