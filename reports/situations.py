"""From sessions to the parts of a day: one part for each situation in which a patient was recorded.

Only patients who were recorded in several situations have parts; the days of all others are compared as they are.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from datetime import date

import numpy as np
import polars as pl

from reports.daily import usable_session
from reports.measures import MEASURES, Measure, Thresholds
from reports.statistics.estimates import Bools
from reports.statistics.like_with_like import Parts

UNSTATED = "unstated"  # the situation of sessions that state none
_DAY = ["patient_id", "session_date"]
_PART = [*_DAY, "situation", "measure"]


def daily_parts(summary: pl.DataFrame, kept: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """One row per patient, day, situation and measure, for patients who were recorded in several situations.

    Args:
        summary: rows of session_summary of one bundle and one set of options.
        kept: rows of the table daily_values, of the same bundle and options; they win if a day has both. A day that was
            kept without parts counts as one whose sessions state no situation.
        thresholds: which sessions count.

    Returns:
        patient_id, session_date, situation, measure (Measure.key), value (mean over the scored frames, in the measure's
        unit) and frames (f64, scored).
    """
    if summary["situation"].is_null().all() and kept["situation"].is_null().all():
        return _nothing()
    days = kept.filter(pl.col("situation").is_null() & pl.col("value").is_not_null())
    parted = kept.filter(pl.col("situation").is_not_null() & pl.col("value").is_not_null())
    whole = days.join(parted, on=[*_DAY, "measure"], how="anti").with_columns(
        situation=pl.lit(UNSTATED), frames=pl.lit(thresholds.min_frames_per_day)
    )
    old = pl.concat([parted, whole], how="diagonal_relaxed").select(*_PART, "value", pl.col("frames").cast(pl.Float64))
    parts = pl.concat([parts_of_sessions(summary, thresholds).join(kept, on=_DAY, how="anti"), old])
    return parts.filter(pl.col("situation").n_unique().over("patient_id") > 1).sort(_PART)


def parts_of_sessions(summary: pl.DataFrame, thresholds: Thresholds) -> pl.DataFrame:
    """The parts of all patients' days, in no order; see `daily_parts`."""
    return (
        summary.filter(usable_session(thresholds))
        .select(
            *_DAY,
            pl.col("situation").fill_null(UNSTATED),
            pl.col("frames_scored").cast(pl.Float64).alias("frames"),
            *(pl.col(measure.column).cast(pl.Float64).alias(measure.key) for measure in MEASURES),
        )
        .unpivot(
            [measure.key for measure in MEASURES],
            index=[*_DAY, "situation", "frames"],
            variable_name="measure",
            value_name="value",
        )
        .drop_nulls("value")
        .group_by(_PART)
        .agg(value=(pl.col("value") * pl.col("frames")).sum() / pl.col("frames").sum(), frames=pl.col("frames").sum())
        .select(*_PART, "value", "frames")
    )


@dataclass(frozen=True)
class MadeOf:
    """The parts of one patient's days, as arrays."""

    situations: tuple[str, ...]  # in order
    parts: Parts  # [measures, days, situations]

    def of_last_day(self, row: int, known: Bools) -> tuple[tuple[str, ...], tuple[str, ...]]:
        """The last day's situations for one measure: those that are `known`, [measures, situations], and the others."""
        names = [self.situations[number] for number in np.flatnonzero(self.parts.frames[row, -1])]
        compared = tuple(name for name in names if known[row, self.situations.index(name)])
        return compared, tuple(name for name in names if name not in compared)


def what_days_are_made_of(
    parts: pl.DataFrame | None, measures: Sequence[Measure], days: Sequence[date]
) -> MadeOf | None:
    """One patient's parts as arrays; None if there are not several situations.

    Args:
        parts: the patient's rows of `daily_parts`; those of other days and measures are ignored.
        measures: the first axis.
        days: the second axis, consecutive calendar days.
    """
    if parts is None:
        return None
    measure = {measure.key: number for number, measure in enumerate(measures)}
    mine = parts.filter(pl.col("session_date").is_between(days[0], days[-1]) & pl.col("measure").is_in(list(measure)))
    names = mine["situation"].unique().sort().to_list()
    if len(names) < 2:
        return None
    situation = {name: number for number, name in enumerate(names)}
    at = (
        mine["measure"].replace_strict(measure, return_dtype=pl.Int64).to_numpy(),
        (mine["session_date"] - days[0]).dt.total_days().to_numpy(),
        mine["situation"].replace_strict(situation, return_dtype=pl.Int64).to_numpy(),
    )
    shape = (len(measures), len(days), len(names))
    values, frames = np.full(shape, np.nan), np.zeros(shape)
    values[at], frames[at] = mine["value"].to_numpy(), mine["frames"].to_numpy()
    return MadeOf(tuple(names), Parts(values, frames))


def side_by_side(patients: Sequence[MadeOf]) -> Parts | None:
    """The parts of several patients over the same days, stacked along the first axis; None for no patients.

    Each patient has their own situations. Patients with fewer than the most get empty ones, which have no effect.
    """
    if not patients:
        return None
    most = max(len(patient.situations) for patient in patients)
    values, frames = [], []
    for patient in patients:
        empty = ((0, 0), (0, 0), (0, most - len(patient.situations)))
        values.append(np.pad(patient.parts.values, empty, constant_values=np.nan))
        frames.append(np.pad(patient.parts.frames, empty))
    return Parts(np.concatenate(values), np.concatenate(frames))


def _nothing() -> pl.DataFrame:
    return pl.DataFrame(
        schema={
            "patient_id": pl.String,
            "session_date": pl.Date,
            "situation": pl.String,
            "measure": pl.String,
            "value": pl.Float64,
            "frames": pl.Float64,
        }
    )
