"""Every limit at which a report abstains or speaks up, in one place. docs/reports.md explains them.

None of these comes from a clinical study: they are engineering choices, and a site may pass its own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Limits for sessions, days, baselines and findings."""

    min_frames_per_session: int = 20  # scored frames; four seconds at the default five frames a second
    min_scored_share: float = 0.2  # scored / sampled frames: a face seen for less does not stand for the session
    min_sessions_per_day: int = 1  # usable sessions
    min_frames_per_day: int = 30  # scored frames over the usable sessions
    min_baseline_days: int = 7  # valid days before the day reported: every weekday once
    max_baseline_days: int = 14  # the first so many valid days are the baseline, and it then stays as it is
    limit_sigmas: float = 3.5  # half-width of the usual range in robust standard deviations
    trend_days: int = 28  # calendar days drawn, the day reported included


DEFAULT_THRESHOLDS = Thresholds()
