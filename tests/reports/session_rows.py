"""Rows of session_summary for tests of daily values and findings."""

from collections.abc import Mapping
from datetime import date, timedelta
from types import MappingProxyType

import polars as pl

from reports.control_charts import charts_of
from reports.findings import Lack
from reports.measures import DEFAULT_THRESHOLDS, MEASURE_BY_KEY, MEASURES, Thresholds
from reports.trends import Trend, trends_of

SMILING = MEASURE_BY_KEY["smiling"]
DAY = date(2026, 3, 21)


def session(
    back: int, smiling: float | None, scored: int = 60, sampled: int = 60, yaw: float = 5.0
) -> dict[str, object]:
    """A row of session_summary `back` days before DAY, with the columns that daily_values reads."""
    row: dict[str, object] = {measure.column: 0.1 if scored else None for measure in MEASURES}
    row |= {"patient_id": "p01", "session_date": DAY - timedelta(days=back)}
    row |= {"frames_sampled": sampled, "frames_scored": scored, "yaw_abs_median_deg": yaw, "closed_s": 0.0}
    return row | {SMILING.column: smiling}


def smiling_of_last_day(
    daily: pl.DataFrame,
    day: date = DAY,
    missing: Lack = Lack.NO_SESSION,
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    accepted: Mapping[str, date] = MappingProxyType({}),
    parts: pl.DataFrame | None = None,
    intervals: Mapping[str, tuple[float, float]] = MappingProxyType({}),
) -> Trend:
    """The trend of smiling, charted alone."""
    charted = charts_of([SMILING], {"p01": daily}, day, thresholds, {"p01": accepted}, {"p01": parts})["p01"]
    return trends_of([SMILING], charted, day, missing, thresholds, intervals, accepted)[0]
