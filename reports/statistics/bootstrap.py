"""How sure a day's value is, judged by its sessions: a circular block bootstrap.

Frames are not independent and neither are neighbouring sessions of a day, so what is drawn again is runs of sessions.
"""

import hashlib

import numpy as np

from reports.statistics.robust import Floats


def block_length(sessions: int) -> int:
    """Sessions in a block: the cube root of their number, rounded up (Kuensch, Annals of Statistics 17, 1989)."""
    return max(1, int(np.ceil(round(sessions ** (1 / 3), 9))))


def block_resamples(sessions: int, count: int, seed: int) -> np.ndarray[tuple[int, int], np.dtype[np.int64]]:
    """Indices of resampled sessions in blocks that wrap around the end of the day.

    Politis and Romano, A circular block-resampling procedure for stationary data, in Exploring the Limits of Bootstrap,
    1992: every session is as likely as every other, those at the ends included.

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
    (Efron and Tibshirani, An Introduction to the Bootstrap, 1993, chapter 12). Of n sessions in blocks of l the
    resampled means spread too little by the root of (n - l) / n, and n - l is what is left to judge the spread by: both
    are allowed for. Percentiles of so few sessions are too narrow; docs/statistics.md has the coverage of both.

    Args:
        values: [sessions, measures], sessions in order of time, more than a block, no NaN.
        frames: [sessions], weight of each.
        share: of the intervals that hold the day's true mean, such as 0.95.
        resamples: how many.

    Returns:
        Lower and upper ends, [measures] each. The same data give the same ends: the seed is made from them.
    """
    from scipy.special import stdtrit  # takes a while to load, which most commands spare

    count = len(values)
    free = count - block_length(count)
    seed = int.from_bytes(hashlib.sha256(values.tobytes() + frames.tobytes()).digest()[:8], "big")
    drawn = block_resamples(count, resamples, seed)
    weights = frames[drawn]
    means = (values[drawn] * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]
    centre = (values * frames[:, None]).sum(axis=0) / frames.sum()
    half_width = stdtrit(free, 0.5 + share / 2) * np.sqrt(count / free) * means.std(axis=0)
    return centre - half_width, centre + half_width
