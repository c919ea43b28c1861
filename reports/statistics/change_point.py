"""When a change began: the likelihood of a step on each of the days before, under AR(1)."""

from dataclasses import dataclass

import numpy as np

from reports.statistics.baseline import Ints
from reports.statistics.robust import Floats


@dataclass(frozen=True)
class Onset:
    """The most likely first day of a change and an interval around it; indices of days, [rows] each."""

    day: Ints
    earliest: Ints
    latest: Ints


def onset_of_step(
    deviations: Floats, days: Ints, phi: Floats, sign: Ints, first: Ints, last: Ints, share: float
) -> Onset:
    """The first day of a lasting change of level, as the change point of an AR(1) series.

    A step at day k changes the innovation of day k by its whole size, and those after it by (1 - phi) times its size.
    With the size fitted, the log likelihood of k against no change is (sum h r)^2 / (2 (1 - phi^2) sum h^2), where r
    are the innovations and h what a step of 1 does to them (Box and Tiao, JASA 70, 1975; Basseville and Nikiforov,
    Detection of Abrupt Changes, 1993, section 2.6). The interval takes the likeliest days until they hold `share` of
    the likelihood of all candidates.

    Args:
        deviations: [rows, n], distances from the baseline's centre in spreads, the newest on the right; NaN on the left
            where a series is shorter.
        days: [rows, n], index of the calendar day of each.
        phi: [rows], correlation of one day with the next.
        sign: [rows], +1 for a rise, -1 for a fall.
        first: [rows], no candidate lies before this day
        last: [rows], nor after this one, which is always a candidate.
        share: of the likelihood that the interval holds, 0..1.
    """
    upwards = deviations * sign[:, None]
    known = ~np.isnan(upwards)
    gaps = np.diff(days, axis=1, prepend=days[:, :1])
    carried = np.where(known, phi[:, None] ** np.maximum(gaps, 1), 0)
    before = np.concatenate([np.full((len(upwards), 1), np.nan), upwards[:, :-1]], axis=1)
    follows = known & ~np.isnan(before)
    carried = np.where(follows, carried, 0)
    innovation = np.where(known, upwards - carried * np.nan_to_num(before), 0)
    precision = np.where(known, 1 / (1 - carried**2), 0)
    # Sums from each candidate to the newest day; the candidate's own innovation takes the whole step
    later_sum = _from_the_right((1 - carried) * innovation * precision)
    later_square = _from_the_right((1 - carried) ** 2 * precision)
    score = innovation * precision + later_sum
    information = precision + later_square
    gain = np.maximum(score, 0) ** 2 / (2 * np.maximum(information, 1e-9))
    allowed = known & (days <= last[:, None]) & (days >= np.minimum(first, last)[:, None])
    gain = np.where(allowed, gain, -np.inf)
    best = gain.argmax(axis=1)
    weight = np.exp(gain - gain.max(axis=1, keepdims=True))
    weight /= weight.sum(axis=1, keepdims=True)
    order = (-weight).argsort(axis=1, kind="stable")
    ranked = np.take_along_axis(weight, order, axis=1)
    inside = np.zeros_like(allowed)
    np.put_along_axis(inside, order, ranked.cumsum(axis=1) - ranked < share, axis=1)
    inside &= allowed
    rows, end = np.arange(len(days)), days.shape[1] - 1
    return Onset(days[rows, best], days[rows, inside.argmax(axis=1)], days[rows, end - inside[:, ::-1].argmax(axis=1)])


def _from_the_right(terms: Floats) -> Floats:
    """Of each column, the sum of all columns right of it."""
    total = terms[:, ::-1].cumsum(axis=1)[:, ::-1]
    result: Floats = total - terms
    return result
