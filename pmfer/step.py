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
    deviation_loss,
    masked_phrase_loss,
    region_loss,
    reversal_strength,
    visibility_loss,
)
from pmfer.model import ImageFeatures, Pmfer
from pmfer.prompts import AU_COUNT, PHRASES, class_prompt, collate, face_prompt, phrase_prompt
from pmfer.regions import phrase_regions, region_masks

UNWEIGHTED = ("classification", "adversary")  # the adversary is weighed by the strength of its reversed gradient
MIN_VISIBLE = 0.5  # share of a region below which its phrases cannot be told


@dataclass(frozen=True)
class Batch:
    """Faces of one step.

    faces: float32 [N, C, S, S], normalised. votes: float32 [N, E], rows sum to 1. shown: float32 [N, A] in 0..1, the
    phrase targets. deviation: float32 [N, A] of geometry.PhraseTargets, NaN where the shape says nothing. visible:
    float32 [N, R] in 0..1, the visible share of each region, NaN where it is unknown.
    """

    faces: Tensor
    votes: Tensor
    shown: Tensor
    deviation: Tensor
    visible: Tensor


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
    device = batch.faces.device
    images = model.encode_images(batch.faces)
    prompts = [class_prompt(e, dice, config.prompts) for e in EXPRESSIONS for _ in range(config.prompts_per_class)]
    texts = model.encode_prompts(collate(prompts, tokenizer).to(device)).prompts
    classes = normalize(texts.reshape(len(EXPRESSIONS), -1, texts.shape[-1]).mean(1), dim=-1)
    losses = {"classification": classification_loss(model.classify(images.globals, classes), batch.votes)}
    if config.alignment or config.masked_phrase:
        wordings = [phrase_prompt(index, dice.choice(phrase.wordings)) for index, phrase in enumerate(PHRASES)]
        phrases = model.embed_phrases(collate(wordings, tokenizer).to(device))
        if config.alignment:
            losses |= _alignment(model, images, phrases[:AU_COUNT], batch, config)
        if config.masked_phrase:
            count = max(1, int(len(batch.faces) * config.masked_share))
            losses["masked_phrase"] = _masked_phrase(
                model, tokenizer, images.local[:count], batch.shown[:count], phrases, config.mask_rate, dice
            )
    if config.visibility:
        known = torch.isfinite(batch.visible)
        logits = model.visibility(images.local)
        losses["visibility"] = visibility_loss(logits, batch.visible.nan_to_num(1.0), known.float())
    states = {}
    if config.adversary:
        strength = reversal_strength(progress, config.adversary)
        image_logits, text_logits = model.adversary(images.globals, texts, strength)
        losses["adversary"] = adversary_loss(image_logits, text_logits)
        right = ((image_logits > 0).float().mean() + (text_logits <= 0).float().mean()) / 2
        states["discriminator_accuracy"] = right.item()
    states["modality_gap"] = (images.globals.mean(0) - texts.mean(0)).norm().item()
    weights = {name: getattr(config, name) for name in losses if name not in UNWEIGHTED}
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    return StepLosses(total, {name: loss.item() for name, loss in losses.items()} | states)


def _alignment(
    model: Pmfer, images: ImageFeatures, phrases: Tensor, batch: Batch, config: LossConfig
) -> dict[str, Tensor]:
    """Losses (b) and (f), and loss (e) on the attention; what is covered is not asked for."""
    logits, attention = model.alignment(images.local, phrases)
    hidden = batch.visible[:, phrase_regions().to(batch.visible.device)] < MIN_VISIBLE
    asked = (~hidden).float()
    losses = {"alignment": alignment_loss(logits, batch.shown, asked)}
    if config.deviation:
        known = asked * torch.isfinite(batch.deviation)
        losses["deviation"] = deviation_loss(logits, batch.votes, batch.deviation.nan_to_num(0.0), known)
    if config.region:
        side = round(attention.shape[-1] ** 0.5)
        losses["region"] = region_loss(attention, region_masks(side).to(attention.device))
    return losses


def _masked_phrase(
    model: Pmfer,
    tokenizer: Tokenizer,
    local: Tensor,
    shown: Tensor,
    phrases: Tensor,
    mask_rate: float,
    dice: random.Random,
) -> Tensor:
    """Loss (c): each face gets a prompt of what it shows."""
    batch = collate([face_prompt(row, dice, mask_rate) for row in shown.tolist()], tokenizer).to(shown.device)
    slots = model.encode_prompts(batch).slots
    return masked_phrase_loss(model.masked_phrase(slots, local, phrases), batch.targets)
