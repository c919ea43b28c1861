"""The scale on which days are compared: one where a share near nothing spreads as evenly as one in the middle."""

import numpy as np

from reports.robust import Floats

RIGHT_ANGLE = np.pi / 2


def to_even(values: Floats, highest: Floats) -> Floats:
    """Shares and rates on a scale where their spread depends little on their level, and their tails are nearly even.

    The angle whose sine is the root of a share in 0..1 (Bartlett, Biometrics 3, 1947); the root of a rate without an
    upper end (Bartlett, ibid.). Without it a rare expression, whose usual days lie near 0 % with some far
    above, would be flagged many times too often.

    Args:
        values: [series, days], at least 0, NaN where there is none.
        highest: [series], 1 for shares, infinite for rates.
    """
    roots = np.sqrt(values)
    even: Floats = np.where(np.isfinite(highest)[:, None], np.arcsin(np.minimum(roots, 1.0)), roots)
    return even


def from_even(values: Floats, highest: Floats) -> Floats:
    """The way back, [series]; what lies beyond the ends of the scale is at its end."""
    kept = np.maximum(values, 0.0)
    original: Floats = np.where(np.isfinite(highest), np.sin(np.minimum(kept, RIGHT_ANGLE)) ** 2, kept**2)
    return original
