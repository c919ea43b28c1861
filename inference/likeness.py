"""Whether a face is still where it is taken to be: what a box shows, compared with what it showed before.

The comparison is the normalised cross-correlation of luma, which knows no brightness and no contrast (Lewis, "Fast
Normalized Cross-Correlation", Vision Interface 1995), of few pixels: it costs a thousandth of a look of the detector.
"""

import numpy as np
from numpy.typing import NDArray

from inference.faces import Floats

SIDE = 24  # pixels of a patch along each side
_PLACES = (np.arange(SIDE) + 0.5) / SIDE


def patches(luma: NDArray[np.uint8], boxes: Floats) -> Floats:
    """What boxes [K, 4] show of a grey picture [H, W]: [K, SIDE * SIDE], each of mean 0 and length 1.

    Single pixels are taken, not means. Beyond the picture's edge the outermost ones count. A box without any contrast
    gives zeros.
    """
    height, width = luma.shape
    columns = np.clip(boxes[:, :1] + boxes[:, 2:3] * _PLACES, 0, width - 1).astype(np.intp)
    rows = np.clip(boxes[:, 1:2] + boxes[:, 3:] * _PLACES, 0, height - 1).astype(np.intp)
    shown = luma[rows[:, :, None], columns[:, None, :]].reshape(len(boxes), SIDE * SIDE).astype(np.float32)
    shown -= shown.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(shown, axis=1, keepdims=True)
    return np.asarray(np.divide(shown, lengths, out=np.zeros_like(shown), where=lengths > 0), np.float32)


def likeness(one: Floats, other: Floats) -> Floats:
    """How alike patches [K, SIDE * SIDE] are, pair by pair: [K] in -1..1, 1 for the same picture."""
    return np.asarray(np.einsum("kp,kp->k", one, other), np.float32)
