"""One training step: sample prompts, encode both sides, weigh the losses."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor

from pmfer.config import LossConfig
from pmfer.expressions import EXPRESSIONS
from pmfer.losses import (
    adversary_loss,
    alignment_loss,
    classification_loss,
    masked_phrase_loss,
    reversal_strength,
)
from pmfer.model import ImageFeatures, Pmfer
from pmfer.prompts import AU_COUNT, PHRASES, collate, phrase_prompt, sample_prompt
from pmfer.tokenizer import WordTokenizer


@dataclass(frozen=True)
class StepLosses:
    """The weighted sum to minimise, and its unweighted parts by name for the log."""

    total: Tensor
    parts: dict[str, float]


def compute_losses(
    model: Pmfer,
    tokenizer: WordTokenizer,
    faces: Tensor,
    votes: Tensor,
    table: Tensor,
    config: LossConfig,
    progress: float,
    dice: random.Random,
) -> StepLosses:
    """Losses of one batch.

    Args:
        model: the model in training mode.
        tokenizer: of the prompts.
        faces: float32 [N, 1, S, S], normalised.
        votes: float32 [N, E], rows sum to 1.
        table: P(AU | expression), float32 [E, A].
        config: weights; a part of weight 0 is not computed.
        progress: part of the run done, 0..1.
        dice: source of the prompts' randomness.
    """
    device = faces.device
    images = model.encode_images(faces)
    prompts = [sample_prompt(e, dice) for e in EXPRESSIONS for _ in range(config.prompts_per_class)]
    texts = model.encode_prompts(collate(prompts, tokenizer).to(device)).prompts
    classes = torch.nn.functional.normalize(texts.reshape(len(EXPRESSIONS), -1, texts.shape[-1]).mean(1), dim=-1)
    losses = {"classification": classification_loss(model.classify(images.globals, classes), votes)}
    if config.alignment or config.masked_phrase:
        wordings = [phrase_prompt(index, dice.choice(phrase.wordings)) for index, phrase in enumerate(PHRASES)]
        phrases = model.embed_phrases(collate(wordings, tokenizer).to(device))
        if config.alignment:
            logits, _ = model.alignment(images.local, phrases[:AU_COUNT])
            losses["alignment"] = alignment_loss(logits, votes, table)
        if config.masked_phrase:
            losses["masked_phrase"] = _masked_phrase(model, tokenizer, images, votes, phrases, config, dice)
    if config.adversary:
        strength = reversal_strength(progress, config.adversary)
        losses["adversary"] = adversary_loss(*model.adversary(images.globals, texts, strength))
    weights = {"alignment": config.alignment, "masked_phrase": config.masked_phrase}
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    return StepLosses(total, {name: loss.item() for name, loss in losses.items()})


def _masked_phrase(
    model: Pmfer,
    tokenizer: WordTokenizer,
    images: ImageFeatures,
    votes: Tensor,
    phrases: Tensor,
    config: LossConfig,
    dice: random.Random,
) -> Tensor:
    """Loss (c) on the first part of the batch: each face gets a prompt of a class drawn from its votes."""
    count = max(1, int(len(votes) * config.masked_share))
    drawn = [dice.choices(EXPRESSIONS, weights=row)[0] for row in votes[:count].tolist()]
    batch = collate([sample_prompt(e, dice, config.mask_rate) for e in drawn], tokenizer).to(votes.device)
    slots = model.encode_prompts(batch).slots
    logits = model.masked_phrase(slots, images.local[:count], phrases)
    return masked_phrase_loss(logits, batch.targets)
