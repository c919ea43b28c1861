"""How the reports handle patients who are filmed in several situations, compared like with like and as they are.

For `benchmarks.statistics`. There are two recordings a day: at rest, during care or at a meal, at random. Care raises
pain-related activity and a meal reduces smiling; the other measures do not change. A day has a state of its own, AR(1)
with phi 0.5, and each recording its own noise. SD is the standard deviation of a day with two recordings at rest.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.changes import CLOSE, FLAGGING, FOLLOWED, SETTLED, SHIFT_DAYS, STRICT, Flags, flags_of, told, waited
from benchmarks.series import LEVEL, SPREAD, Scenario, series
from reports.measures import Measure
from reports.statistics.estimates import Bools, Floats
from reports.statistics.like_with_like import Parts

REST, CARE, MEAL = range(3)
ADDED = {"pain_activity": (CARE, 2.5), "smiling": (MEAL, 2.0)}  # SD, towards the concern
RECORDINGS = 2  # a day
FRAMES = 100.0  # scored frames of each recording
NOISE = 0.5  # of a recording, in standard deviations of the day's state
DAYS, WINDOWS = 127, {"first 60 days": slice(7, 67), "next 60 days": slice(67, 127)}  # with a baseline
STEP = 3.0  # SD, of a change that stays
COMPARED = {"as they are": False, "like with like": True}
CHANGED = {"everywhere": (REST, CARE, MEAL), "at rest": (REST,)}  # where a change shows


@dataclass(frozen=True)
class Mix:
    """How the situations of a patient's recordings are drawn."""

    name: str
    shares: tuple[float, float, float] = (0.6, 0.25, 0.15)
    whole_days: bool = False  # all recordings of a day in the same situation


MIXES = (
    Mix("at rest only", (1.0, 0.0, 0.0)),
    Mix("each recording by chance"),
    Mix("each day in one situation", whole_days=True),
    Mix("seldom at rest", (0.2, 0.5, 0.3)),
)


@dataclass(frozen=True)
class Filmed:
    """Days as they were filmed; the first axis is patients times measures."""

    values: Floats  # [series, days]
    parts: Parts  # of the same days

    def flags(self, measures: Sequence[Measure], *, like_with_like: bool) -> Flags:
        """The flags that open, see `flags_of`."""
        return flags_of(self.values, tuple(measures), parts=self.parts if like_with_like else None)


def filmed(
    mix: Mix,
    measures: Sequence[Measure],
    patients: int,
    days: int,
    rng: np.random.Generator,
    step: Floats | None = None,
) -> Filmed:
    """Simulate patients.

    Args:
        mix: how the situations are drawn.
        measures: in the order of each patient's series.
        patients: number of patients.
        days: number of days.
        rng: source of randomness.
        step: [days, situations], added to all measures, in SD; None adds nothing.
    """
    count = patients * len(measures)
    state = (series(Scenario("phi 0.5"), count, days, rng) - LEVEL) / SPREAD
    noise = NOISE * rng.standard_normal((count, days, RECORDINGS))
    situation = rng.choice(3, size=(patients, days, RECORDINGS), p=mix.shares)
    if mix.whole_days:
        situation[:] = situation[:, :, :1]
    situation = situation.repeat(len(measures), axis=0)
    size = (state[:, :, None] + noise) / np.sqrt(1 + NOISE**2 / RECORDINGS)
    for number, measure in enumerate(measures):
        where, added = ADDED.get(measure.key, (REST, 0.0))
        size[number :: len(measures)] += added * (situation[number :: len(measures)] == where)
    if step is not None:
        size += step[np.arange(days)[:, None], situation]
    recorded = LEVEL + SPREAD * size
    inside: Bools = situation[:, :, :, None] == np.arange(3)
    number_inside = inside.sum(axis=2)
    sums = (recorded[:, :, :, None] * inside).sum(axis=2)
    means = np.where(number_inside > 0, sums / np.maximum(number_inside, 1), np.nan)
    return Filmed(np.clip(recorded.mean(axis=2), 0, 1), Parts(np.clip(means, 0, 1), FRAMES * number_inside))


def false_flags_of(mix: Mix, patients: int, seed: int) -> dict[str, Any]:
    """Flags per patient and 60 days while nothing happens, in all and by measure, and the share of days compared."""
    days = filmed(mix, FLAGGING, patients, DAYS, np.random.default_rng(seed))
    result: dict[str, Any] = {}
    for name, like_with_like in COMPARED.items():
        flags = days.flags(FLAGGING, like_with_like=like_with_like)
        judged = ~np.isnan(flags.chart.centre) & ~np.isnan(flags.chart.ewma)
        result[name] = {}
        for window, part in WINDOWS.items():
            result[name][window] = flags.opened_in(part) | {"days compared": float(judged[:, part].mean())}
    return result


def steps_of(mix: Mix, patients: int, seed: int) -> dict[str, Any]:
    """Days until a lasting change from day 70 on is found, in every situation or only at rest."""
    start = SHIFT_DAYS[SETTLED]
    result: dict[str, Any] = {}
    for where, situations in CHANGED.items():
        step = np.zeros((start + FOLLOWED, 3))
        step[start:, situations] = STEP
        for measure in (*CLOSE, STRICT):
            days = filmed(mix, (measure,), patients, len(step), np.random.default_rng(seed + start), step)
            for name, like_with_like in COMPARED.items():
                flags = days.flags((measure,), like_with_like=like_with_like)
                result[f"{where}, {measure.key}, {name}"] = told(waited(flags, days.values, start))
    return result


def first_day_of_care(patients: int, seed: int) -> dict[str, Any]:
    """Share of patients flagged on their first day of care after being recorded only at rest."""
    start = SHIFT_DAYS[SETTLED]
    rest = filmed(MIXES[0], FLAGGING, patients, start + 1, np.random.default_rng(seed + start))
    care = ADDED["pain_activity"][1]
    values, means, frames = rest.values.copy(), rest.parts.values.copy(), rest.parts.frames.copy()
    values[:: len(FLAGGING), start] += SPREAD * care
    means[:, start], frames[:, start] = np.nan, 0
    means[:, start, CARE], frames[:, start, CARE] = values[:, start], RECORDINGS * FRAMES
    days = Filmed(values, Parts(means, frames))
    flags = {name: days.flags(FLAGGING, like_with_like=each) for name, each in COMPARED.items()}
    return {name: float(each.new[:, :, start].any(axis=1).mean()) for name, each in flags.items()}


SITUATIONS: dict[str, Callable[[int, int], dict[str, Any]]] = {
    **{f"false flags, {mix.name}": partial(false_flags_of, mix) for mix in MIXES},
    **{f"step of {STEP:g} SD, {mix.name}": partial(steps_of, mix) for mix in MIXES},
    "flagged on the first day of care": first_day_of_care,
}
