"""What the correlation of one day with the next does to a mean, a spread and a moving average.

The model is AR(1): the correlation of two days k valid days apart is phi to the power of k. Everything is in units of
the variance of one day's value.
"""

import numpy as np

from reports.statistics.robust import Floats, Ints

LARGEST_PHI = 0.8  # beyond, a few weeks of days say next to nothing about the patient's usual level
WILD_SPREADS = 2.5  # a day further out counts as that far out, so that one wild day does not hide the correlation


def shrunk_phi(deviations: Floats, neighbours: Floats, expected: float, weight: float) -> Floats:
    """The correlation of neighbouring days, drawn towards an expected one as far as the days are few.

    The estimate is the lag-1 correlation, corrected for its bias in short series, (1 + 3 phi) / n (Marriott and Pope;
    Kendall: both Biometrika 41, 1954), then averaged with `expected`, which counts as much as `weight` pairs of days.
    A handful of days cannot do better: from 14 days the estimate alone has a standard error of about 0.25.

    Args:
        deviations: [rows, n], distance of each day from the centre in spreads.
        neighbours: [rows, n - 1], 1 where the next valid day is the next calendar day, else 0.
        expected: correlation where nothing is known, 0..1.
        weight: number of pairs that the expectation counts for.

    Returns:
        [rows], between 0 and LARGEST_PHI: a negative estimate would narrow the limits on thin evidence.
    """
    count = deviations.shape[1]
    kept = np.clip(deviations, -WILD_SPREADS, WILD_SPREADS)
    pairs = neighbours.sum(axis=1)
    covariance = (kept[:, 1:] * kept[:, :-1] * neighbours).sum(axis=1) / np.maximum(pairs, 1)
    variance = np.maximum((kept**2).mean(axis=1), 1e-12)
    raw = covariance / variance
    corrected = raw + (1 + 3 * raw) / count
    shrunk = (pairs * corrected + weight * expected) / (pairs + weight)
    result: Floats = np.clip(shrunk, 0.0, LARGEST_PHI)
    return result


def variance_of_mean(count: int | Ints, phi: Floats) -> Floats:
    """Variance of the mean of `count` neighbouring days.

    (1 + 2 sum over k of (1 - k / n) phi^k) / n, summed up; Box, Jenkins and Reinsel, Time Series Analysis, 1994.
    """
    result: Floats = (1 + phi) / (1 - phi) / count - 2 * phi * (1 - phi**count) / (count * (1 - phi)) ** 2
    return result


def spread_shortfall(count: int, phi: Floats) -> Floats:
    """Share of the true spread that a sample of `count` correlated days shows, 0..1.

    The expected sample variance is (n / (n - 1)) (1 - variance of the mean): correlated days stay near each other.
    """
    result: Floats = np.sqrt(count / (count - 1) * (1 - variance_of_mean(count, phi)))
    return result


def equivalent_days(count: int | Ints, phi: Floats) -> Floats:
    """Number of independent days that tell as much about a spread as `count` correlated ones.

    n (1 - phi^2) / (1 + phi^2); Bayley and Hammersley, Journal of the Royal Statistical Society, Supplement 8, 1946.
    """
    result: Floats = count * (1 - phi**2) / (1 + phi**2)
    return result


def next_ewma_variance(weight: float, phi: Floats, variance: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Variance of an exponentially weighted mean one day on from a start: z' = (1 - weight) z + weight x.

    Follows from the definition by taking variances: Var z' = (1 - w)^2 Var z + w^2 + 2 w (1 - w) phi Cov(z, x) and
    Cov(z', x') = (1 - w) phi Cov(z, x) + w. After many days it is that of Schmid and Schoene, Annals of Statistics 25,
    1997, and Zhang, Technometrics 40, 1998; with phi = 0 that of Roberts, Technometrics 1, 1959.

    Args:
        weight: of the new day, 0..1.
        phi: [rows], correlation of neighbouring days.
        variance: [rows], of the mean so far; 0 before the first day.
        covariance: [rows], of the mean so far with its last day; 0 before the first day.

    Returns:
        Both one day on.
    """
    keep = 1 - weight
    after: Floats = keep**2 * variance + weight**2 + 2 * weight * keep * phi * covariance
    return after, keep * phi * covariance + weight
