"""Control charts for patients' measures: from rows of daily values to series, and back to each patient."""

from collections.abc import Mapping, Sequence
from datetime import date, timedelta
from itertools import count
from typing import NamedTuple

import numpy as np
import polars as pl

from reports.measures import Concern, Measure, Thresholds
from reports.situations import MadeOf, side_by_side, what_days_are_made_of
from reports.statistics.control_chart import ControlChart, Sensitivity, control_chart

CONCERN_SIGNS = {Concern.HIGHER: 1, Concern.LOWER: -1, Concern.EITHER: 0, Concern.NEITHER: 0}


class Charted(NamedTuple):
    """The control charts of one patient's measures."""

    daily: pl.DataFrame  # the days charted, rows of `reports.daily.daily_values`
    chart: ControlChart  # a series per measure
    days: tuple[date, ...]  # calendar day of each column
    made_of: MadeOf | None  # the parts by situation; None: days are compared as they are


def charts_of(
    measures: Sequence[Measure],
    daily: Mapping[str, pl.DataFrame],
    day: date,
    thresholds: Thresholds,
    accepted: Mapping[str, Mapping[str, date]],
    parts: Mapping[str, pl.DataFrame | None],
) -> dict[str, Charted]:
    """The control charts of the measures of several patients.

    Series are independent, and many at once take little longer than one. Patients whose days are compared like with
    like are charted separately from the others.

    Args:
        measures: one series per patient for each of them.
        daily: rows of `reports.daily.daily_values` by patient; days after `day` are ignored.
        day: the last day charted.
        thresholds: limits for the baseline and the rules.
        accepted: first day, up to `day`, of an accepted level by patient and Measure.key.
        parts: rows of `reports.situations.daily_parts` by patient; if None or empty, days are compared as they are.
    """
    known = {patient_id: rows.filter(pl.col("session_date") <= day) for patient_id, rows in daily.items()}
    first = min((min(rows["session_date"]) for rows in known.values() if rows.height), default=day)
    days = tuple(first + timedelta(days=number) for number in range((day - first).days + 1))
    made = {patient_id: what_days_are_made_of(parts.get(patient_id), measures, days) for patient_id in known}
    charted: dict[str, Charted] = {}
    for like_with_like in (True, False):
        group = {name: rows for name, rows in known.items() if (made[name] is not None) == like_with_like}
        if group:
            charted |= _charted_together(measures, group, days, thresholds, accepted, made)
    return charted


def _charted_together(
    measures: Sequence[Measure],
    known: Mapping[str, pl.DataFrame],
    days: tuple[date, ...],
    thresholds: Thresholds,
    accepted: Mapping[str, Mapping[str, date]],
    made: Mapping[str, MadeOf | None],
) -> dict[str, Charted]:
    """The charts of patients who are either all compared like with like, or none of them."""
    first = days[0]
    values = np.full((len(known), len(measures), len(days)), np.nan)
    restart = np.zeros((len(known), len(measures)), dtype=np.int64)
    for of_patient, levels, (patient_id, rows) in zip(values, restart, known.items(), strict=True):
        at = [(when - first).days for when in rows["session_date"]]
        of_patient[:, at] = rows.select(pl.col(m.key).cast(pl.Float64).fill_null(np.nan) for m in measures).to_numpy().T
        since = accepted.get(patient_id, {})
        levels[:] = [max((since.get(m.key, first) - first).days, 0) for m in measures]
    sensitivity = sensitivity_of(tuple(measures) * len(known), thresholds)
    parts = side_by_side([made_of for patient_id in known if (made_of := made[patient_id]) is not None])
    chart = control_chart(values.reshape(-1, len(days)), sensitivity, thresholds, restart.reshape(-1), parts)
    return {
        patient_id: Charted(rows, chart.series(slice(at, at + len(measures))), days, made[patient_id])
        for at, (patient_id, rows) in zip(count(0, len(measures)), known.items(), strict=False)
    }


def sensitivity_of(measures: Sequence[Measure], thresholds: Thresholds) -> Sensitivity:
    """The limits that each measure is judged by."""
    close = np.array([measure.watched_closely for measure in measures])
    return Sensitivity(
        highest=np.array([measure.unit.highest for measure in measures]),
        least_change=np.array([measure.least_change for measure in measures]),
        limit_sigmas=np.where(close, thresholds.limit_sigmas, thresholds.strict_limit_sigmas),
        ewma_sigmas=np.where(close, thresholds.ewma_sigmas, thresholds.strict_ewma_sigmas),
        change_sigmas=np.where(close, thresholds.change_sigmas, thresholds.strict_change_sigmas),
        one_day_opens=np.array([m.watched_closely or CONCERN_SIGNS[m.concern] == 0 for m in measures]),
        concern=np.array([CONCERN_SIGNS[measure.concern] for measure in measures]),
    )
