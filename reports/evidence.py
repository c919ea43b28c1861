"""What helps to understand a finding: the moments behind it, the phrases that lead, and care events of the weeks drawn.

A phrase leads when its score lies above the same patient's usual range, not when it is high: some faces always look as
if their brows were drawn together.

A daily dose is one line with a mark per day, not twenty-eight lines. A change of the face may follow when an item
begins or its amount changes, so such a day gets a line through the charts. So does every transfer.
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

Usual = Mapping[str, tuple[float, float] | None]  # usual range of each phrase column, 0..1; None while there is none

LEADING_PHRASES = 3  # of a day
MOMENT_PHRASES = 2  # of a moment
MOST_MOMENTS = 3  # of one flag
MOST_ROWS = 5  # moments on the page, over all flags
LETTERS = "ABCDE"  # as many items of care are drawn
CLIP_MARGIN_S = 5.0  # seconds before and after a moment that a clip of it shows


@dataclass(frozen=True)
class LeadingPhrase:
    """One phrase that stands out."""

    column: str  # `au04`
    value: float  # score, 0..1
    usual: tuple[float, float] | None  # usual range, 0..1, as in the table of phrases; None while there is none


@dataclass(frozen=True)
class Moment:
    """One moment of one session."""

    session_id: str
    minute_of_day: int  # start of the session by the clock on the wall, minutes after midnight
    session_time_s: float  # seconds since the session's first frame
    value: float  # of the flagged measure's score in that frame, 0..1
    phrases: tuple[LeadingPhrase, ...]
    file: str | None = None  # name of the recording's file; None where it is not known
    situation: str | None = None  # in which it was recorded, such as `meal`; None where the session does not say

    @property
    def clip(self) -> tuple[float, float]:
        """From where to where a clip of the moment goes, seconds of the recording."""
        return max(self.session_time_s - CLIP_MARGIN_S, 0.0), self.session_time_s + CLIP_MARGIN_S


@dataclass(frozen=True)
class Evidence:
    """The moments in which a flagged measure was strongest on the day, also where it is lower than usual."""

    key: str  # Measure.key
    moments: tuple[Moment, ...]  # by time


@dataclass(frozen=True)
class SharedMoment:
    """One moment and the flags that it stands for."""

    keys: tuple[str, ...]  # Measure.key, in the order of the flags
    moment: Moment


def shared_moments(evidence: Collection[Evidence]) -> tuple[SharedMoment, ...]:
    """The moments of all flags, in the order of the flags; one that several flags have stands there once."""
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

    letter: str  # by which the charts name it
    kind: CareEventKind
    item: str  # as the facility wrote it
    amount: float | None
    unit: str | None
    note: str | None  # of its latest event with one
    days: tuple[date, ...]  # within the weeks drawn, in order
    begins: tuple[date, ...]  # of them, those with a line through the charts


@dataclass(frozen=True)
class CareEvents:
    """What is drawn, and how much is not."""

    lines: tuple[CareLine, ...] = ()  # what began or changed last, in the order in which it began
    left_out: int = 0  # items that are not drawn


def wall_minute(row: dict[str, Any]) -> int:
    """Start of a session by the clock on the wall, minutes after midnight, from its row of session_summary."""
    started_at: datetime = row["started_at"]
    on_the_wall = started_at.astimezone(UTC) + timedelta(seconds=row["utc_offset_s"])
    return on_the_wall.hour * 60 + on_the_wall.minute


def usual_phrases(known: Usual, earlier: pl.DataFrame, thresholds: Thresholds) -> Usual:
    """The usual range of every phrase: as `known`, or else over all earlier days.

    Args:
        known: of the phrases that are compared, by column.
        earlier: usable rows of session_summary of days that no open flag covers.
        thresholds: fewer days than a baseline needs have no usual range.
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
    """The phrases furthest above the patient's usual range, the furthest first; without one the highest.

    Args:
        scores: score of each phrase column, 0..1; None if not known.
        usual: see `usual_phrases`.
        most: how many at most.
    """
    phrases = [LeadingPhrase(column, score, usual[column]) for column, score in scores.items() if score is not None]
    standing_out = [phrase for phrase in phrases if _excess(phrase) >= LEAST_CHANGE]
    return tuple(sorted(standing_out, key=lambda phrase: -_excess(phrase))[:most])


def _excess(phrase: LeadingPhrase) -> float:
    return phrase.value - (phrase.usual[1] if phrase.usual else 0.0)


def leading_of_day(used: pl.DataFrame, usual: Usual) -> tuple[LeadingPhrase, ...]:
    """The phrases that lead over the scored frames of a day's usable rows of session_summary; none without rows."""
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
        reader: of the warehouse.
        changes: the flagged findings.
        used: the day's usable rows of session_summary.
        usual: see `usual_phrases`.
        files: where the day's recordings were, by session_id.

    Raises:
        WarehouseError: the database refused.
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
    """Column of the frames that shows a measure: `pain_activity`, or the expression."""
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
        situation=session.get("situation"),
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
