"""The losses of a training step, each a plain function of tensors."""

import torch
from torch import Tensor
from torch.nn.functional import binary_cross_entropy_with_logits, cross_entropy, log_softmax

from pmfer.prompts import NO_PHRASE


def classification_loss(logits: Tensor, votes: Tensor) -> Tensor:
    """(a) Soft cross entropy. logits [N, E], votes [N, E] (rows sum to 1) -> scalar."""
    return -(votes * log_softmax(logits.float(), dim=-1)).sum(-1).mean()


def alignment_loss(logits: Tensor, targets: Tensor) -> Tensor:
    """(b) Phrase alignment. logits [N, A], soft targets q(AU) [N, A] in 0..1 (geometry.phrase_targets) -> scalar.

    Binary cross entropy, mean over faces and phrases.
    """
    return binary_cross_entropy_with_logits(logits.float(), targets)


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
