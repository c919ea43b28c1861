"""Measure the reports' statistics on simulated patients: false flags, delays, rules, intervals, the ward's list.

    python -m benchmarks.statistics --patients 1500 --seed 2026 --out FILE.json

The code measured is the reports' own (`reports.statistics`) with the thresholds that ship. A patient has the five
measures that raise flags, independent of each other, which is the worst case for false flags.

- Flag: a valid day on which a rule speaks in the direction of concern, where none did on the valid day before. A run of
  flagged days is one flag; a flag that comes back after one quiet day is a second one.
- Patient's mornings: days on which any measure of a patient has a new flag.
- SD: standard deviation of one day's value over all days.
- Delay: valid days from the shift to the first flagged day, that day included, of patients not flagged the day before.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np

from benchmarks.series import LEVEL, SCENARIOS, SPREAD, Scenario, series
from reports.measures import DEFAULT_THRESHOLDS, HEADLINE_MEASURES, Concern, Measure, Thresholds
from reports.statistics.bootstrap import day_intervals
from reports.statistics.control_chart import ControlChart, Sensitivity, control_chart
from reports.statistics.robust import Floats
from reports.trends import sensitivity_of

FLAGGING = tuple(measure for measure in HEADLINE_MEASURES if measure.concern is not Concern.NEITHER)
CLOSE = tuple(measure for measure in FLAGGING if measure.watched_closely)
STRICT = next(measure for measure in FLAGGING if not measure.watched_closely)
WINDOWS = {"first 60 days": slice(7, 67), "next 60 days": slice(67, 127)}  # of a patient who can be judged
SHIFTS = (1.0, 1.5, 2.0)
SHIFT_DAYS = {"after 20 days": 20, "after 40 days": 40, "after 70 days": 70}
SETTLED = "after 70 days"  # the baseline is full
FOLLOWED = 40  # days after a shift
WARD = 20
RULES = {
    "beyond limits alone": {"rule_ewma": False},
    "EWMA alone": {"rule_beyond_limits": False},
    "both": {},
    "both and shift of 7": {"rule_shift": True, "shift_days": 7},
    "both and shift of 9": {"rule_shift": True, "shift_days": 9},
    "both and shift of 14": {"rule_shift": True, "shift_days": 14},
    "both and trend of 6": {"rule_trend": True, "trend_run_days": 6},
    "both and trend of 7": {"rule_trend": True, "trend_run_days": 7},
}


def repeated(measures: tuple[Measure, ...], patients: int, thresholds: Thresholds) -> Sensitivity:
    """The sensitivity of series that are ordered by patient, then measure."""
    return sensitivity_of(measures * patients, thresholds)


def towards_concern(values: Floats, measures: tuple[Measure, ...]) -> Floats:
    """Mirror the series of measures whose fall is the concern, so that a shift upwards is one of concern."""
    signs = np.array([-1.0 if measure.concern is Concern.LOWER else 1.0 for measure in measures])
    tiled = np.tile(signs, len(values) // len(measures))[:, None]
    mirrored: Floats = 0.5 + tiled * (values - 0.5)
    return mirrored


def flags(chart: ControlChart, measures: tuple[Measure, ...]) -> tuple[np.ndarray[Any, Any], Floats]:
    """Whether each day is flagged, and the size of what flags it, [patients, measures, days]."""
    signs = np.array([-1 if measure.concern is Concern.LOWER else 1 for measure in measures])
    signs = np.tile(signs, len(chart.centre) // len(measures))[:, None]
    beyond, moving = chart.beyond == signs, chart.moving == signs
    runs = (chart.shift == signs) | (chart.trend == signs)
    size = np.maximum(np.where(beyond, chart.beyond_size, 0), np.where(moving, chart.moving_size, 0))
    size = np.maximum(size, runs * 1.0)
    shape = (-1, len(measures), chart.centre.shape[1])
    return (beyond | moving | runs).reshape(shape), size.reshape(shape)


def onsets(flagged: np.ndarray[Any, Any], seen: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
    """Flagged days whose valid day before was not flagged."""
    new = np.zeros_like(flagged)
    before = np.zeros(flagged.shape[:-1], dtype=bool)
    for day in range(flagged.shape[-1]):
        new[..., day] = flagged[..., day] & ~before
        before = np.where(seen[..., day], flagged[..., day], before)
    return new


def false_flags(scenario: Scenario, patients: int, seed: int) -> dict[str, Any]:
    """Flags per patient and 60 days while nothing happens."""
    rng = np.random.default_rng(seed)
    values = series(scenario, patients * len(FLAGGING), WINDOWS["next 60 days"].stop, rng)
    chart = control_chart(
        towards_concern(values, FLAGGING), repeated(FLAGGING, patients, DEFAULT_THRESHOLDS), DEFAULT_THRESHOLDS
    )
    flagged, size = flags(chart, FLAGGING)
    new = onsets(flagged, ~np.isnan(values).reshape(flagged.shape))
    result: dict[str, Any] = {}
    for name, window in WINDOWS.items():
        each = new[:, :, window].sum(axis=(0, 2)) / patients
        counts = new[:, :, window].sum(axis=(1, 2))
        result[name] = {
            "all measures": float(each.sum()),
            "standard error": float(counts.std() / np.sqrt(patients)),
            "patient's mornings": float(new[:, :, window].any(axis=1).sum() / patients),
            "patients without any": float((counts == 0).mean()),
            "days flagged": float(flagged[:, :, window].any(axis=1).mean()),
            "by measure": {measure.key: float(rate) for measure, rate in zip(FLAGGING, each, strict=True)},
        }
    result["ward"] = ward_nights(flagged, size, new)
    return result


def ward_nights(flagged: np.ndarray[Any, Any], size: Floats, new: np.ndarray[Any, Any]) -> dict[str, float]:
    """What a ward of 20 steady patients sees a night, from the 60th day on."""
    wards = len(flagged) // WARD
    nights = slice(WINDOWS["next 60 days"].start, None)

    def per_ward(patient_days: np.ndarray[Any, Any]) -> np.ndarray[Any, Any]:
        return patient_days[: wards * WARD, nights].reshape(wards, WARD, -1).sum(axis=1)

    changed = per_ward(flagged.any(axis=1))
    return {
        "patients flagged a night": float(changed.mean()),
        "of them new": float(per_ward(new.any(axis=1)).mean()),
        "nights above the budget": float((changed > DEFAULT_THRESHOLDS.alert_budget).mean()),
        "most in a night of 100": float(np.quantile(changed, 0.99)),
    }


def delays(scenario: Scenario, patients: int, seed: int) -> dict[str, Any]:
    """Valid days until a shift that stays is flagged, of a measure watched closely and of another.

    Shifts while the baseline is young are followed at phi 0.5 only.
    """
    result: dict[str, Any] = {}
    names = SHIFT_DAYS if scenario == Scenario("phi 0.5") else (SETTLED,)
    for name in names:
        start = SHIFT_DAYS[name]
        for measure in (*CLOSE, STRICT):
            quiet = series(scenario, patients, start + FOLLOWED, np.random.default_rng(seed + start))
            for shift in SHIFTS:
                moved = quiet + scenario.spread * shift * (np.arange(quiet.shape[1]) >= start)
                waited = _waited(moved, measure, start, DEFAULT_THRESHOLDS)
                result.setdefault(name, {}).setdefault(measure.key, {})[f"{shift:g} SD"] = _told(waited)
    return result


def _waited(values: Floats, measure: Measure, start: int, thresholds: Thresholds) -> Floats:
    """Valid days waited for by each series that was not flagged on the day before; infinite where none was flagged."""
    sensitivity = repeated((measure,), len(values), thresholds)
    chart = control_chart(towards_concern(values, (measure,)), sensitivity, thresholds)
    flagged = flags(chart, (measure,))[0][:, 0]
    valid = np.cumsum(~np.isnan(values[:, start:]), axis=1)
    after = flagged[:, start:]
    waited = np.where(after.any(axis=1), valid[np.arange(len(valid)), after.argmax(axis=1)], np.inf)
    quiet: Floats = waited[~flagged[:, start - 1]]
    return quiet


def _told(waited: Floats) -> dict[str, float]:
    told = {"median": float(np.median(waited)), "80 %": float(np.quantile(waited, 0.8, method="lower"))}
    return told | {f"within {days}": float((waited <= days).mean()) for days in (3, 5, 10)}


def rules(patients: int, seed: int) -> dict[str, Any]:
    """What each rule adds, for the closely watched measure at phi 0.5: false flags, and days to see a slow change."""
    days = WINDOWS["next 60 days"].stop
    values = series(Scenario("phi 0.5"), patients, days, np.random.default_rng(seed))
    start = SHIFT_DAYS[SETTLED]
    step = values[:, : start + FOLLOWED] + SPREAD * (np.arange(start + FOLLOWED) >= start)
    slope = np.clip((np.arange(start + FOLLOWED) - start + 1) / 30, 0, 1) * 2
    drift = values[:, : start + FOLLOWED] + SPREAD * slope
    result = {}
    for name, changes in RULES.items():
        thresholds = replace(DEFAULT_THRESHOLDS, **changes)
        chart = control_chart(values, repeated(CLOSE, patients, thresholds), thresholds)
        flagged = flags(chart, CLOSE)[0]
        new = onsets(flagged, np.ones_like(flagged))[:, 0]
        result[name] = {
            **{window: float(new[:, part].sum() / patients) for window, part in WINDOWS.items()},
            "step of 1 SD, median days": float(np.median(_waited(step, CLOSE[0], start, thresholds))),
            "drift of 2 SD in 30 days, median days": float(np.median(_waited(drift, CLOSE[0], start, thresholds))),
        }
    return result


def ward_of_changes(patients: int, seed: int) -> dict[str, float]:
    """The first week after two patients of a ward of 20 changed by 2 SD in the closely watched measure."""
    start = SHIFT_DAYS[SETTLED]
    scenario, week = Scenario("phi 0.5"), slice(start, start + 7)
    values = series(scenario, patients * len(FLAGGING), week.stop, np.random.default_rng(seed))
    values = towards_concern(values, FLAGGING).reshape(-1, WARD, len(FLAGGING), week.stop)
    values[:, :2, FLAGGING.index(CLOSE[0]), start:] += 2 * scenario.spread
    sensitivity = repeated(FLAGGING, patients, DEFAULT_THRESHOLDS)
    chart = control_chart(values.reshape(-1, week.stop), sensitivity, DEFAULT_THRESHOLDS)
    size = flags(chart, FLAGGING)[1].max(axis=1).reshape(-1, WARD, week.stop)[:, :, week]
    rank = (-size).argsort(axis=1, kind="stable").argsort(axis=1)
    forward = (size > 0) & (rank < DEFAULT_THRESHOLDS.alert_budget)
    changed, others = size[:, :2] > 0, size[:, 2:] > 0
    return {
        "patients flagged a night": float((size > 0).sum(axis=1).mean()),
        "of them steady": float(others.sum(axis=1).mean()),
        "nights above the budget": float(((size > 0).sum(axis=1) > DEFAULT_THRESHOLDS.alert_budget).mean()),
        "changed patients flagged, of all nights": float(changed.mean()),
        "flagged changed patients put forward": float(forward[:, :2].sum() / changed.sum()),
        "changed patients flagged within the week": float(changed.any(axis=2).mean()),
    }


def coverage(seed: int, days: int = 2000) -> dict[str, float]:
    """Share of days whose 95 % interval holds the day's true mean, by number of sessions and their correlation."""
    limits, result = DEFAULT_THRESHOLDS, {}
    for sessions in (4, 5, 8, 12, 20):
        for phi in (0.0, 0.3):
            inside = 0
            for batch in range(days // 200):
                rng = np.random.default_rng([seed, sessions, batch])
                values = series(Scenario("sessions of a day", phi=phi), 200, sessions, rng).T
                frames = rng.integers(30, 300, sessions).astype(np.float64)
                low, high = day_intervals(values, frames, limits.interval_share, limits.resamples)
                inside += int(((low <= LEVEL) & (high >= LEVEL)).sum())
            result[f"{sessions} sessions, phi {phi:g}"] = inside / days
    return result


def main() -> None:
    """Measure, print, and with --out write the figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--patients", type=int, default=1500, help="per scenario")
    parser.add_argument("--seed", type=int, default=2026)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    count, seed = arguments.patients, arguments.seed
    with ProcessPoolExecutor(arguments.processes) as pool:
        false = {each.name: pool.submit(false_flags, each, count, seed) for each in SCENARIOS}
        delay = {each.name: pool.submit(delays, each, count, seed) for each in SCENARIOS}
        ward = pool.submit(ward_of_changes, count // WARD * WARD, seed)
        by_rule, held = pool.submit(rules, count, seed), pool.submit(coverage, seed)
        figures = {
            "patients": count,
            "seed": seed,
            "false flags": {name: future.result() for name, future in false.items()},
            "delays": {name: future.result() for name, future in delay.items()},
            "ward with two changed patients": ward.result(),
            "rules": by_rule.result(),
            "coverage": held.result(),
        }
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
