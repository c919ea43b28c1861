"""How logits become scores: adjustment for the class prior, temperature, phrase offsets, limits for covered regions.

Two thirds of the training faces are neutral or happy, so a face that shows little is classified as neutral. Dividing
the probabilities by a power of the training prior (logit adjustment, Menon et al., ICLR 2021) recognises subdued and
rare expressions better and common ones a little worse. The power is chosen on the validation split. The temperature
(Guo et al., ICML 2017) is fitted on a clean and a corrupted copy of it: a model that is calibrated only on clean faces
is overconfident at the bedside. The limits below which a region counts as covered are also chosen on that split.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pmfer.metrics import Floats, Labels, accuracy, fit_temperature, macro_recall

POWERS = tuple(step / 20 for step in range(21))  # candidates; 0 leaves the logits unchanged
STRICT_COST = 0.006  # loss of strict accuracy on the validation split that is accepted for macro recall
# Share of the validation faces that may count as covered somewhere. There are no labels for this. Of the 6 % that the
# default bundle finds most covered, about half are, by eye: by hands, hair, hats, dark glasses or the picture's edge.
CLEAN_COVERED = 0.04


@dataclass(frozen=True)
class Decision:
    """Adjustment of the logits. Expressions: (z - power * log prior) / temperature. Phrases: y + phrase_offsets."""

    prior: tuple[float, ...]  # share of each expression among the votes, in the order of the expressions
    power: float
    temperature: float
    phrase_offsets: tuple[float, ...]  # 0 for a user's own phrases
    visible_from: dict[str, float]  # by region: visible share, 0..1, below which it counts as covered; {}: never

    @property
    def expression_offsets(self) -> Floats:
        """Offsets to subtract from the expression logits, float32 [E]."""
        return np.asarray(self.power * log_prior(self.prior), np.float32)


def log_prior(prior: npt.ArrayLike) -> npt.NDArray[np.floating]:
    """Log of the shares [E]; 0 for an expression without votes, so that nothing raises what was never seen."""
    shares = np.asarray(prior, np.float64)
    return np.asarray(np.log(np.where(shares > 0, shares, 1.0)))


def undecided(expressions: int, phrases: int) -> Decision:
    """A decision that changes nothing."""
    return Decision((1 / expressions,) * expressions, 0.0, 1.0, (0.0,) * phrases, {})


def choose_power(logits: Floats, labels: Labels, prior: npt.NDArray[np.floating]) -> float:
    """The power with the best macro recall among those that lose at most STRICT_COST of strict accuracy.

    Args:
        logits: [N, E] of the validation split.
        labels: strict labels, [N], -1 for none.
        prior: shares of the expressions, [E].
    """
    adjusted = {power: logits - power * log_prior(prior) for power in POWERS}
    strict = {power: accuracy(values, labels) or 0.0 for power, values in adjusted.items()}
    affordable = [power for power in POWERS if strict[power] >= max(strict.values()) - STRICT_COST]
    return max(affordable, key=lambda power: macro_recall(adjusted[power], labels) or 0.0)


def phrase_offset(logits: Floats, share: float) -> float:
    """The offset for a phrase's logits [N] that puts the given share of the faces above a score of one half."""
    return -float(np.quantile(logits, 1 - share))


def coverage_limits(visible: Floats, regions: Sequence[str]) -> dict[str, float]:
    """Choose for each region the visible share below which it counts as covered.

    The limits are such that all regions are covered equally often, and CLEAN_COVERED of the faces have at least one
    covered region.

    Args:
        visible: visible share, [N, R] of the validation split, 0..1.
        regions: names of the regions, [R].
    """
    ranks = visible.argsort(axis=0).argsort(axis=0)  # 0 for the face on which the region is least visible
    rarest = np.sort(ranks.min(axis=1))[int(CLEAN_COVERED * len(visible))]
    limits = np.sort(visible, axis=0)[rarest]
    return {region: round(float(limit), 4) for region, limit in zip(regions, limits, strict=True)}


def decide(
    logits: Floats,
    corrupted: Floats,
    labels: Labels,
    prior: npt.NDArray[np.floating],
    phrase_offsets: tuple[float, ...],
    visible_from: dict[str, float],
) -> Decision:
    """Choose power and temperature.

    Args:
        logits: [N, E] of the validation split.
        corrupted: logits of a corrupted copy of the same faces, [N, E].
        labels: strict labels, [N], -1 for none.
        prior: shares of the expressions, [E].
        phrase_offsets: see `Decision`.
        visible_from: see `Decision`.
    """
    shares, offsets = (tuple(round(float(value), 4) for value in values) for values in (prior, phrase_offsets))
    power = choose_power(logits, labels, np.array(shares))
    both = np.concatenate([logits, corrupted]) - power * log_prior(shares)
    temperature = fit_temperature(both.astype(np.float32), np.concatenate([labels, labels]))
    return Decision(shares, power, round(temperature, 4), offsets, visible_from)
