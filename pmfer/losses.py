"""The losses as functions of tensors, their weighted sum for a training step, and the targets of phrases."""

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
from pmfer.prompts import AU_COUNT, NO_PHRASE, PHRASES, class_prompt, collate, face_prompt, phrase_prompt
from pmfer.shapes import EVIDENCE, Evidence, Floats

CLIP = 3.5  # standard deviations
BASE_RATE = {43: 0.005}  # P(AU) for units that depend on no expression; the others use the table's mean over the faces


def au_probability_table() -> Floats:
    """P(AU shown | expression) as float32 [E, A], in the order of EXPRESSIONS and ACTION_UNITS."""
    rows = [[expression.probability(unit.number) for unit in ACTION_UNITS] for expression in EXPRESSIONS]
    return np.array(rows, dtype=np.float32)


@dataclass(frozen=True)
class PhraseTargets:
    """Training targets for the phrases of N faces.

    shown: float32 [N, A] in 0..1, q(AU), the probability that a unit is shown. deviation: float32 [N, A], a face's
    evidence minus the mean of its expression, in standard deviations within the expressions; NaN without evidence.
    """

    shown: Floats
    deviation: Floats


def phrase_targets(votes: Floats, table: Floats, evidence: Floats | None = None) -> PhraseTargets:
    """Targets of phrase alignment from votes and face shapes.

    q = sum over classes c of votes_c * P(AU | c, shape), P(AU | c, shape) = sigmoid(prior_c + b z_c). Here b is the
    unit's `log_odds`, and s is its `expression_share`: prior_c = s logit P(AU | c) + (1 - s) logit P(AU), and z_c is
    the face's evidence minus s times the mean of class c and 1 - s times the mean of all faces, divided by the spread
    within the classes. With s = 1 the table decides how often a class shows a unit, and the shape decides which faces
    of the class show it. With s = 0 the shape alone decides. Without evidence, q = sum of votes_c * P(AU | c).

    Args:
        votes: float32 [N, E], rows sum to 1.
        table: P(AU | c), float32 [E, A], inside (0, 1).
        evidence: as `shapes.evidence` returns it, float32 [N, A], NaN for none.
    """
    from_votes = votes @ table
    if evidence is None:
        return PhraseTargets(from_votes, np.full_like(from_votes, np.nan))
    known = np.isfinite(evidence)
    filled = np.where(known, evidence, 0)
    count = np.maximum(known.sum(0), 1)
    class_mean = (votes.T @ filled) / np.maximum(votes.T @ known.astype(np.float32), 1e-6)
    residual = filled - votes @ class_mean
    spread = np.maximum(np.sqrt((known * residual**2).sum(0) / count), 1e-6)
    share, log_odds, base = (
        np.array(column) for column in zip(*(_constants(u.number) for u in ACTION_UNITS), strict=True)
    )
    base = np.where(np.isnan(base), (known * from_votes).sum(0) / count, base)
    prior = share * _logit(table) + (1 - share) * _logit(np.clip(base, 1e-3, 1 - 1e-3))
    centre = share * class_mean + (1 - share) * filled.sum(0) / count
    z = np.clip((filled[:, None] - centre) / spread, -CLIP, CLIP)
    shown = np.einsum("nc,nca->na", votes, 1 / (1 + np.exp(-(prior + log_odds * z))))
    deviation = np.where(known, np.clip(residual / spread, -CLIP, CLIP), np.nan)
    return PhraseTargets(np.where(known, shown, from_votes).astype(np.float32), deviation.astype(np.float32))


def _constants(number: int) -> tuple[float, float, float]:
    """Expression share, log odds and base rate (NaN: use the table's mean) of a unit."""
    known = EVIDENCE.get(number, Evidence(0.0, {}))
    return known.expression_share, known.log_odds, BASE_RATE.get(number, np.nan)


def _logit(p: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(np.log(p / (1 - p)))


def region_masks(side: int) -> Tensor:
    """Share of each grid cell that lies inside each unit's region: float32 [A, side * side], row by row."""
    edges = torch.linspace(0, 1, side + 1)
    masks = [
        torch.outer(_overlap(edges, top, bottom), _overlap(edges, left, right)).flatten()
        for top, bottom, left, right in (REGION_BOXES[unit.region] for unit in ACTION_UNITS)
    ]
    return torch.stack(masks)


def phrase_regions() -> Tensor:
    """Index of each unit's region in covers.REGIONS, int64 [A]."""
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

    Binary cross entropy, weighted mean over faces and phrases. Weights [N, A] are 0 where the region is covered.
    """
    return _weighted_cross_entropy(logits, targets, weights)


def deviation_loss(logits: Tensor, votes: Tensor, deviation: Tensor, weights: Tensor) -> Tensor:
    """(f) One minus the correlation of phrase logits with the shape of the faces, within the expressions.

    The part of the logits that the votes explain is removed by least squares over the batch. What is left can only be
    learnt from the face itself: a phrase that merely restates the expression gains nothing here.

    Args:
        logits: [N, A].
        votes: [N, E], rows sum to 1.
        deviation: [N, A] of PhraseTargets; any value where the weight is 0.
        weights: [N, A] in 0..1; 0 where there is no evidence or the region is covered.

    Returns:
        Scalar in 0..2, mean over the phrases.
    """
    with torch.autocast(logits.device.type, enabled=False):
        x, y = (_centred(values.float(), votes.float(), weights) for values in (logits, deviation))
        norm = ((weights * x**2).sum(0) * (weights * y**2).sum(0)).clamp(min=1e-6).sqrt()
        known = (weights.sum(0) > votes.shape[1] + 1).float()
        return (known * (1 - (weights * x * y).sum(0) / norm)).sum() / known.sum().clamp(min=1)


def _centred(values: Tensor, votes: Tensor, weights: Tensor) -> Tensor:
    """Residuals of a weighted linear regression of values [N, A] on votes [N, E]."""
    normal = torch.einsum("na,ne,nf->aef", weights, votes, votes) + 1e-2 * torch.eye(
        votes.shape[1], device=votes.device
    )
    moment = torch.einsum("na,ne->ae", weights * values, votes)
    predicted: Tensor = votes @ torch.linalg.solve(normal, moment).T
    return values - predicted


def visibility_loss(logits: Tensor, visible: Tensor) -> Tensor:
    """(g) Binary cross entropy of the visible share of each region. Both [N, R]; NaN where the share is unknown."""
    return _weighted_cross_entropy(logits, visible.nan_to_num(1.0), torch.isfinite(visible).float())


def _weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of binary cross entropies; 0 if all weights are 0."""
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
    """(d) Binary cross entropy of the discriminator; each modality has half the weight, whatever its count.

    Logits of any shape, for faces and for prompts -> scalar.
    """
    images = binary_cross_entropy_with_logits(image_logits.float(), torch.ones_like(image_logits, dtype=torch.float32))
    texts = binary_cross_entropy_with_logits(text_logits.float(), torch.zeros_like(text_logits, dtype=torch.float32))
    return (images + texts) / 2


def reversal_strength(progress: float, largest: float) -> float:
    """Ramp of the reversed gradient, largest * (2 / (1 + exp(-10 p)) - 1) for p in 0..1 (Ganin et al., 2016)."""
    return largest * float(2 / (1 + torch.exp(torch.tensor(-10.0 * progress))) - 1)


UNWEIGHTED = ("classification", "adversary")  # the strength of its reversed gradient is the adversary's weight
MIN_VISIBLE = 0.5  # visible share of a region below which its phrases are left out of the loss


@dataclass(frozen=True)
class Batch:
    """The faces of one training step.

    faces: float32 [N, C, S, S], normalised. votes: float32 [N, E], rows sum to 1. shown and deviation: float32 [N, A],
    as in PhraseTargets. visible: float32 [N, R] in 0..1, the visible share of each region, NaN where it is unknown.
    """

    faces: Tensor
    votes: Tensor
    shown: Tensor
    deviation: Tensor
    visible: Tensor


@dataclass(frozen=True)
class StepLosses:
    """The losses of one training step.

    total: the weighted sum to minimise. parts: scalars for the log by name, without gradients: the unweighted losses,
    the discriminator's accuracy and the modality gap.
    """

    total: Tensor
    parts: dict[str, Tensor]


def compute_losses(model: Pmfer, batch: Batch, config: LossConfig, progress: float, rng: random.Random) -> StepLosses:
    """Compute the losses of one batch.

    Args:
        model: the model in training mode.
        batch: faces and their targets.
        config: weights; a loss of weight 0 is not computed.
        progress: share of the run that is done, 0..1.
        rng: random generator for sampling prompts.
    """
    device, tokenizer = batch.faces.device, model.tokenizer
    images = model.encode_images(batch.faces)
    prompts = [class_prompt(e, rng, config.prompts) for e in EXPRESSIONS for _ in range(config.prompts_per_class)]
    texts = model.encode_prompts(collate(prompts, tokenizer).to(device)).prompts
    classes = normalize(texts.reshape(len(EXPRESSIONS), -1, texts.shape[-1]).mean(1), dim=-1)
    losses = {"classification": classification_loss(model.classify(images.globals, classes), batch.votes)}
    if config.alignment or config.masked_phrase:
        wordings = [phrase_prompt(index, rng.choice(phrase.wordings)) for index, phrase in enumerate(PHRASES)]
        phrases = model.embed_phrases(collate(wordings, tokenizer).to(device))
        if config.alignment:
            losses |= _alignment(model, images, phrases[:AU_COUNT], batch, config)
        if config.masked_phrase:
            count = max(1, int(len(batch.faces) * config.masked_share))
            losses["masked_phrase"] = _masked_phrase(
                model, images.local[:count], batch.shown[:count], phrases, config.mask_rate, rng
            )
    if config.visibility:
        losses["visibility"] = visibility_loss(model.visibility(images.maps), batch.visible)
    diagnostics = {}
    if config.adversary:
        strength = reversal_strength(progress, config.adversary)
        image_logits, text_logits = model.adversary(images.globals, texts, strength)
        losses["adversary"] = adversary_loss(image_logits, text_logits)
        right = ((image_logits > 0).float().mean() + (text_logits <= 0).float().mean()) / 2
        diagnostics["discriminator_accuracy"] = right
    diagnostics["modality_gap"] = (images.globals.mean(0) - texts.mean(0)).norm()
    weights = {name: getattr(config, name) for name in losses if name not in UNWEIGHTED}
    total = torch.stack([weights.get(name, 1.0) * loss for name, loss in losses.items()]).sum()
    return StepLosses(total, {name: value.detach() for name, value in (losses | diagnostics).items()})


def _alignment(
    model: Pmfer, images: ImageFeatures, phrases: Tensor, batch: Batch, config: LossConfig
) -> dict[str, Tensor]:
    """Losses (b) and (f), which leave out covered regions, and loss (e) on the attention."""
    logits, attention = model.alignment(images.local, phrases)
    hidden = batch.visible[:, phrase_regions().to(batch.visible.device)] < MIN_VISIBLE
    weights = (~hidden).float()
    losses = {"alignment": alignment_loss(logits, batch.shown, weights)}
    if config.deviation:
        known = weights * torch.isfinite(batch.deviation)
        losses["deviation"] = deviation_loss(logits, batch.votes, batch.deviation.nan_to_num(0.0), known)
    if config.region:
        side = round(attention.shape[-1] ** 0.5)
        losses["region"] = region_loss(attention, region_masks(side).to(attention.device))
    return losses


def _masked_phrase(
    model: Pmfer, local: Tensor, shown: Tensor, phrases: Tensor, mask_rate: float, rng: random.Random
) -> Tensor:
    """Loss (c): each face gets a prompt that describes what it shows."""
    batch = collate([face_prompt(row, rng, mask_rate) for row in shown.tolist()], model.tokenizer).to(shown.device)
    slots = model.encode_prompts(batch).slots
    return masked_phrase_loss(model.masked_phrase(slots, local, phrases), batch.targets)
