"""One training step: sample prompts, encode both sides, weigh the losses."""

import random
from dataclasses import dataclass

import torch
from torch import Tensor
from torch.nn.functional import normalize

from pmfer.backend import Tokenizer
from pmfer.config import LossConfig
from pmfer.expressions import EXPRESSIONS
from pmfer.losses import (
    adversary_loss,
    alignment_loss,
    classification_loss,
    masked_phrase_loss,
    region_loss,
    reversal_strength,
)
from pmfer.model import ImageFeatures, Pmfer
from pmfer.prompts import AU_COUNT, PHRASES, class_prompt, collate, phrase_prompt, sample_prompt
from pmfer.regions import region_masks


@dataclass(frozen=True)
class Batch:
    """Faces of one step.

    faces: float32 [N, C, S, S], normalised. votes: float32 [N, E], rows sum to 1. phrase_targets: float32 [N, A] in
    0..1. mixed: how many of the last faces are halves of two; they have no expression and serve phrase alignment only.
    """

    faces: Tensor
    votes: Tensor
    phrase_targets: Tensor
    mixed: int = 0


@dataclass(frozen=True)
class StepLosses:
    """The weighted sum to minimise, and by name what goes to the log: unweighted losses and states of the adversary."""

    total: Tensor
    parts: dict[str, float]


def compute_losses(
    model: Pmfer, tokenizer: Tokenizer, batch: Batch, config: LossConfig, progress: float, dice: random.Random
) -> StepLosses:
    """Losses of one batch.

    Args:
        model: the model in training mode.
        tokenizer: of the prompts.
        batch: faces and what is known of them.
        config: weights; a part of weight 0 is not computed.
        progress: part of the run done, 0..1.
        dice: source of the prompts' randomness.
    """
    images = model.encode_images(batch.faces)
    whole = len(batch.faces) - batch.mixed
    prompts = [class_prompt(e, dice, config.prompts) for e in EXPRESSIONS for _ in range(config.prompts_per_class)]
    texts = model.encode_prompts(collate(prompts, tokenizer).to(batch.faces.device)).prompts
    classes = normalize(texts.reshape(len(EXPRESSIONS), -1, texts.shape[-1]).mean(1), dim=-1)
    logits = model.classify(images.globals[:whole], classes)
    losses = {"classification": classification_loss(logits, batch.votes[:whole])}
    if config.alignment or config.masked_phrase:
        wordings = [phrase_prompt(index, dice.choice(phrase.wordings)) for index, phrase in enumerate(PHRASES)]
        phrases = model.embed_phrases(collate(wordings, tokenizer).to(batch.faces.device))
        if config.alignment:
            losses |= _alignment(model, images, phrases[:AU_COUNT], batch.phrase_targets, config)
        if config.masked_phrase:
            count = max(1, int(whole * config.masked_share))
            losses["masked_phrase"] = _masked_phrase(
                model, tokenizer, images.local[:count], batch.votes[:count], phrases, config.mask_rate, dice
            )
    states = {}
    if config.adversary:
        strength = reversal_strength(progress, config.adversary)
        image_logits, text_logits = model.adversary(images.globals[:whole], texts, strength)
        losses["adversary"] = adversary_loss(image_logits, text_logits)
        right = ((image_logits > 0).float().mean() + (text_logits <= 0).float().mean()) / 2
        states["discriminator_accuracy"] = right.item()
    states["modality_gap"] = (images.globals[:whole].mean(0) - texts.mean(0)).norm().item()
    weights = {"alignment": config.alignment, "region": config.region, "masked_phrase": config.masked_phrase}
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    return StepLosses(total, {name: loss.item() for name, loss in losses.items()} | states)


def _alignment(
    model: Pmfer, images: ImageFeatures, phrases: Tensor, targets: Tensor, config: LossConfig
) -> dict[str, Tensor]:
    """Loss (b), and loss (e) on its attention."""
    logits, attention = model.alignment(images.local, phrases)
    losses = {"alignment": alignment_loss(logits, targets)}
    if config.region:
        side = round(attention.shape[-1] ** 0.5)
        losses["region"] = region_loss(attention, region_masks(side).to(attention.device))
    return losses


def _masked_phrase(
    model: Pmfer,
    tokenizer: Tokenizer,
    local: Tensor,
    votes: Tensor,
    phrases: Tensor,
    mask_rate: float,
    dice: random.Random,
) -> Tensor:
    """Loss (c): each face gets a prompt of a class drawn from its votes."""
    drawn = [dice.choices(EXPRESSIONS, weights=row)[0] for row in votes.tolist()]
    batch = collate([sample_prompt(e, dice, mask_rate) for e in drawn], tokenizer).to(votes.device)
    slots = model.encode_prompts(batch).slots
    return masked_phrase_loss(model.masked_phrase(slots, local, phrases), batch.targets)
