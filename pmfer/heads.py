"""What meets in the latent space: phrase alignment, the masked-phrase head and the modality adversary."""

from typing import Any

import torch
from torch import Tensor, nn
from torch.nn.functional import normalize
from torch.nn.utils.parametrizations import spectral_norm

from pmfer.encoders import AttentionBlock


class PhraseAlignment(nn.Module):
    """Looks for every phrase among the local tokens, one phrase independently of the others.

    score(n, a) = scale * cos(sum_j alpha(n, a, j) v_j, p_a) + bias(p_a), alpha = softmax_j(q(p_a) . k_j / sqrt(D)).
    The bias is a function of the phrase embedding, so that a phrase never seen in training has one as well. Attention
    pooling per phrase is our interpretation of the paper's fine alignment.
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


class VisibilityHead(nn.Module):
    """Tells how visible each region of the face is: a learnt query per region pools the local tokens."""

    def __init__(self, width: int, regions: int) -> None:
        super().__init__()
        self.query = nn.Parameter(torch.randn(regions, width) * width**-0.5)
        self.answer = nn.Parameter(torch.randn(regions, width) * width**-0.5)
        self.bias = nn.Parameter(torch.full((regions,), 2.0))

    def forward(self, local: Tensor) -> Tensor:
        """Local [N, J, W] -> logits [N, R]."""
        attention = torch.softmax(self.query @ local.transpose(1, 2) * local.shape[-1] ** -0.5, dim=-1)
        return ((attention @ local) * self.answer).sum(-1) + self.bias


class MaskedPhraseHead(nn.Module):
    """Predicts dropped phrases: their slots (query) attend to the local tokens (key, value)."""

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


class _Reverse(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Tensor, strength: float) -> Tensor:
        ctx.strength = strength
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, *gradients: Tensor) -> tuple[Tensor, None]:
        return -ctx.strength * gradients[0], None


def reverse_gradient(x: Tensor, strength: float) -> Tensor:
    """`x` itself on the way forward, minus `strength` times the gradient on the way back (Ganin et al., 2016)."""
    return _Reverse.apply(x, strength)  # type: ignore[no-any-return, no-untyped-call]


class ModalityAdversary(nn.Module):
    """A three-layer discriminator that tells image embeddings from text embeddings.

    Both embeddings reach it behind a gradient reversal, so that both encoders learn to hide the modality. Its layers
    are spectrally normalised (Miyato et al., 2018): an unbounded discriminator tells a few prompts from a cloud of
    faces within one epoch, its cross entropy is then flat and the reversed gradient nothing. Bounded, it never gets
    that sure.
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
        """Images [N, D], texts [P, D] -> logits "is an image" of each, [N] and [P]."""
        image_logits = self.layers(reverse_gradient(images, strength)).squeeze(-1)
        text_logits = self.layers(reverse_gradient(texts, strength)).squeeze(-1)
        return image_logits, text_logits
