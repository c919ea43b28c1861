"""From what the network finds to what it says: priors, temperature, half of a phrase's scale, what is covered.

Two thirds of the training faces are neutral or happy, so a face that shows little is called neutral. Dividing the
probabilities by the training prior to a power (logit adjustment, Menon et al., ICLR 2021) reads subdued and rare
expressions better and common ones a little worse. The power is chosen on the validation split, the temperature (Guo et
al., ICML 2017) on a clean and a corrupted copy of it: a model whose doubts are right on clean faces alone is too
sure of itself at the bedside. From where on a region of the face counts as covered is chosen there, too.
"""

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from pmfer.metrics import Floats, Labels, accuracy, fit_temperature, macro_recall

POWERS = tuple(step / 20 for step in range(21))  # 0 leaves the network's own answer
STRICT_COST = 0.006  # share of the strict accuracy on valid that may be paid for macro recall
# Share of the faces of valid that may count as covered somewhere. Nobody labelled them: of the 6 % that the default
# bundle finds most covered about half are, by eye, under hands, hair, hats, dark glasses or the picture's edge.
CLEAN_COVERED = 0.04


@dataclass(frozen=True)
class Decision:
    """What is done to the logits. Expression: (z - power * log prior) / temperature. Phrases: y + phrase_offsets."""

    prior: tuple[float, ...]  # share of each expression among the votes, in the order of the expressions
    power: float
    temperature: float
    phrase_offsets: tuple[float, ...]  # 0 for phrases of a user's own
    visible_from: dict[str, float]  # by region: visible share, 0..1, below which it counts as covered; {}: never

    @property
    def expression_offsets(self) -> Floats:
        """What is subtracted from the logits, float32 [E]."""
        return np.asarray(self.power * np.log(self.prior), np.float32)


def undecided(expressions: int, phrases: int) -> Decision:
    """A decision that changes nothing."""
    return Decision((1 / expressions,) * expressions, 0.0, 1.0, (0.0,) * phrases, {})


def choose_power(logits: Floats, labels: Labels, prior: npt.NDArray[np.floating]) -> float:
    """The power with the best macro recall among those that cost little strict accuracy.

    Args:
        logits: [N, E] on the validation split.
        labels: strict, [N], -1 for none.
        prior: shares of the expressions, [E].
    """
    adjusted = {power: logits - power * np.log(prior) for power in POWERS}
    strict = {power: accuracy(values, labels) or 0.0 for power, values in adjusted.items()}
    affordable = [power for power in POWERS if strict[power] >= max(strict.values()) - STRICT_COST]
    return max(affordable, key=lambda power: macro_recall(adjusted[power], labels) or 0.0)


def phrase_offset(logits: Floats, share: float) -> float:
    """What to add to a phrase's logits [N] so that the given share of the faces lies above one half."""
    return -float(np.quantile(logits, 1 - share))


def covered_below(visible: Floats, regions: Sequence[str]) -> dict[str, float]:
    """Visible share by region, below which it counts as covered: as rare for each, and CLEAN_COVERED for all together.

    Args:
        visible: [N, R] on the validation split, 0..1.
        regions: their names, [R].
    """
    ranks = visible.argsort(axis=0).argsort(axis=0)  # 0 for the face of which least is visible
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
        logits: [N, E] on the validation split.
        corrupted: the same of a corrupted copy.
        labels: strict, [N], -1 for none.
        prior: shares of the expressions, [E].
        phrase_offsets: see `Decision`.
        visible_from: see `Decision`.
    """
    power = choose_power(logits, labels, prior)
    both = np.concatenate([logits, corrupted]) - power * np.log(prior)
    temperature = fit_temperature(both.astype(np.float32), np.concatenate([labels, labels]))
    shares, offsets = (tuple(round(float(value), 4) for value in values) for values in (prior, phrase_offsets))
    return Decision(shares, power, round(temperature, 4), offsets, visible_from)
