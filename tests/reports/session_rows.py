"""Rows of session_summary for tests of daily values and findings."""

from datetime import date, timedelta

from reports.measures import MEASURE_BY_KEY, MEASURES

SMILING = MEASURE_BY_KEY["smiling"]
DAY = date(2026, 3, 21)


def session(
    back: int, smiling: float | None, scored: int = 60, sampled: int = 60, yaw: float = 5.0
) -> dict[str, object]:
    """A row of session_summary `back` days before DAY, as far as daily_values reads it."""
    row: dict[str, object] = {measure.column: 0.1 if scored else None for measure in MEASURES}
    row |= {"patient_id": "p01", "session_date": DAY - timedelta(days=back)}
    row |= {"frames_sampled": sampled, "frames_scored": scored, "yaw_abs_median_deg": yaw, "closed_s": 0.0}
    return row | {SMILING.column: smiling}
