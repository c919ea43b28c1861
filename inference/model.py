"""Run a bundle's model on face crops, and remove the scores of covered parts of the face."""

import numpy as np
from numpy.typing import NDArray

from inference.faces import Floats
from inference.runtime import Network
from pmfer.bundle import Bundle, BundleCard
from pmfer.errors import BundleError

OUTPUTS = ["expression", "au_phrase"]
ATTENTION = "attention"
VISIBILITY = "visibility"


class ExpressionModel:
    """The PMFER graph of a bundle: crops in, one score per column of `Bundle.score_columns` out."""

    def __init__(self, bundle: Bundle, threads: int, *, int8: bool = False) -> None:
        """Load the graph.

        Args:
            bundle: the verified bundle.
            threads: CPU threads.
            int8: use the bundle's int8 graph, if it has one, instead of the float32 graph.

        Raises:
            BundleError: the graph does not load.
        """
        self._bundle = bundle
        weights = (int8 and bundle.int8_weights) or bundle.weights
        try:
            self._network = Network(weights, threads)
        except ValueError as error:
            raise BundleError(
                f"bundle {bundle.path}: {weights.name} does not load ({error}); export it again"
            ) from None

    @property
    def crop_shape(self) -> tuple[int, ...]:
        """Shape of one crop: [S, S] for a grey bundle, [S, S, 3] for one in colour."""
        spec = self._bundle.card.input
        return (spec.size_px, spec.size_px) if spec.channels == 1 else (spec.size_px, spec.size_px, spec.channels)

    def score(self, crops: NDArray[np.uint8]) -> Floats:
        """Score crops [N, *crop_shape]: [N, columns] in 0..1, the expressions (rows sum to 1), then the AU phrases."""
        return np.concatenate(self._network.run(OUTPUTS, self._bundle.card.input.normalised(crops)), axis=1)

    def score_visible(self, crops: NDArray[np.uint8]) -> tuple[Floats, Floats | None]:
        """The result of `score`, and the visible share of each region of the face in 0..1, [N, regions].

        The regions are those of the card's `visible_from`, in its order. None in place of the shares if the model does
        not predict visibility.
        """
        if not self._bundle.card.visible_from:
            return self.score(crops), None
        *scores, visible = self._network.run([*OUTPUTS, VISIBILITY], self._bundle.card.input.normalised(crops))
        return np.concatenate(scores, axis=1), visible

    def attention(self, crops: NDArray[np.uint8]) -> tuple[Floats, Floats]:
        """Phrase scores [N, A] of crops [N, *crop_shape], and the attention map of each phrase [N, A, h, w].

        A map sums to 1 over its h x w cells, which divide the crop evenly.

        Raises:
            BundleError: the graph has no attention output.
        """
        if ATTENTION not in self._network.outputs:
            raise BundleError(f"bundle {self._bundle.path}: its graph has no attention output; export it again")
        scores, maps = self._network.run([OUTPUTS[1], ATTENTION], self._bundle.card.input.normalised(crops))
        return scores, maps


def remove_covered(card: BundleCard, scores: Floats, visible: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """Remove the scores of covered parts of the face.

    A phrase loses its score if its region is covered. If too much of a face is covered, the face is refused: it loses
    all its scores.

    Args:
        card: the bundle's card, with `visible_from`.
        scores: [N, columns] in the order of `Bundle.score_columns`.
        visible: share of each region of `card.visible_from` that is visible, [N, regions], 0..1.

    Returns:
        The scores, NaN where removed; the share of each face that is covered, [N], 0..1; which faces are refused, [N].
    """
    regions = tuple(card.visible_from)
    covered, refused = card.covered(visible)
    kept = scores.copy()
    for place, phrase in enumerate(card.au_phrases, start=len(card.expressions)):
        if phrase.region in regions:
            kept[covered[:, regions.index(phrase.region)], place] = np.nan
    kept[refused] = np.nan
    return kept, 1 - visible.mean(axis=1, dtype=np.float32), refused
