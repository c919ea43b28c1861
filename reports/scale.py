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
    shares = np.isfinite(highest)[:, None]
    roots = np.sqrt(values)
    even: Floats = np.where(shares, np.arcsin(np.clip(roots, None, np.where(shares, 1.0, np.inf))), roots)
    return even


def from_even(values: Floats, highest: Floats) -> Floats:
    """The way back, [series]; what lies beyond the ends of the scale is at its end."""
    shares = np.isfinite(highest)
    kept = np.clip(values, 0.0, np.where(shares, RIGHT_ANGLE, np.inf))
    original: Floats = np.where(shares, np.sin(np.clip(kept, None, RIGHT_ANGLE)) ** 2, kept**2)
    return original
