"""How the reports handle a true change: how soon it is flagged, for how long, and which onset they give.

For `benchmarks.statistics`. A page is what one measure of a patient says on one day. Days are counted from the change,
whose own day is the first.

- Days until found: valid days from the change to the first flagged day, both included, for patients whose measure was
  not flagged on the day before the change.
- Still open: of the patients flagged within 20 days, those whose flag is open 20 days after the change.
- As usual: of the pages of days 11 to 20, those without an open flag. A page is firm if its baseline has enough days to
  be printed without reservation (`Thresholds.firm_baseline_days`).
- Onset: the date given on the first flagged day, and five days later, compared with the truth.
"""

from dataclasses import dataclass
from typing import Any

import numpy as np

from benchmarks.series import Scenario, series
from reports.control_charts import sensitivity_of
from reports.measures import DEFAULT_THRESHOLDS, HEADLINE_MEASURES, Concern, Measure, Thresholds
from reports.statistics.control_chart import ControlChart, control_chart
from reports.statistics.estimates import Bools, Floats
from reports.statistics.like_with_like import Parts

FLAGGING = tuple(measure for measure in HEADLINE_MEASURES if measure.concern is not Concern.NEITHER)
CLOSE = tuple(measure for measure in FLAGGING if measure.watched_closely)
STRICT = next(measure for measure in FLAGGING if not measure.watched_closely)
SHIFTS = (1.0, 1.5, 2.0, 3.0, 4.0)
SMALL_SHIFTS = (1.0, 1.5, 2.0)
RELAPSES = (2.0, 3.0, 4.0)
LARGE = 2.0  # smallest step whose flags are followed
SHIFT_DAYS = {"after 13 days": 13, "after 20 days": 20, "after 40 days": 40, "after 70 days": 70}
SETTLED = "after 70 days"  # most of the baseline has been collected
FOLLOWED = 41  # days after a change
LATER = 20  # days after a change on which its flag should still be open
NEAR = 2  # days by which an onset may be wrong


@dataclass(frozen=True)
class Flags:
    """The flags in the direction of concern of each measure, day by day; [patients, measures, days]."""

    open: Bools
    new: Bools  # opened on the day, for the first time
    size: Floats  # of the largest signal of the day, 0 without a signal
    valid: Bools  # days with data
    chart: ControlChart

    def opened_in(self, window: slice) -> dict[str, Any]:
        """Flags per patient that open within these days, in all and by measure."""
        each, patients = (
            self.new[:, :, window].sum(axis=(0, 2)) / len(self.new),
            self.new[:, :, window].sum(axis=(1, 2)),
        )
        return {
            "all measures": float(each.sum()),
            "standard error": float(patients.std() / np.sqrt(len(patients))),
            "by measure": {measure.key: float(rate) for measure, rate in zip(FLAGGING, each, strict=True)},
        }

    def days_open(self) -> Floats:
        """Length in valid days of each period on the list that has ended."""
        listed, valid = (each.reshape(-1, self.open.shape[2]) for each in (self.open, self.valid))
        edges = np.diff(np.pad(listed.astype(np.int64), ((0, 0), (1, 1))), axis=1)
        passed = np.pad(valid.cumsum(axis=1), ((0, 0), (1, 0)))
        row, start = np.nonzero(edges == 1)
        end = np.nonzero(edges == -1)[1]
        lengths: Floats = (passed[row, end] - passed[row, start])[end < listed.shape[1]].astype(np.float64)
        return lengths


def towards_concern(values: Floats, measures: tuple[Measure, ...]) -> Floats:
    """Mirror the series of measures whose fall is the concern, so that a rise is the concern for all."""
    tiled = _signs(len(values), measures)
    mirrored: Floats = 0.5 + tiled * (values - 0.5)
    return mirrored


def _signs(series_count: int, measures: tuple[Measure, ...]) -> Floats:
    signs = np.array([-1.0 if measure.concern is Concern.LOWER else 1.0 for measure in measures])
    tiled: Floats = np.tile(signs, series_count // len(measures))[:, None]
    return tiled


def flags_of(
    values: Floats,
    measures: tuple[Measure, ...],
    thresholds: Thresholds = DEFAULT_THRESHOLDS,
    parts: Parts | None = None,
) -> Flags:
    """Chart series whose rise is the concern. They, and `parts`, are ordered by patient, then measure."""
    patients = len(values) // len(measures)
    sensitivity = sensitivity_of(measures * patients, thresholds)
    if parts is not None:
        flat = towards_concern(parts.values.reshape(len(values), -1), measures)
        parts = Parts(flat.reshape(parts.values.shape), parts.frames)
    chart = control_chart(towards_concern(values, measures), sensitivity, thresholds, parts=parts)
    signs = _signs(len(values), measures)
    listed = chart.episode == signs
    signals = ((chart.beyond, chart.beyond_size), (chart.moving, chart.moving_size), (chart.change, chart.change_size))
    size = np.max([np.where(way == signs, size, 0) for way, size in signals], axis=0)
    shape = (patients, len(measures), values.shape[1])
    return Flags(
        open=listed.reshape(shape),
        new=(listed & (chart.opened == np.arange(values.shape[1]))).reshape(shape),
        size=size.reshape(shape),
        valid=~np.isnan(values).reshape(shape),
        chart=chart,
    )


def after_steps(scenario: Scenario, patients: int, seed: int) -> dict[str, Any]:
    """Lasting steps in a closely watched measure; at phi 0.5 also in another one, by the day on which they start."""
    if scenario != Scenario("phi 0.5"):
        start = SHIFT_DAYS[SETTLED]
        found = {f"{size:g} SD": _after(scenario, CLOSE[0], start, size, 1, patients, seed) for size in SMALL_SHIFTS}
        return {SETTLED: {CLOSE[0].key: found}}
    return {
        name: {
            measure.key: {
                f"{size:g} SD": _after(scenario, measure, SHIFT_DAYS[name], size, 1, patients, seed) for size in SHIFTS
            }
            for measure in (*CLOSE, STRICT)
        }
        for name in SHIFT_DAYS
    }


def after_ramps(patients: int, seed: int) -> dict[str, Any]:
    """Changes that develop over four days and then stay."""
    cases = ((CLOSE[0], 20, 3.0), (STRICT, 13, 4.0), (STRICT, 20, 3.0), (STRICT, 40, 3.0))
    return {
        f"{measure.key}, {size:g} SD after {start} days": _after(
            Scenario("phi 0.5"), measure, start, size, 4, patients, seed
        )
        for measure, start, size in cases
    }


def after_returns(patients: int, seed: int, away: int = 12, between: int = 21) -> dict[str, Any]:
    """A change of 3 SD that starts on day 70, goes away after 12 days and returns three weeks later."""
    scenario, start = Scenario("phi 0.5"), SHIFT_DAYS[SETTLED]
    again = start + away + between
    day = np.arange(again + away)
    changed = ((day >= start) & (day < start + away)) | (day >= again)
    result = {}
    for measure in (*CLOSE, STRICT):
        values = series(scenario, patients, len(day), np.random.default_rng(seed))
        listed = flags_of(values + 3 * scenario.spread * changed, (measure,), DEFAULT_THRESHOLDS).open[:, 0]
        gone = listed[listed[:, start + away - 1], start + away :]
        second = listed[:, again:]
        result[measure.key] = {
            "valid days until closed, median": float(np.median((~gone).argmax(axis=1) + 1)),
            "closed within 7": float((~gone[:, :7]).any(axis=1).mean()),
            "open before it comes again": float(listed[:, again - 1].mean()),
            "found again within 5": float(second[:, :5].any(axis=1).mean()),
        }
    return result


def after_relapses(patients: int, seed: int, better: int = 30) -> dict[str, Any]:
    """An improvement by some SD that lasts 30 days, and then a relapse to the level before it."""
    scenario, result = Scenario("phi 0.5"), {}
    for name, start in SHIFT_DAYS.items():
        relapse = start + better
        day = np.arange(relapse + FOLLOWED)
        for measure in (*CLOSE, STRICT):
            quiet = series(scenario, patients, len(day), np.random.default_rng(seed + start))
            for size in RELAPSES:
                moved = quiet - size * scenario.spread * ((day >= start) & (day < relapse))
                found = told(waited(flags_of(moved, (measure,), DEFAULT_THRESHOLDS), moved, relapse))
                result[f"{measure.key}, {size:g} SD {name}"] = found
    return result


def _after(
    scenario: Scenario, measure: Measure, start: int, size: float, ramp: int, patients: int, seed: int
) -> dict[str, float]:
    """What follows a change of `size` SD that develops over `ramp` days and then stays."""
    quiet = series(scenario, patients, start + FOLLOWED, np.random.default_rng(seed + start))
    moved = quiet + scenario.spread * size * np.clip((np.arange(quiet.shape[1]) - start + 1) / ramp, 0, 1)
    flags = flags_of(moved, (measure,), DEFAULT_THRESHOLDS)
    found = told(waited(flags, moved, start))
    return found if size < LARGE else found | _followed(flags, start)


def waited(flags: Flags, values: Floats, start: int) -> Floats:
    """Valid days until each series that was not flagged on the day before is flagged; infinite if it never is."""
    listed = flags.open[:, 0]
    valid, after = np.cumsum(~np.isnan(values[:, start:]), axis=1), listed[:, start:]
    days = np.where(after.any(axis=1), valid[np.arange(len(valid)), after.argmax(axis=1)], np.inf)
    quiet: Floats = days[~listed[:, start - 1]]
    return quiet


def told(days: Floats) -> dict[str, float]:
    """Summary of the days until a flag."""
    middle = {"median": float(np.median(days)), "80 %": float(np.quantile(days, 0.8, method="lower"))}
    return middle | {f"within {limit}": float((days <= limit).mean()) for limit in (3, 5, 10)}


def _followed(flags: Flags, start: int) -> dict[str, float]:
    listed, chart = flags.open[:, 0], flags.chart
    early = listed[:, start : start + LATER]
    found = np.flatnonzero(~listed[:, start - 1] & early.any(axis=1))
    first = start + early[found].argmax(axis=1)
    pages = slice(start + LATER - 10, start + LATER)
    usual = ~listed[:, pages]
    firm = chart.baseline_days[:, pages] >= DEFAULT_THRESHOLDS.firm_baseline_days
    result = {
        "still open on day 20": float(listed[found, start + LATER].mean()),
        "as usual on days 11 to 20": float(usual.mean()),
        "as usual and firm": float((usual & firm).mean()),
    }
    for name, later in (("on the first day", 0), ("five days later", 5)):
        day = first + later
        same = chart.opened[found, day] == first
        row, day = found[same], day[same]
        wrong = chart.onset[row, day] - start
        held = (chart.onset_earliest[row, day] <= start) & (chart.onset_latest[row, day] >= start)
        result |= {
            f"onset within 2 days, {name}": float((np.abs(wrong) <= NEAR).mean()),
            f"onset earlier, {name}": float((wrong < -NEAR).mean()),
            f"interval holds it, {name}": float(held.mean()),
            f"interval's days, {name}": float(
                (chart.onset_latest[row, day] - chart.onset_earliest[row, day] + 1).mean()
            ),
        }
    return result
