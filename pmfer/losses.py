"""The losses: each a plain function of tensors; their weighted sum over a training step, and the targets of phrases."""

import random
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax, normalize

from pmfer.config import LossConfig
from pmfer.covers import REGIONS
from pmfer.expressions import EXPRESSIONS
from pmfer.facs import ACTION_UNITS, REGION_BOXES
from pmfer.model import ImageFeatures, Pmfer
from pmfer.prompts import AU_COUNT, NO_PHRASE, PHRASES, Tokenizer, class_prompt, collate, face_prompt, phrase_prompt
from pmfer.shapes import EVIDENCE, Evidence, Floats

CLIP = 3.5  # standard deviations
BASE_RATE = {43: 0.005}  # P(AU) where no expression has a say; elsewhere the mean of the table over the faces


def au_probability_table() -> Floats:
    """P(AU shown | expression) as float32 [E, A], in the order of EXPRESSIONS and ACTION_UNITS."""
    rows = [[expression.probability(unit.number) for unit in ACTION_UNITS] for expression in EXPRESSIONS]
    return np.array(rows, dtype=np.float32)


@dataclass(frozen=True)
class PhraseTargets:
    """What training wants of the phrases of N faces.

    shown: float32 [N, A] in 0..1, q(AU). deviation: float32 [N, A], a face's evidence against the mean of its
    expression, in standard deviations inside the expressions; NaN where its shape says nothing.
    """

    shown: Floats
    deviation: Floats


def phrase_targets(votes: Floats, table: Floats, seen: Floats | None = None) -> PhraseTargets:
    """Targets of phrase alignment from votes and shapes.

    q = sum over classes c of votes_c * P(AU | c, shape), P(AU | c, shape) = sigmoid(prior_c + b z_c). With the share s
    that the expression has in a unit, prior_c = s logit P(AU | c) + (1 - s) logit P(AU), and z_c is the face's evidence
    less s times the mean of its class and 1 - s times that of all faces, over the spread inside the classes. At s = 1
    how often a class shows a unit stays with the table, and which faces of the class show it comes from their shape; at
    s = 0 the shape decides alone. Without evidence q = sum of votes_c * P(AU | c).

    Args:
        votes: float32 [N, E], rows sum to 1.
        table: P(AU | c), float32 [E, A], inside (0, 1).
        seen: of `evidence`, float32 [N, A] with NaN for none.
    """
    plain = votes @ table
    if seen is None:
        return PhraseTargets(plain, np.full_like(plain, np.nan))
    known = np.isfinite(seen)
    filled = np.where(known, seen, 0)
    count = np.maximum(known.sum(0), 1)
    of_class = (votes.T @ filled) / np.maximum(votes.T @ known.astype(np.float32), 1e-6)
    inside = filled - votes @ of_class
    spread = np.maximum(np.sqrt((known * inside**2).sum(0) / count), 1e-6)
    share, log_odds, base = (
        np.array(column) for column in zip(*(_constants(u.number) for u in ACTION_UNITS), strict=True)
    )
    base = np.where(np.isnan(base), (known * plain).sum(0) / count, base)
    prior = share * _logit(table) + (1 - share) * _logit(np.clip(base, 1e-3, 1 - 1e-3))
    centre = share * of_class + (1 - share) * filled.sum(0) / count
    z = np.clip((filled[:, None] - centre) / spread, -CLIP, CLIP)
    shown = np.einsum("nc,nca->na", votes, 1 / (1 + np.exp(-(prior + log_odds * z))))
    deviation = np.where(known, np.clip(inside / spread, -CLIP, CLIP), np.nan)
    return PhraseTargets(np.where(known, shown, plain).astype(np.float32), deviation.astype(np.float32))


def _constants(number: int) -> tuple[float, float, float]:
    """Share of the expression, log odds and base rate (NaN: that of the table) of a unit."""
    known = EVIDENCE.get(number, Evidence(0.0, {}))
    return known.expression_share, known.log_odds, BASE_RATE.get(number, np.nan)


def _logit(p: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(np.log(p / (1 - p)))


def region_masks(side: int) -> Tensor:
    """Float32 [A, side * side]: share of each grid cell that lies inside the unit's region, row by row."""
    edges = torch.linspace(0, 1, side + 1)
    masks = [
        torch.outer(_overlap(edges, top, bottom), _overlap(edges, left, right)).flatten()
        for top, bottom, left, right in (REGION_BOXES[unit.region] for unit in ACTION_UNITS)
    ]
    return torch.stack(masks)


def phrase_regions() -> Tensor:
    """Int64 [A]: number of each unit's region in covers.REGIONS."""
    return torch.tensor([REGIONS.index(unit.region) for unit in ACTION_UNITS])


def _overlap(edges: Tensor, low: float, high: float) -> Tensor:
    """Share of each interval between neighbouring edges that lies in [low, high]."""
    length = edges[1] - edges[0]
    return ((edges[1:].clamp(max=high) - edges[:-1].clamp(min=low)) / length).clamp(0, 1)


def classification_loss(logits: Tensor, votes: Tensor) -> Tensor:
    """(a) Soft cross entropy. logits [N, E], votes [N, E] (rows sum to 1) -> scalar."""
    return -(votes * log_softmax(logits.float(), dim=-1)).sum(-1).mean()


def alignment_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """(b) Phrase alignment. logits [N, A], soft targets q(AU) [N, A] in 0..1 (phrase_targets) -> scalar.

    Binary cross entropy, weighted mean over faces and phrases: weights [N, A] leave out what is covered.
    """
    return _weighted_cross_entropy(logits, targets, weights)


def deviation_loss(logits: Tensor, votes: Tensor, deviation: Tensor, weights: Tensor) -> Tensor:
    """(f) One minus the correlation of phrase logits with the shape of the faces, inside the expressions.

    The share of the votes is taken out of the logits by least squares over the batch, so that what is left can only be
    told from the face: a phrase that restates the expression earns nothing here.

    Args:
        logits: [N, A].
        votes: [N, E], rows sum to 1.
        deviation: [N, A] of geometry.PhraseTargets, anything where the weight is 0.
        weights: [N, A] in 0..1; 0 where the shape says nothing or is covered.

    Returns:
        Scalar in 0..2, mean over the phrases.
    """
    with torch.autocast(logits.device.type, enabled=False):
        x, y = (_centred(values.float(), votes.float(), weights) for values in (logits, deviation))
        norm = ((weights * x**2).sum(0) * (weights * y**2).sum(0)).clamp(min=1e-6).sqrt()
        known = (weights.sum(0) > votes.shape[1] + 1).float()
        return (known * (1 - (weights * x * y).sum(0) / norm)).sum() / known.sum().clamp(min=1)


def _centred(values: Tensor, votes: Tensor, weights: Tensor) -> Tensor:
    """Values [N, A] less what a weighted linear function of the votes [N, E] says of them."""
    normal = torch.einsum("na,ne,nf->aef", weights, votes, votes) + 1e-2 * torch.eye(
        votes.shape[1], device=votes.device
    )
    moment = torch.einsum("na,ne->ae", weights * values, votes)
    told: Tensor = votes @ torch.linalg.solve(normal, moment).T
    return values - told


def visibility_loss(logits: Tensor, visible: Tensor) -> Tensor:
    """(g) Binary cross entropy of the visible share of each region. Both [N, R]; NaN where the share is unknown."""
    return _weighted_cross_entropy(logits, visible.nan_to_num(1.0), torch.isfinite(visible).float())


def _weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of binary cross entropies, 0 where nothing counts."""
    summed = binary_cross_entropy_with_logits(logits.float(), targets, weights, reduction="sum")
    return summed / weights.sum().clamp(min=1)


def region_loss(attention: Tensor, masks: Tensor) -> Tensor:
    """(e) Minus the logarithm of the attention inside the phrase's region.

    attention [N, A, J] (sums to 1 over J), masks [A, J] in 0..1 (`region_masks`) -> scalar, mean over both.
    """
    inside = (attention.float() * masks).sum(-1)
    return -inside.clamp(min=1e-4).log().mean()


def masked_phrase_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """(c) Cross entropy of the dropped phrases. logits [N, S, V], targets int64 [N, S] -> scalar, mean over slots."""
    return cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=NO_PHRASE)


def adversary_loss(image_logits: Tensor, text_logits: Tensor) -> Tensor:
    """(d) Binary cross entropy of the discriminator, each modality weighing one half whatever its count.

    Its logits of any shape, for faces and for prompts -> scalar.
    """
    images = binary_cross_entropy_with_logits(image_logits.float(), torch.ones_like(image_logits, dtype=torch.float32))
    texts = binary_cross_entropy_with_logits(text_logits.float(), torch.zeros_like(text_logits, dtype=torch.float32))
    return (images + texts) / 2


def reversal_strength(progress: float, largest: float) -> float:
    """Ramp of the reversed gradient, largest * (2 / (1 + exp(-10 p)) - 1) for p in 0..1 (Ganin et al., 2016)."""
    return largest * float(2 / (1 + torch.exp(torch.tensor(-10.0 * progress))) - 1)


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
    """The weighted sum to minimise, and by name what goes to the log.

    parts: scalars without gradients, unweighted losses and states of the adversary.
    """

    total: Tensor
    parts: dict[str, Tensor]


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
        losses["visibility"] = visibility_loss(model.visibility(images.maps), batch.visible)
    states = {}
    if config.adversary:
        strength = reversal_strength(progress, config.adversary)
        image_logits, text_logits = model.adversary(images.globals, texts, strength)
        losses["adversary"] = adversary_loss(image_logits, text_logits)
        right = ((image_logits > 0).float().mean() + (text_logits <= 0).float().mean()) / 2
        states["discriminator_accuracy"] = right
    states["modality_gap"] = (images.globals.mean(0) - texts.mean(0)).norm()
    weights = {name: getattr(config, name) for name in losses if name not in UNWEIGHTED}
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    return StepLosses(total, {name: value.detach() for name, value in (losses | states).items()})


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
