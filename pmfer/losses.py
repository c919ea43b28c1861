"""The losses of a training step, each a plain function of tensors."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax

from pmfer.prompts import NO_PHRASE


def classification_loss(logits: Tensor, votes: Tensor) -> Tensor:
    """(a) Soft cross entropy. logits [N, E], votes [N, E] (rows sum to 1) -> scalar."""
    return -(votes * log_softmax(logits.float(), dim=-1)).sum(-1).mean()


def alignment_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """(b) Phrase alignment. logits [N, A], soft targets q(AU) [N, A] in 0..1 (geometry.phrase_targets) -> scalar.

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


def visibility_loss(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """(g) Binary cross entropy of the visible share of each region. All [N, R]; weights 0 where it is unknown."""
    return _weighted_cross_entropy(logits, targets, weights)


def _weighted_cross_entropy(logits: Tensor, targets: Tensor, weights: Tensor) -> Tensor:
    """Weighted mean of binary cross entropies, 0 where nothing counts."""
    summed = binary_cross_entropy_with_logits(logits.float(), targets, weights, reduction="sum")
    return summed / weights.sum().clamp(min=1)


def region_loss(attention: Tensor, masks: Tensor) -> Tensor:
    """(e) Minus the logarithm of the attention inside the phrase's region.

    attention [N, A, J] (sums to 1 over J), masks [A, J] in 0..1 (regions.region_masks) -> scalar, mean over both.
    """
    inside = (attention.float() * masks).sum(-1)
    return -inside.clamp(min=1e-4).log().mean()


def masked_phrase_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """(c) Cross entropy of the dropped phrases. logits [N, S, V], targets int64 [N, S] -> scalar, mean over slots."""
    return cross_entropy(logits.float().flatten(0, 1), targets.flatten(), ignore_index=NO_PHRASE)


def adversary_loss(image_logits: Tensor, text_logits: Tensor) -> Tensor:
    """(d) Binary cross entropy of the discriminator, each modality weighing one half whatever its count."""
    images = binary_cross_entropy_with_logits(image_logits.float(), torch.ones_like(image_logits, dtype=torch.float32))
    texts = binary_cross_entropy_with_logits(text_logits.float(), torch.zeros_like(text_logits, dtype=torch.float32))
    return (images + texts) / 2


def reversal_strength(progress: float, largest: float) -> float:
    """Ramp of the reversed gradient, largest * (2 / (1 + exp(-10 p)) - 1) for p in 0..1 (Ganin et al., 2016)."""
    return largest * float(2 / (1 + torch.exp(torch.tensor(-10.0 * progress))) - 1)
