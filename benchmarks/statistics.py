"""Measure the reports' statistics on simulated patients: false flags, changes, rules, intervals, the ward's list.

    python -m benchmarks.statistics --patients 1000 --seed 2026 --out FILE.json

The measured code is that of the reports (`reports.statistics`) with its released thresholds. A patient has the five
measures that raise flags, independent of each other, which is the worst case for false flags.

- False flag: a flag that opens while nothing happens. A flag that returns within a week, with its onset dated before it
  closed, is the same flag, as in the reports.
- Days open: valid days from the day on which a flag opened, or returned, to the day before it closed.
- SD: standard deviation of one day's value over all days.

`benchmarks.changes` measures what happens after a change, `benchmarks.situations` the effect of situations, and
`benchmarks.measure_choice` which values to compare.
"""

import argparse
import json
from concurrent.futures import ProcessPoolExecutor
from dataclasses import replace
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt

from benchmarks.changes import (
    CLOSE,
    FLAGGING,
    FOLLOWED,
    SETTLED,
    SHIFT_DAYS,
    Flags,
    after_ramps,
    after_relapses,
    after_returns,
    after_steps,
    flags_of,
    waited,
)
from benchmarks.measure_choice import choice_of_measures
from benchmarks.series import LEVEL, SCENARIOS, SPREAD, Scenario, series
from benchmarks.situations import SITUATIONS, WINDOWS
from reports.measures import DEFAULT_THRESHOLDS
from reports.statistics.estimates import day_intervals

WARD = 20
PARTS = ("false flags", "steps", "situations", "others")
RULES: dict[str, dict[str, Any]] = {
    "beyond limits alone": {"rule_ewma": False, "rule_change": False},
    "EWMA alone": {"rule_beyond_limits": False, "rule_change": False},
    "change alone": {"rule_beyond_limits": False, "rule_ewma": False},
    "beyond limits and EWMA": {"rule_change": False},
    "all three": {},
    "and shift of 9": {"rule_shift": True, "shift_days": 9},
    "and shift of 14": {"rule_shift": True, "shift_days": 14},
    "and trend of 7": {"rule_trend": True, "trend_run_days": 7},
}


def false_flags(scenario: Scenario, patients: int, seed: int) -> dict[str, Any]:
    """Flags per patient and 60 days while nothing happens."""
    rng = np.random.default_rng(seed)
    values = series(scenario, patients * len(FLAGGING), WINDOWS["next 60 days"].stop, rng)
    flags = flags_of(values, FLAGGING, DEFAULT_THRESHOLDS)
    result: dict[str, Any] = {}
    for name, window in WINDOWS.items():
        result[name] = flags.opened_in(window) | {
            "patients without any": float((~flags.new[:, :, window].any(axis=(1, 2))).mean()),
            "days on the list": float(flags.open[:, :, window].any(axis=1).mean()),
        }
    lengths = flags.days_open()
    result["days open"] = {"median": float(np.median(lengths)), "90 %": float(np.quantile(lengths, 0.9))}
    result["ward"] = ward_nights(flags)
    return result


def ward_nights(flags: Flags) -> dict[str, float]:
    """What a ward of 20 steady patients sees per night, from the 60th day on."""
    wards = len(flags.open) // WARD
    nights = slice(WINDOWS["next 60 days"].start, None)

    def per_ward(patient_days: npt.ArrayLike) -> npt.NDArray[np.int64]:
        counted = np.asarray(patient_days)[: wards * WARD, nights].reshape(wards, WARD, -1).sum(axis=1)
        return np.asarray(counted, np.int64)

    listed, new = per_ward(flags.open.any(axis=1)), per_ward(flags.new.any(axis=1))
    return {
        "patients on the list a night": float(listed.mean()),
        "of them new": float(new.mean()),
        "nights with more new ones than the budget": float((new > DEFAULT_THRESHOLDS.alert_budget).mean()),
    }


def rules(patients: int, seed: int) -> dict[str, Any]:
    """What each rule adds, for the closely watched measure at phi 0.5: false flags, and days to see a slow change."""
    days = WINDOWS["next 60 days"].stop
    values = series(Scenario("phi 0.5"), patients, days, np.random.default_rng(seed))
    start = SHIFT_DAYS[SETTLED]
    step = values[:, : start + FOLLOWED] + SPREAD * (np.arange(start + FOLLOWED) >= start)
    slope = np.clip((np.arange(start + FOLLOWED) - start + 1) / 30, 0, 1) * 2
    drift = values[:, : start + FOLLOWED] + SPREAD * slope
    result = {}
    for name, switches in RULES.items():
        thresholds = replace(DEFAULT_THRESHOLDS, **switches)
        new = flags_of(values, CLOSE, thresholds).new[:, 0]
        found, drifting = (waited(flags_of(moved, CLOSE, thresholds), moved, start) for moved in (step, drift))
        result[name] = {
            **{window: float(new[:, part].sum() / patients) for window, part in WINDOWS.items()},
            "step of 1 SD, median days": float(np.median(found)),
            "drift of 2 SD in 30 days, median days": float(np.median(drifting)),
        }
    return result


def ward_of_changes(patients: int, seed: int) -> dict[str, float]:
    """The first week after two patients of a ward of 20 changed by 2 SD in the closely watched measure."""
    start = SHIFT_DAYS[SETTLED]
    scenario, week = Scenario("phi 0.5"), slice(start, start + 7)
    values = series(scenario, patients * len(FLAGGING), week.stop, np.random.default_rng(seed))
    values = values.reshape(-1, WARD, len(FLAGGING), week.stop)
    values[:, :2, FLAGGING.index(CLOSE[0]), start:] += 2 * scenario.spread
    flags = flags_of(values.reshape(-1, week.stop), FLAGGING, DEFAULT_THRESHOLDS)
    size = np.where(flags.open, 1 + flags.size, 0).max(axis=1).reshape(-1, WARD, week.stop)[:, :, week]
    rank = (-size).argsort(axis=1, kind="stable").argsort(axis=1)
    forward = (size > 0) & (rank < DEFAULT_THRESHOLDS.alert_budget)
    changed, others = size[:, :2] > 0, size[:, 2:] > 0
    return {
        "patients on the list a night": float((size > 0).sum(axis=1).mean()),
        "of them steady": float(others.sum(axis=1).mean()),
        "changed patients on the list, of all nights": float(changed.mean()),
        "of them put forward": float(forward[:, :2].sum() / changed.sum()),
        "changed patients flagged within the week": float(changed.any(axis=2).mean()),
    }


def coverage(seed: int, days: int = 2000) -> dict[str, float]:
    """Share of days whose 95 % interval contains the day's true mean, by number of sessions and their correlation."""
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
    parser.add_argument("--only", choices=PARTS, help="measure only this part")
    parser.add_argument("--out", type=Path, help="a JSON file for the figures")
    arguments = parser.parse_args()
    count, seed = arguments.patients, arguments.seed
    with ProcessPoolExecutor(arguments.processes) as pool:
        jobs: dict[str, dict[str, Any]] = {
            "false flags": {each.name: partial(false_flags, each, count, seed) for each in SCENARIOS},
            "steps": {each.name: partial(after_steps, each, count, seed) for each in SCENARIOS},
            "situations": {name: partial(each, count, seed) for name, each in SITUATIONS.items()},
            "others": {
                "ramps": partial(after_ramps, count, seed),
                "returns": partial(after_returns, count, seed),
                "relapses": partial(after_relapses, count, seed),
                "ward with two changed patients": partial(ward_of_changes, count // WARD * WARD, seed),
                "rules": partial(rules, count, seed),
                "choice of measures": partial(choice_of_measures, count // 5, seed),
                "coverage": partial(coverage, seed),
            },
        }
        chosen = {part: jobs[part] for part in PARTS if arguments.only in (part, None)}
        futures = {part: {name: pool.submit(job) for name, job in each.items()} for part, each in chosen.items()}
        done = {part: {name: future.result() for name, future in each.items()} for part, each in futures.items()}
        figures = {"patients": count, "seed": seed, **done.pop("others", {}), **done}
    text = json.dumps(figures, indent=1)
    print(text)
    if arguments.out:
        arguments.out.write_text(text + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
