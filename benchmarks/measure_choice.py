"""Which number of a day shows a slight change best: the share of frames, the mean probability, or a phrase's mean?

For `benchmarks.statistics`. Patients are simulated frame by frame, because a share of frames (in which an expression is
the most likely one) and a mean probability differ only in what they keep of each frame.

    python -m benchmarks.measure_choice ferplus.parquet

uses real faces instead: the frames of a day are faces of FERPlus' validation split, scored by the default bundle.
Most are faces that the raters called neutral. Runs of the expression are faces that most raters gave this label
(clear), or that some gave this label and more called neutral (subdued).

A frame has a logit for each of the eight expressions, softmax makes them probabilities, and a phrase has a logit of its
own. A neutral face is the most likely. Angry expressions come in runs of frames, 6 % of the time, with an intensity
that adds to the logit of anger and, with another noise, to that of the phrase. Runs, intensity and level vary from
patient to patient and from day to day (AR(1), phi 0.5). From day 70 on something changes, and stays:

- more often: two and a half times as many runs, of the same intensity;
- stronger: as many runs, twice as intense;
- subdued: a slight expression all the time, too weak to be the most likely one by itself;
- both, slightly: half as many runs again, and half of the subdued expression.

Every number is charted as the report charts anger, but without a smallest change, and with limits widened or narrowed
until all raise equally many false flags.
"""

import argparse
import json
from dataclasses import dataclass, replace
from pathlib import Path
from typing import Any

import numpy as np

from pmfer.bundle import load_bundle
from pmfer.datasets import read_ferplus, vote_distribution
from pmfer.evaluate import run_graph
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from reports.control_charts import sensitivity_of
from reports.measures import DEFAULT_THRESHOLDS, MEASURE_BY_KEY, Thresholds
from reports.statistics.control_chart import control_chart
from reports.statistics.estimates import Floats, to_even

DAYS, START, FRAMES, RUN = 100, 70, 240, 8  # frames of a day, and of a run of one expression
ANGER = 1  # place of anger among the eight; neutral has place 0
NEUTRAL_LOGIT, OTHER_LOGIT, NOISE = 3.0, -0.5, 0.7
SHARE, INTENSITY = 0.06, 3.2  # share of the time in runs; logit of a run
PHRASE_LOGIT, PHRASE_NOISE = -2.5, 1.0
FALSE_FLAGS = 0.1  # per patient and 60 days, the same for every number
WIDTHS = np.arange(0.7, 1.4, 0.05)
NUMBERS = ("share of frames", "mean probability", "mean of the phrase")
PHRASES = {"sadness": "au15", "anger": "au04"}  # of real faces: the phrase that stands for an expression
CLEAR, SUBDUED = 0.03, 0.03  # share of the time with real faces of each kind


@dataclass(frozen=True)
class Change:
    """What changes from day START on."""

    runs: float = 1.0  # times as many
    intensity: float = 1.0  # times as strong
    level: float = 0.0  # logit added all the time


CHANGES = {
    "more often": Change(runs=2.5),
    "stronger": Change(intensity=2.0),
    "subdued": Change(level=0.7),
    "both, slightly": Change(runs=1.5, level=0.35),
}


@dataclass(frozen=True)
class RealChange:
    """What changes from day START on, for real faces."""

    clear: float = 1.0  # times as many runs of clear faces
    subdued: float = 0.0  # additional share of the time with subdued faces


REAL_CHANGES = {
    "more often": RealChange(clear=2.5),
    "subdued": RealChange(subdued=0.12),
    "both, slightly": RealChange(clear=1.5, subdued=0.06),
}


@dataclass(frozen=True)
class RealFaces:
    """Scores of real faces: the three numbers of a single frame, [faces, 3], by kind of face."""

    neutral: Floats
    clear: Floats
    subdued: Floats


def choice_of_measures(patients: int, seed: int) -> dict[str, Any]:
    """By kind of change and number: the change in daily SDs, and the share found within 5 and 10 days."""
    steady = days_of(Change(), patients, seed)
    return compared(steady, {kind: days_of(change, patients, seed) for kind, change in CHANGES.items()})


def choice_on_faces(ferplus: Path, patients: int, seed: int) -> dict[str, Any]:
    """The same for real faces, by expression."""
    result = {}
    for expression, faces in faces_of(ferplus).items():
        steady = real_days(faces, RealChange(), patients, seed)
        changed = {kind: real_days(faces, change, patients, seed) for kind, change in REAL_CHANGES.items()}
        result[expression] = compared(steady, changed)
    return result


def compared(steady: dict[str, Floats], changed: dict[str, dict[str, Floats]]) -> dict[str, Any]:
    """How well each number shows each kind of change, with limits that raise equally many false flags."""
    widths = {name: _width_for(values) for name, values in steady.items()}
    result: dict[str, Any] = {"steady": {name: float(values.mean()) for name, values in steady.items()}}
    for kind, days in changed.items():
        result[kind] = {name: _found(values, steady[name], widths[name]) for name, values in days.items()}
    return result


def faces_of(ferplus: Path) -> dict[str, RealFaces]:
    """Faces of the validation split by expression, scored by the default bundle."""
    faces = read_ferplus(ferplus, "valid")
    votes, scores = vote_distribution(faces.votes), run_graph(load_bundle(), faces.images)
    found = {}
    for expression, phrase in PHRASES.items():
        place = EXPRESSION_NAMES.index(expression)
        probabilities = scores["expression"]
        leads = (probabilities.argmax(axis=1) == place).astype(np.float64)
        numbers = np.stack([leads, probabilities[:, place], scores["au_phrase"][:, AU_COLUMNS.index(phrase)]], axis=1)
        some = (votes[:, place] >= 0.2) & (votes[:, place] <= 0.5) & (votes[:, 0] >= 0.4)
        found[expression] = RealFaces(numbers[votes[:, 0] >= 0.8], numbers[votes[:, place] >= 0.7], numbers[some])
    return found


def real_days(faces: RealFaces, change: RealChange, patients: int, seed: int) -> dict[str, Floats]:
    """The three numbers of each day, [patients, days], from runs of real faces."""
    rng = np.random.default_rng(seed)
    later = np.arange(DAYS) >= START
    values = np.empty((3, patients, DAYS))
    for patient in range(patients):
        usual = np.exp(0.4 * rng.standard_normal(2))
        daily = np.exp(0.35 * _days(rng)[:, :2])
        clear = CLEAR * usual[0] * daily[:, 0] * np.where(later, change.clear, 1)
        subdued = SUBDUED * usual[1] * daily[:, 1] + np.where(later, change.subdued, 0)
        runs = rng.random((DAYS, FRAMES // RUN))
        kind = (runs < (clear + subdued)[:, None]).astype(np.int64) + (runs < clear[:, None])
        pools = (faces.neutral, faces.subdued, faces.clear)
        shown = np.stack([pool[rng.integers(len(pool), size=runs.shape)] for pool in pools])  # [kinds, days, runs, 3]
        chosen = np.take_along_axis(shown, kind[None, :, :, None], axis=0)[0]
        values[:, patient] = chosen.mean(axis=1).T
    return dict(zip(NUMBERS, values, strict=True))


def days_of(change: Change, patients: int, seed: int) -> dict[str, Floats]:
    """The three numbers of each day, [patients, days]; the same patients and days for the same seed."""
    rng = np.random.default_rng(seed)
    numbers: dict[str, list[Floats]] = {name: [] for name in NUMBERS}
    for _ in range(patients):
        for name, values in zip(numbers, _one_patient(change, rng), strict=True):
            numbers[name].append(values)
    return {name: np.array(rows) for name, rows in numbers.items()}


def _one_patient(change: Change, rng: np.random.Generator) -> tuple[Floats, Floats, Floats]:
    later = np.arange(DAYS) >= START
    usual = rng.standard_normal(3) * (0.4, 0.15, 0.3)
    daily = _days(rng) * (0.35, 0.1, 0.2)
    share = SHARE * np.exp(usual[0] + daily[:, 0]) * np.where(later, change.runs, 1)
    strength = INTENSITY * np.exp(usual[1] + daily[:, 1]) * np.where(later, change.intensity, 1)
    level = usual[2] + daily[:, 2] + np.where(later, change.level, 0)
    angry = rng.random((DAYS, FRAMES // RUN)) < share[:, None]
    spread = rng.gamma(4, 1 / 4, angry.shape)  # runs differ in strength
    intensity = np.repeat(angry * spread * strength[:, None], RUN, axis=1) + level[:, None]
    logits = OTHER_LOGIT + NOISE * rng.standard_normal((DAYS, FRAMES, 8))
    logits[:, :, 0] += NEUTRAL_LOGIT - OTHER_LOGIT
    logits[:, :, ANGER] += intensity
    odds = np.exp(logits)
    probability = odds[:, :, ANGER] / odds.sum(axis=2)
    phrase = 1 / (1 + np.exp(-(PHRASE_LOGIT + intensity + PHRASE_NOISE * rng.standard_normal((DAYS, FRAMES)))))
    return (
        (logits.argmax(axis=2) == ANGER).mean(axis=1),
        probability.mean(axis=1),
        phrase.mean(axis=1),
    )


def _days(rng: np.random.Generator, phi: float = 0.5) -> Floats:
    """[days, 3], AR(1) with variance 1."""
    state: Floats = rng.standard_normal((DAYS, 3))
    for day in range(1, DAYS):
        state[day] = phi * state[day - 1] + np.sqrt(1 - phi**2) * state[day]
    return state


def _flagged(values: Floats, width: float) -> tuple[Floats, Floats]:
    """Days on which a flag is open, and on which it opens."""
    anger = replace(MEASURE_BY_KEY["anger"], least_change=0.0)
    wider = _widened(DEFAULT_THRESHOLDS, width)
    chart = control_chart(values, sensitivity_of((anger,) * len(values), wider), wider)
    listed = chart.episode == 1
    return listed, listed & (chart.opened == np.arange(values.shape[1]))


def _widened(thresholds: Thresholds, width: float) -> Thresholds:
    names = ("strict_limit_sigmas", "strict_ewma_sigmas", "strict_change_sigmas")
    return replace(thresholds, **{name: width * getattr(thresholds, name) for name in names})


def _width_for(values: Floats) -> float:
    """The narrowest limits that raise no more than the allowed false flags."""
    for width in WIDTHS:
        if _flagged(values, width)[1][:, 7:].sum() / len(values) * 60 / (DAYS - 7) <= FALSE_FLAGS:
            return float(width)
    return float(WIDTHS[-1])


def _found(values: Floats, steady: Floats, width: float) -> dict[str, float]:
    even, before = (to_even(each, np.ones(len(each))) for each in (values, steady))
    moved = (even - before)[:, START:].mean(axis=1) / before.std(axis=1)
    listed = _flagged(values, width)[0]
    quiet = np.logical_not(listed[:, START - 1])
    return {
        "change, SD": float(np.median(moved)),
        **{f"within {days}": float(listed[quiet, START : START + days].any(axis=1).mean()) for days in (5, 10)},
        "limits, times": width,
    }


def main() -> None:
    """Measure on real faces and print the figures."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ferplus", type=Path, help="made by `pmfer datasets make-ferplus`")
    parser.add_argument("--patients", type=int, default=120)
    parser.add_argument("--seed", type=int, default=2026)
    arguments = parser.parse_args()
    print(json.dumps(choice_on_faces(arguments.ferplus, arguments.patients, arguments.seed), indent=1))


if __name__ == "__main__":
    main()
