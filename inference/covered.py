"""What is covered of a face, and which of its scores go for it."""

import numpy as np
from numpy.typing import NDArray

from inference.faces import Floats
from pmfer.bundle import BundleCard
from pmfer.facs import is_refused


def take_out_covered(card: BundleCard, scores: Floats, visible: Floats) -> tuple[Floats, Floats, NDArray[np.bool_]]:
    """The scores without those of what is covered.

    A phrase goes with its region; a phrase without a region, and everything else, goes where the face is refused.

    Args:
        card: of the bundle, with `visible_from`.
        scores: [N, columns] in the order of `Bundle.score_columns`.
        visible: share of each region of `card.visible_from` that is visible, [N, regions], 0..1.

    Returns:
        The scores, NaN where they went; the share of each face that is covered, [N], 0..1; which faces are refused.
    """
    regions = tuple(card.visible_from)
    covered = visible < np.array(list(card.visible_from.values()), np.float32)
    refused = np.array([is_refused([regions[place] for place in np.flatnonzero(face)]) for face in covered], bool)
    kept = scores.copy()
    for place, phrase in enumerate(card.au_phrases, start=len(card.expressions)):
        if phrase.region in regions:
            kept[covered[:, regions.index(phrase.region)], place] = np.nan
    kept[refused] = np.nan
    return kept, 1 - visible.mean(axis=1, dtype=np.float32), refused
