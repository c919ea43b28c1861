"""How sure a day's value is, judged by its sessions: a circular block bootstrap.

Frames are not independent and neither are neighbouring sessions of a day, so what is drawn again is runs of sessions.
"""

import hashlib

import numpy as np
from scipy.special import ndtr, stdtrit

from reports.robust import Floats


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

    Percentiles of the resampled frame-weighted means, taken further out as the sessions are few, because a small
    sample resampled is too narrow by the square root of (n - 1) / n and normal where it should be Student's t
    (Hesterberg, The American Statistician 69, 2015, expanded percentiles).

    Args:
        values: [sessions, measures], sessions in order of time, at least two, no NaN.
        frames: [sessions], weight of each.
        share: of the resampled means that lie inside, such as 0.95.
        resamples: how many.

    Returns:
        Lower and upper ends, [measures] each. The same data give the same ends: the seed is made from them.
    """
    count = len(values)
    seed = int.from_bytes(hashlib.sha256(values.tobytes() + frames.tobytes()).digest()[:8], "big")
    drawn = block_resamples(count, resamples, seed)
    weights = frames[drawn]
    means = (values[drawn] * weights[:, :, None]).sum(axis=1) / weights.sum(axis=1)[:, None]
    nominal = ndtr(-np.sqrt(count / (count - 1)) * stdtrit(count - 1, 0.5 + share / 2))
    low, high = np.quantile(means, [nominal, 1 - nominal], axis=0)
    return low, high
