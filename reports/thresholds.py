"""Every limit at which a report abstains or speaks up, in one place. docs/statistics.md explains and measures them.

None of these comes from a clinical study: they are engineering choices, and a site may pass its own.
"""

from dataclasses import dataclass


@dataclass(frozen=True)
class Thresholds:
    """Limits for sessions, days, baselines, rules and the ward's list."""

    # When a session and a day count
    min_frames_per_session: int = 20  # scored frames; four seconds at the default five frames a second
    min_scored_share: float = 0.2  # scored / sampled frames: a face seen for less does not stand for the session
    max_yaw_deg: float = 20.0  # median estimated |yaw| of a session; faces turned beyond 45 degrees read about so
    min_sessions_per_day: int = 1  # usable sessions
    min_frames_per_day: int = 30  # scored frames over the usable sessions
    dominant_share: float = 0.5  # of the frames not scored: from here on one reason, such as darkness, is named
    # The baseline
    min_baseline_days: int = 7  # valid days before the day reported: every weekday once
    max_baseline_days: int = 56  # the first so many valid days are the baseline, and it then stays as it is
    learning_delay: int = 5  # valid days until a day joins a baseline that can speak already
    expected_phi: float = 0.5  # correlation of one day with the next where the patient's own days say nothing yet
    expected_phi_pairs: float = 30.0  # number of pairs of days that the expectation counts for
    restart_days: int = 7  # calendar days without data after which runs and the moving average start afresh
    least_degrees: float = 6.0  # of freedom of the spread; by fewer, the range of the first weeks would hold anything
    # The rules; sigmas are those of a normal distribution, widened while the baseline rests on few days
    limit_sigmas: float = 2.6  # individuals chart of a measure that is watched closely
    ewma_sigmas: float = 2.2  # EWMA chart of a measure that is watched closely
    strict_limit_sigmas: float = 3.3  # individuals chart of every other measure
    strict_ewma_sigmas: float = 3.2  # EWMA chart of every other measure
    ewma_weight: float = 0.4  # of the newest day in the moving average
    shift_days: int = 14  # valid days in a row on one side of the centre; as rare at phi 0.5 as eight independent ones
    trend_run_days: int = 7  # valid days in a row, each higher (lower) than the one before
    rule_beyond_limits: bool = True
    rule_ewma: bool = True
    rule_shift: bool = False  # off: under correlation it alone raises more than all others, docs/statistics.md
    rule_trend: bool = False  # off: it finds nothing that EWMA has not found before, docs/statistics.md
    # Intervals
    interval_share: float = 0.95  # of the intervals that are to hold the day's true mean
    min_interval_sessions: int = 4  # usable sessions of the day: fewer cannot be resampled to any purpose
    resamples: int = 1000
    # The ward and the pages
    alert_budget: int = 5  # patients put forward per ward and night; the others that changed are listed after them
    trend_days: int = 28  # calendar days drawn, the day reported included


DEFAULT_THRESHOLDS = Thresholds()
