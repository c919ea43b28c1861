"""Care events beside the trends: what was given or done, and on which days of the weeks drawn.

A dose of every morning is one line with a mark a day, not twenty-eight lines. That an item begins, or is given in
another amount, is what a change of the face may follow: such a day gets a line through the charts. So does every
transfer.
"""

from dataclasses import dataclass, replace
from datetime import date, timedelta

import polars as pl

from warehouse.care_events import CareEventKind

LOOK_BACK_DAYS = 28  # an item seen in so many days before the weeks drawn did not begin in them
LETTERS = "ABCDE"  # as many items are drawn


@dataclass(frozen=True)
class CareLine:
    """One item of care in one amount."""

    letter: str  # by which the charts name it
    kind: CareEventKind
    item: str  # as the house wrote it
    amount: float | None
    unit: str | None
    note: str | None  # of its latest event with one
    days: tuple[date, ...]  # within the weeks drawn, in order
    begins: tuple[date, ...]  # of them, those with a line through the charts


@dataclass(frozen=True)
class CareEvents:
    """What is drawn, and how much is not."""

    lines: tuple[CareLine, ...] = ()  # what began or changed last comes first
    left_out: int = 0  # items that are not drawn


def care_events_of(events: pl.DataFrame, first_day: date, last_day: date) -> CareEvents:
    """Group one patient's events by item and amount.

    Args:
        events: rows of care_events from LOOK_BACK_DAYS before `first_day` to `last_day`, by time.
        first_day: first day drawn.
        last_day: last day drawn.
    """
    groups = events.group_by("kind", "item", "amount", "unit", maintain_order=True)
    lines = [line for _, rows in groups if (line := _line(rows, first_day, last_day)).days]
    lines.sort(key=lambda line: (not line.begins, -(line.begins or line.days)[-1].toordinal(), line.item))
    drawn = tuple(replace(line, letter=letter) for line, letter in zip(lines, LETTERS, strict=False))
    return CareEvents(drawn, len(lines) - len(drawn))


def first_day_read(first_day: date) -> date:
    """From which day on events must be read to tell what began in the weeks drawn from what went on."""
    return first_day - timedelta(days=LOOK_BACK_DAYS)


def _line(rows: pl.DataFrame, first_day: date, last_day: date) -> CareLine:
    row = rows.row(0, named=True)
    all_days = rows["event_date"].unique().sort().to_list()
    days = tuple(day for day in all_days if first_day <= day <= last_day)
    kind = CareEventKind(row["kind"])
    begins = days if kind is CareEventKind.TRANSFER else tuple(day for day in days[:1] if day == all_days[0])
    notes = rows["note"].drop_nulls()
    return CareLine("", kind, row["item"], row["amount"], row["unit"], notes[-1] if len(notes) else None, days, begins)
