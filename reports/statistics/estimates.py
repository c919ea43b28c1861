"""Estimates from a few days and sessions: centre and spread, the correlation of neighbouring days, a day's interval.

Centre and spread are robust, so a few outlying days cannot move them, and are computed on an even scale. The
correlation is that of an AR(1) process: two days that are k days apart have the correlation phi to the power of k. Its
formulas are in units of the variance of one day's value. The interval of a day's value comes from a circular block
bootstrap: neither frames nor neighbouring sessions of a day are independent, so runs of sessions are resampled.
"""

import hashlib
from functools import cache
from typing import TypeVar

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]
Bools = npt.NDArray[np.bool_]
Number = TypeVar("Number", bound=np.generic)

QN_CONSTANT = 2.21914  # 1 / (sqrt(2) * inverse normal of 5/8): makes Qn the standard deviation of normal data
# Make Qn unbiased in small normal samples, by sample size; above 9 see `_qn_factor`.
QN_FACTORS = {2: 0.399, 3: 0.994, 4: 0.512, 5: 0.844, 6: 0.611, 7: 0.857, 8: 0.669, 9: 0.872}
QN_EFFICIENCY = 0.82  # of Qn relative to the sample standard deviation, for normal data
CENTRE_EFFICIENCY = 0.955  # of the Hodges-Lehmann centre relative to the mean, for normal data: 3 / pi
RIGHT_ANGLE = np.pi / 2
LARGEST_PHI = 0.8  # above this, a few weeks say next to nothing about the patient's usual level
WILD_SPREADS = 2.5  # a day further out counts as this far out, so that one outlier does not hide the correlation


def entries(table: npt.NDArray[Number], rows: Ints, columns: Ints) -> npt.NDArray[Number]:
    """The entries of a table in `rows`, [rows], and `columns`, [rows, n]; three times as fast as indexing both axes."""
    picked: npt.NDArray[Number] = table.ravel().take(rows[:, None] * table.shape[1] + columns)
    return picked


def centre_and_spread(samples: Floats) -> tuple[Floats, Floats]:
    """The Hodges-Lehmann centre and the Qn spread of each row.

    The centre is the median of the means of all pairs, including each value with itself (Hodges and Lehmann, Annals of
    Mathematical Statistics 34, 1963); its breakdown point is 29 %. The spread is the k-th smallest distance between two
    values, k = h (h - 1) / 2 with h = n // 2 + 1, times a constant and a small-sample factor (Rousseeuw and Croux, JASA
    88, 1993; factors: Croux and Rousseeuw, COMPSTAT 1992, p. 417); its breakdown point is 50 %.

    Args:
        samples: [rows, n], n at least 2, no NaN.

    Returns:
        [rows] each, in the unit of the samples. The spread is 0 if more than half of the values are equal.
    """
    count = samples.shape[1]
    ordered = np.sort(samples, axis=1)
    lower, upper, rank = _near_pairs(count)
    distances = ordered.take(upper, axis=1) - ordered.take(lower, axis=1)
    distances.partition(rank, axis=1)
    lower, upper, below, above = _middle_pairs(count)
    means = (ordered.take(lower, axis=1) + ordered.take(upper, axis=1)) / 2
    means.partition((below, above), axis=1)
    return (means[:, below] + means[:, above]) / 2, distances[:, rank] * QN_CONSTANT * _qn_factor(count)


@cache
def _near_pairs(count: int) -> tuple[Ints, Ints, int]:
    """The pairs of `count` sorted values that can have the k-th smallest distance, and its rank among them, from 0.

    Pairs that are h or more positions apart are left out: at least k pairs between their ends are nearer.
    """
    half = count // 2 + 1
    lower, upper = np.triu_indices(count, 1)
    near = upper - lower < half
    return lower[near], upper[near], half * (half - 1) // 2 - 1


@cache
def _middle_pairs(count: int) -> tuple[Ints, Ints, int, int]:
    """The pairs of `count` sorted values whose mean can be the median of all means, and the two middle ranks, from 0.

    The mean of a pair is at most that of a pair whose ends are both as high or higher. So nearly half of the pairs can
    be left out, because too many others lie below or above them. The middle ranks are equal for an odd number of
    pairs.
    """
    lower, upper = np.triu_indices(count)
    number = len(lower)
    not_higher = (lower + 1) * (upper + 1) - lower * (lower + 1) // 2  # number of pairs, including itself
    from_lower, from_upper = count - 1 - upper, count - 1 - lower
    not_lower = (from_lower + 1) * (from_upper + 1) - from_lower * (from_lower + 1) // 2
    low = not_lower > number - (number - 1) // 2
    middle = ~low & (not_higher < number // 2 + 2)
    left_out = int(low.sum())
    return lower[middle], upper[middle], (number - 1) // 2 - left_out, number // 2 - left_out


def _qn_factor(count: int) -> float:
    if count in QN_FACTORS:
        return QN_FACTORS[count]
    return count / (count + (1.4 if count % 2 else 3.8))


def to_even(values: Floats, highest: Floats) -> Floats:
    """Transform shares and rates to a scale on which spread hardly depends on level and both tails are similar.

    For a share in 0..1 it is the arcsine of the square root, for a rate without an upper end the square root (Bartlett,
    Biometrics 3, 1947). Without it, a rare expression, usually near 0 % with some days far above, would be flagged many
    times too often.

    Args:
        values: [series, days], at least 0; NaN for missing values.
        highest: [series], 1 for shares, infinite for rates.
    """
    roots = np.sqrt(values)
    even: Floats = np.where(np.isfinite(highest)[:, None], np.arcsin(np.minimum(roots, 1.0)), roots)
    return even


def from_even(values: Floats, highest: Floats) -> Floats:
    """The inverse of `to_even`; values beyond an end of the scale are moved to that end."""
    kept = np.maximum(values, 0.0)
    original: Floats = np.where(np.isfinite(highest), np.sin(np.minimum(kept, RIGHT_ANGLE)) ** 2, kept**2)
    return original


def shrunk_phi(deviations: Floats, neighbours: Floats, expected: float, weight: float) -> Floats:
    """The correlation of neighbouring days, shrunk towards an expected value; the fewer the days, the more.

    The estimate is the lag-1 correlation, corrected for its bias in short series, (1 + 3 phi) / n (Marriott and Pope;
    Kendall: both Biometrika 41, 1954). It is then averaged with `expected`, which counts as much as `weight` pairs of
    days. On its own, an estimate from 14 days has a standard error of about 0.25.

    Args:
        deviations: [rows, n], distance of each day from the centre, in spreads.
        neighbours: [rows, n - 1], 1 where the next valid day is the next calendar day, else 0.
        expected: correlation to assume without data, 0..1.
        weight: weight of `expected`, as a number of pairs.

    Returns:
        [rows], between 0 and LARGEST_PHI; a negative value would narrow the limits on thin evidence.
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
    """Variance of the mean of `count` neighbouring days, [series], given the `phi` of each series.

    (1 + 2 sum over k of (1 - k / n) phi^k) / n, in closed form; Box, Jenkins and Reinsel, Time Series Analysis, 1994.
    """
    result: Floats = (1 + phi) / (1 - phi) / count - 2 * phi * (1 - phi**count) / (count * (1 - phi)) ** 2
    return result


def spread_shortfall(count: int, phi: Floats) -> Floats:
    """Expected sample spread of `count` correlated days as a share of the true spread, [series], 0..1.

    The expected sample variance is (n / (n - 1)) (1 - variance of the mean), because correlated days are close to each
    other.
    """
    result: Floats = np.sqrt(count / (count - 1) * (1 - variance_of_mean(count, phi)))
    return result


def equivalent_days(count: int | Ints, phi: Floats) -> Floats:
    """Number of independent days with as much information about a spread as `count` correlated days, [series].

    n (1 - phi^2) / (1 + phi^2); Bayley and Hammersley, Journal of the Royal Statistical Society, Supplement 8, 1946.
    """
    result: Floats = count * (1 - phi**2) / (1 + phi**2)
    return result


def next_ewma_variance(weight: float, phi: Floats, variance: Floats, covariance: Floats) -> tuple[Floats, Floats]:
    """Update the variance of an exponentially weighted mean by one day: z' = (1 - weight) z + weight x.

    Follows from the definition: Var z' = (1 - w)^2 Var z + w^2 + 2 w (1 - w) phi Cov(z, x) and
    Cov(z', x') = (1 - w) phi Cov(z, x) + w. After many days it approaches that of Schmid and Schoene, Annals of
    Statistics 25, 1997, and Zhang, Technometrics 40, 1998; with phi = 0 that of Roberts, Technometrics 1, 1959.

    Args:
        weight: weight of the new day, 0..1.
        phi: [rows], correlation of neighbouring days.
        variance: [rows], of the mean so far; 0 before the first day.
        covariance: [rows], of the mean so far with its last day; 0 before the first day.

    Returns:
        Variance and covariance after the new day.
    """
    keep = 1 - weight
    after: Floats = keep**2 * variance + weight**2 + 2 * weight * keep * phi * covariance
    return after, keep * phi * covariance + weight


def block_length(sessions: int) -> int:
    """Number of sessions in a block: the cube root of all, rounded up (Kuensch, Annals of Statistics 17, 1989)."""
    return max(1, int(np.ceil(round(sessions ** (1 / 3), 9))))


def block_resamples(sessions: int, count: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Indices of sessions, resampled in blocks that wrap around the end of the day.

    Politis and Romano, A circular block-resampling procedure for stationary data, in Exploring the Limits of Bootstrap,
    1992. Every session is equally likely, including those at the ends.

    Returns:
        [count, sessions], the same for the same arguments.
    """
    length = block_length(sessions)
    blocks = -(-sessions // length)
    starts = np.random.default_rng(seed).integers(0, sessions, size=(count, blocks, 1))
    return ((starts + np.arange(length)) % sessions).reshape(count, -1)[:, :sessions].astype(np.int64)


def day_intervals(values: Floats, frames: Floats, share: float, resamples: int) -> tuple[Floats, Floats]:
    """Interval of a day's mean over its sessions, for several measures at once.

    The frame-weighted mean, plus and minus Student's quantile times the standard deviation of the resampled means
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12). With n sessions in blocks of l, the
    resampled means spread too little by the root of (n - l) / n, and n - l degrees of freedom are left; the interval
    corrects for both. Bootstrap percentiles of so few sessions are too narrow; see the coverage in docs/statistics.md.

    Args:
        values: [sessions, measures], sessions in order of time, more than one block, no NaN.
        frames: [sessions], weight of each session.
        share: coverage of the day's true mean, such as 0.95.
        resamples: number of resamples.

    Returns:
        Lower and upper ends, [measures] each. The seed comes from the data, so the same data give the same ends.
    """
    from scipy.special import stdtrit  # slow to import, and most commands do not need it

    count = len(values)
    free = count - block_length(count)
    seed = int.from_bytes(hashlib.sha256(values.tobytes() + frames.tobytes()).digest()[:8], "big")
    drawn = block_resamples(count, resamples, seed)
    weights = frames[drawn]
    means = (values[drawn] * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]
    centre = (values * frames[:, None]).sum(axis=0) / frames.sum()
    half_width = stdtrit(free, 0.5 + share / 2) * np.sqrt(count / free) * means.std(axis=0)
    return centre - half_width, centre + half_width
