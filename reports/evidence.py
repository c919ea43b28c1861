"""What helps to understand a finding: moments to look at, leading phrases, and the care events of the weeks drawn.

A phrase leads if its score lies above this patient's usual range, not because it is high: some faces always look as if
their brows were drawn together.

A daily dose is one lane with a mark per day, not twenty-eight lanes. The face may change after an item begins or its
amount changes, so such a day gets a line through the charts. So does every transfer.
"""

from collections.abc import Collection, Mapping
from dataclasses import dataclass, replace
from datetime import UTC, date, datetime, timedelta
from pathlib import PurePosixPath
from typing import Any

import numpy as np
import polars as pl

from pmfer.facs import AU_COLUMNS
from reports.data import CareEventKind, ReportReader
from reports.findings import Finding
from reports.measures import LEAST_CHANGE, MEASURE_BY_KEY, Thresholds
from reports.trends import usual_ranges

Usual = Mapping[str, tuple[float, float] | None]  # usual range by phrase column, 0..1; None if there is none yet

LEADING_PHRASES = 3  # per day
MOMENT_PHRASES = 2  # per moment
MOST_MOMENTS = 3  # per flag
MOST_ROWS = 5  # moments on the page, over all flags
LETTERS = "ABCDE"  # one per item of care that is drawn
CLIP_MARGIN_S = 5.0  # seconds that a clip shows before and after its moment


@dataclass(frozen=True)
class LeadingPhrase:
    """A phrase that stands out on a day or in a moment."""

    column: str  # `au04`
    value: float  # score, 0..1
    usual: tuple[float, float] | None  # usual range, 0..1, as in the table of phrases; None if there is none yet


@dataclass(frozen=True)
class Moment:
    """One moment of one session."""

    session_id: str
    minute_of_day: int  # start of the session by local time, minutes after midnight
    session_time_s: float  # seconds since the session's first frame
    value: float  # score of the flagged measure in that frame, 0..1
    phrases: tuple[LeadingPhrase, ...]
    file: str | None = None  # file name of the recording; None if unknown
    situation: str | None = None  # in which it was recorded, such as `meal`; None if the session does not say

    @property
    def clip(self) -> tuple[float, float]:
        """Start and end of a clip around the moment, in seconds from the start of the recording."""
        return max(self.session_time_s - CLIP_MARGIN_S, 0.0), self.session_time_s + CLIP_MARGIN_S


@dataclass(frozen=True)
class Evidence:
    """The moments of the day in which a flagged measure was highest, even if it is flagged as lower than usual."""

    key: str  # Measure.key
    moments: tuple[Moment, ...]  # by time


@dataclass(frozen=True)
class SharedMoment:
    """One moment, and all flags that it belongs to."""

    keys: tuple[str, ...]  # Measure.key, in the order of the flags
    moment: Moment


def shared_moments(evidence: Collection[Evidence]) -> tuple[SharedMoment, ...]:
    """The moments of all flags, in the order of the flags; a moment that several flags share appears once."""
    shared: dict[tuple[str, float], SharedMoment] = {}
    for found in evidence:
        for moment in found.moments:
            place = (moment.session_id, moment.session_time_s)
            known = shared.get(place, SharedMoment((), moment))
            shared[place] = replace(known, keys=(*known.keys, found.key))
    return tuple(shared.values())


@dataclass(frozen=True)
class CareLine:
    """One item of care in one amount."""

    letter: str  # its label in the charts
    kind: CareEventKind
    item: str  # as the facility wrote it
    amount: float | None
    unit: str | None
    note: str | None  # from its latest event that has one
    days: tuple[date, ...]  # within the weeks drawn, in order
    begins: tuple[date, ...]  # those of `days` that get a line through the charts


@dataclass(frozen=True)
class CareEvents:
    """The items of care that are drawn, and the number of those that are not."""

    lines: tuple[CareLine, ...] = ()  # those that began or changed most recently, in the order in which they began
    left_out: int = 0  # items that are not drawn


def wall_minute(row: dict[str, Any]) -> int:
    """Local start time of a session from its row of session_summary, in minutes after midnight."""
    started_at: datetime = row["started_at"]
    on_the_wall = started_at.astimezone(UTC) + timedelta(seconds=row["utc_offset_s"])
    return on_the_wall.hour * 60 + on_the_wall.minute


def usual_phrases(known: Usual, earlier: pl.DataFrame, thresholds: Thresholds) -> Usual:
    """The usual range of every phrase: from `known`, or else from all earlier days.

    Args:
        known: the ranges of the phrases that have a chart, by column.
        earlier: usable rows of session_summary, from days that no open flag covers.
        thresholds: with fewer days than a baseline needs, there is no usual range.
    """
    frames, others = pl.col("frames_scored"), [column for column in AU_COLUMNS if column not in known]
    daily = earlier.group_by("session_date").agg(
        ((pl.col(f"{column}_mean") * frames).sum() / frames.sum()).cast(pl.Float64).alias(column) for column in others
    )
    if daily.height < thresholds.min_baseline_days:
        return {column: known.get(column) for column in AU_COLUMNS}
    values = daily.select(others).to_numpy().T
    ranges = dict(zip(others, usual_ranges(values, np.ones(values.shape, dtype=bool)), strict=True))
    return {column: known[column] if column in known else ranges[column] for column in AU_COLUMNS}


def leading_phrases(scores: Mapping[str, float | None], usual: Usual, most: int) -> tuple[LeadingPhrase, ...]:
    """The phrases furthest above the patient's usual range, furthest first. Without a usual range, the highest scores.

    Args:
        scores: score by phrase column, 0..1; None if unknown.
        usual: see `usual_phrases`.
        most: the largest number of phrases to return.
    """
    phrases = [LeadingPhrase(column, score, usual[column]) for column, score in scores.items() if score is not None]
    standing_out = [phrase for phrase in phrases if _excess(phrase) >= LEAST_CHANGE]
    return tuple(sorted(standing_out, key=lambda phrase: -_excess(phrase))[:most])


def _excess(phrase: LeadingPhrase) -> float:
    return phrase.value - (phrase.usual[1] if phrase.usual else 0.0)


def leading_of_day(used: pl.DataFrame, usual: Usual) -> tuple[LeadingPhrase, ...]:
    """The leading phrases of a day, from its usable rows of session_summary; empty without rows."""
    if used.is_empty():
        return ()
    frames = used["frames_scored"]
    return leading_phrases(
        {column: float((used[f"{column}_mean"] * frames).sum()) / int(frames.sum()) for column in AU_COLUMNS},
        usual,
        LEADING_PHRASES,
    )


def read_evidence(
    reader: ReportReader,
    changes: Collection[Finding],
    used: pl.DataFrame,
    usual: Usual,
    files: Mapping[str, str],
) -> tuple[Evidence, ...]:
    """The moments of each flag, in the order of the flags.

    Args:
        reader: reads the frames.
        changes: the flagged findings.
        used: the day's usable rows of session_summary.
        usual: see `usual_phrases`.
        files: source file of each of the day's recordings, by session_id.

    Raises:
        WarehouseError: the query failed.
    """
    sessions = {row["scoring_id"]: row for row in used.iter_rows(named=True)}
    flags = list(changes)[:MOST_ROWS]
    count = min(MOST_MOMENTS, MOST_ROWS // max(len(flags), 1))
    found = []
    for finding in flags:
        frames = reader.moments(sessions, frame_column(finding.key), count)
        moments = (_moment(row, sessions[row["scoring_id"]], usual, files) for row in frames.iter_rows(named=True))
        ordered = sorted(moments, key=lambda moment: (moment.minute_of_day, moment.session_time_s))
        found.append(Evidence(finding.key, tuple(ordered)))
    return tuple(found)


def frame_column(key: str) -> str:
    """The frames' column for a headline measure: `pain_activity`, `expressivity` or the name of the expression."""
    return MEASURE_BY_KEY[key].column.removesuffix("_mean")


def _moment(frame: dict[str, Any], session: dict[str, Any], usual: Usual, files: Mapping[str, str]) -> Moment:
    file = files.get(frame["session_id"])
    return Moment(
        session_id=frame["session_id"],
        minute_of_day=wall_minute(session),
        session_time_s=frame["session_time_s"],
        value=frame["value"],
        phrases=leading_phrases({column: frame[column] for column in AU_COLUMNS}, usual, MOMENT_PHRASES),
        file=None if file is None else PurePosixPath(file).name,
        situation=session["situation"],
    )


def care_events_of(events: pl.DataFrame, first_day: date, last_day: date) -> CareEvents:
    """Group one patient's events by item and amount.

    Args:
        events: rows of care_events from CARE_LOOK_BACK_DAYS before `first_day` to `last_day`, by time.
        first_day: first day drawn.
        last_day: last day drawn.
    """
    groups = events.group_by("kind", "item", "amount", "unit", maintain_order=True)
    lines = [line for _, rows in groups if (line := _care_line(rows, first_day, last_day)).days]
    lines.sort(key=lambda line: (not line.begins, -(line.begins or line.days)[-1].toordinal(), line.item))
    kept = sorted(lines[: len(LETTERS)], key=lambda line: (line.begins or line.days)[0])
    drawn = tuple(replace(line, letter=letter) for line, letter in zip(kept, LETTERS, strict=False))
    return CareEvents(drawn, len(lines) - len(drawn))


def _care_line(rows: pl.DataFrame, first_day: date, last_day: date) -> CareLine:
    row = rows.row(0, named=True)
    all_days = rows["event_date"].unique().sort().to_list()
    days = tuple(day for day in all_days if first_day <= day <= last_day)
    kind = CareEventKind(row["kind"])
    begins = days if kind is CareEventKind.TRANSFER else tuple(day for day in days[:1] if day == all_days[0])
    notes = rows["note"].drop_nulls()
    return CareLine("", kind, row["item"], row["amount"], row["unit"], notes[-1] if len(notes) else None, days, begins)
