"""Centre and spread of small samples that a few wild days cannot move. Each row of an array is a sample of its own."""

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

QN_CONSTANT = 2.21914  # 1 / (sqrt(2) * inverse normal of 5/8): makes Qn the standard deviation of normal data
# Make Qn unbiased in small normal samples, by sample size; beyond 9 see `_qn_factor`.
QN_FACTORS = {2: 0.399, 3: 0.994, 4: 0.512, 5: 0.844, 6: 0.611, 7: 0.857, 8: 0.669, 9: 0.872}
QN_EFFICIENCY = 0.82  # of Qn against the sample standard deviation, for normal data
CENTRE_EFFICIENCY = 0.955  # of the Hodges-Lehmann centre against the mean, for normal data: 3 / pi


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
