"""Centre and spread of small samples that a few wild days cannot move; the even scale on which days are compared."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]

QN_CONSTANT = 2.21914  # 1 / (sqrt(2) * inverse normal of 5/8): makes Qn the standard deviation of normal data
# Make Qn unbiased in small normal samples, by sample size; beyond 9 see `_qn_factor`.
QN_FACTORS = {2: 0.399, 3: 0.994, 4: 0.512, 5: 0.844, 6: 0.611, 7: 0.857, 8: 0.669, 9: 0.872}
QN_EFFICIENCY = 0.82  # of Qn against the sample standard deviation, for normal data
CENTRE_EFFICIENCY = 0.955  # of the Hodges-Lehmann centre against the mean, for normal data: 3 / pi
RIGHT_ANGLE = np.pi / 2


def centre_and_spread(samples: Floats) -> tuple[Floats, Floats]:
    """The Hodges-Lehmann centre and the Qn spread of each row.

    The centre is the median of the means of all pairs, each value with itself included (Hodges and Lehmann, Annals of
    Mathematical Statistics 34, 1963); it withstands 29 % of wild values. The spread is the k-th smallest distance of
    two values, k = h (h - 1) / 2 with h = n // 2 + 1, times a constant and a small-sample factor (Rousseeuw and Croux,
    JASA 88, 1993; factors: Croux and Rousseeuw, COMPSTAT 1992, p. 417); it withstands 50 %.

    Args:
        samples: [rows, n], n at least 2, no NaN.

    Returns:
        [rows] each, in the unit of the samples. The spread is 0 where half the values are equal.
    """
    count = samples.shape[1]
    first, second = np.triu_indices(count, 1)
    one, other = samples[:, first], samples[:, second]
    half = count // 2 + 1
    rank = half * (half - 1) // 2
    distance = np.partition(np.abs(one - other), rank - 1, axis=1)[:, rank - 1]
    centre = np.median(np.concatenate([(one + other) / 2, samples], axis=1), axis=1)
    return centre, distance * QN_CONSTANT * _qn_factor(count)


def _qn_factor(count: int) -> float:
    if count in QN_FACTORS:
        return QN_FACTORS[count]
    return count / (count + (1.4 if count % 2 else 3.8))


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
