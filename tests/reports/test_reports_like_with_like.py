from dataclasses import replace

import numpy as np
import pytest

from benchmarks.changes import CLOSE, Flags, waited
from benchmarks.situations import CARE, DAYS, MEAL, MIXES, REST, WINDOWS, Filmed, Mix, filmed
from reports.measures import DEFAULT_THRESHOLDS
from reports.statistics.estimates import Floats
from reports.statistics.like_with_like import Parts

AT_REST, BY_CHANCE, WHOLE_DAYS, _ = MIXES
START = 70  # of a change, with a full baseline
PATIENTS = 60


def patients(mix: Mix, days: int = DAYS, step: Floats | None = None, count: int = PATIENTS) -> Filmed:
    return filmed(mix, CLOSE, count, days, np.random.default_rng(11), step)


def step_of(size: float, *situations: int, days: int = START + 21) -> Floats:
    step = np.zeros((days, 3))
    step[START:, situations] = size
    return step


def openings(flags: Flags) -> float:
    """False flags per patient in 60 days without a change."""
    return float(np.mean([flags.new[:, :, window].sum() / PATIENTS for window in WINDOWS.values()]))


@pytest.fixture(scope="module")
def openings_at_rest() -> float:
    return openings(patients(AT_REST).flags(CLOSE, like_with_like=False))


@pytest.fixture(scope="module")
def found_at_rest() -> float:
    """Share of patients, recorded only at rest, in whom a lasting rise of 3 SD is found within five days."""
    quiet = patients(AT_REST, START + 21, step_of(3, REST))
    return float(np.mean(waited(quiet.flags(CLOSE, like_with_like=False), quiet.values, START) <= 5))


@pytest.mark.parametrize(("mix", "fewer"), [(BY_CHANCE, -0.1), (WHOLE_DAYS, 0.25)], ids=["by chance", "whole days"])
def test_care_that_moves_the_face_raises_no_more_flags_than_rest_alone(
    mix: Mix, fewer: float, openings_at_rest: float
) -> None:
    """Pain-related activity is 2.5 SD higher during care, a quarter of the recordings."""
    mixed = patients(mix)
    as_they_are, like = (openings(mixed.flags(CLOSE, like_with_like=each)) for each in (False, True))
    assert like <= openings_at_rest + 0.15
    assert as_they_are > like + fewer


@pytest.mark.parametrize("changed", [(REST, CARE, MEAL), (REST,)], ids=["everywhere", "at rest"])
def test_a_lasting_rise_of_3_sd_is_found_as_fast_as_without_situations(
    changed: tuple[int, ...], found_at_rest: float
) -> None:
    risen = patients(WHOLE_DAYS, START + 21, step_of(3, *changed))
    like, as_they_are = (
        np.mean(waited(risen.flags(CLOSE, like_with_like=each), risen.values, START) <= 5) for each in (True, False)
    )
    assert found_at_rest >= 0.85
    assert like >= (0.8 if len(changed) == 3 else 0.7)  # a change only at rest shows on just six days of ten
    assert like >= as_they_are - 0.07


def test_a_rise_during_care_alone_is_found() -> None:
    flags = patients(WHOLE_DAYS, START + 21, step_of(4, CARE)).flags(CLOSE, like_with_like=True)
    steady = ~flags.open[:, 0, START - 1]
    assert flags.open[steady, 0, START:].any(axis=1).mean() >= 0.85


def test_days_of_an_open_flag_teach_nothing_of_any_situation() -> None:
    """So a change that stays never becomes the usual level of care or meals."""
    quiet, risen = (patients(BY_CHANCE, START + 21, step_of(size, REST, CARE, MEAL)) for size in (0, 3))
    before, flags = (each.flags(CLOSE, like_with_like=True) for each in (quiet, risen))
    lasting = flags.open[:, 0, START + 2 :].all(axis=1) & (flags.chart.onset[:, -1] >= START - 2)
    lasting &= ~before.open[:, 0, :].any(axis=1)
    assert lasting.sum() >= 10
    assert not flags.chart.in_baseline[lasting, START:].any()
    # The effects of care and meals on the days of the change are the same as without the change.
    added = [each.chart.added[lasting, START:] for each in (before, flags)]
    # Half of the rise allows for the effect of one more quiet day.
    assert np.nanmax(np.abs(added[0] - added[1])) < 0.075


def test_a_day_in_a_situation_without_enough_earlier_days_abstains_and_is_not_learnt() -> None:
    rest = patients(AT_REST, 60, count=12)
    values, parts = rest.values.copy(), Parts(rest.parts.values.copy(), rest.parts.frames.copy())
    meals = [30, 40, 42, 43, 44, 45, 46, 47]
    values[:, meals] += 0.3
    parts.values[:, meals, MEAL], parts.frames[:, meals, MEAL] = values[:, meals], 200
    parts.values[:, meals, REST], parts.frames[:, meals, REST] = np.nan, 0
    chart = Filmed(values, parts).flags(CLOSE, like_with_like=True).chart
    spoke = (chart.beyond != 0) | (chart.moving != 0) | (chart.change != 0)
    assert np.isnan(chart.ewma[:, meals[:7]]).all()
    assert not spoke[:, meals[:7]].any()
    learning = (chart.episode == 0).all(axis=1)  # nothing is learnt while a flag is open
    eighth = meals[7]  # seven come before it
    assert learning.sum() >= 5
    assert (np.abs(values - chart.centre)[learning, eighth] < 0.15).all()  # compared with meals, not with rest
    lone = Filmed(values[:, :31], Parts(parts.values[:, :31], parts.frames[:, :31]))
    assert np.isnan(lone.flags(CLOSE, like_with_like=True).chart.compared[:, -1]).all()


def test_of_a_day_with_a_new_situation_the_others_are_compared() -> None:
    rest = patients(AT_REST, 40, count=5)
    values, parts = rest.values.copy(), Parts(rest.parts.values.copy(), rest.parts.frames.copy())
    values[:, -1] += 0.2
    parts.values[:, -1, MEAL], parts.frames[:, -1, MEAL] = parts.values[:, -1, REST] + 0.4, 200
    with_meal = Filmed(values, parts).flags(CLOSE, like_with_like=True).chart
    as_before = rest.flags(CLOSE, like_with_like=False).chart
    assert (with_meal.beyond[:, -1] == as_before.beyond[:, -1]).all()
    assert with_meal.known[:, [REST, MEAL]].tolist() == [[True, False]] * 5


def test_a_day_is_judged_by_what_lay_before_it_and_nothing_else() -> None:
    """So the chart of a longer series begins with that of the shorter one, and a day does not judge itself."""
    whole = patients(BY_CHANCE, 80, count=8)
    part = Filmed(whole.values[:, :55], Parts(whole.parts.values[:, :55], whole.parts.frames[:, :55]))
    longer, shorter = (each.flags(CLOSE, like_with_like=True).chart for each in (whole, part))
    for name in ("centre", "low", "high", "ewma", "beyond", "moving", "change", "episode", "opened", "onset"):
        np.testing.assert_array_equal(getattr(longer, name)[:, :55], getattr(shorter, name), err_msg=name)
    wild = replace(part, values=part.values.copy(), parts=Parts(part.parts.values.copy(), part.parts.frames))
    wild.values[:, -1] = wild.parts.values[:, -1] = 1.0
    wild = replace(wild, parts=Parts(np.where(part.parts.frames > 0, wild.parts.values, np.nan), part.parts.frames))
    assert np.array_equal(wild.flags(CLOSE, like_with_like=True).chart.beyond[:, :-1], shorter.beyond[:, :-1])


def test_days_of_one_situation_are_compared_as_they_are() -> None:
    rest = patients(AT_REST, 80, count=10)
    like, plain = (rest.flags(CLOSE, like_with_like=each).chart for each in (True, False))
    for name in ("centre", "low", "high", "ewma", "compared"):
        each = (getattr(chart, name)[:, DEFAULT_THRESHOLDS.min_baseline_days :] for chart in (like, plain))
        np.testing.assert_allclose(*each, atol=1e-12, err_msg=name)
    assert np.array_equal(like.baseline_days[:, -1], plain.baseline_days[:, -1])
    for name in ("episode", "opened", "closed", "onset", "in_baseline"):
        np.testing.assert_array_equal(getattr(like, name), getattr(plain, name), err_msg=name)


def test_too_few_frames_in_known_situations_are_not_compared() -> None:
    rest = patients(AT_REST, 30, count=3)
    parts = Parts(rest.parts.values.copy(), rest.parts.frames.copy())
    parts.frames[:, -1, REST] = DEFAULT_THRESHOLDS.min_frames_per_day - 1
    parts.values[:, -1, CARE], parts.frames[:, -1, CARE] = rest.values[:, -1], 100
    assert np.isnan(Filmed(rest.values, parts).flags(CLOSE, like_with_like=True).chart.compared[:, -1]).all()


def test_what_was_known_stays_known_when_a_flag_takes_back_its_days() -> None:
    """Otherwise nothing could be compared while the flag is open, and it would never close."""
    days = 40
    rng = np.random.default_rng(4)
    values = 0.5 + 0.03 * rng.standard_normal((30, days))
    values[:, 9:20] += 0.3
    situation = np.tile([REST, CARE], days // 2)
    inside = situation[:, None] == np.arange(3)
    means, frames = np.where(inside, values[:, :, None], np.nan), np.where(inside, 100.0, 0.0) + 0 * values[:, :, None]
    chart = Filmed(values, Parts(means, frames)).flags(CLOSE, like_with_like=True).chart
    opened = (chart.episode != 0).any(axis=1)
    assert opened.sum() >= 5
    assert not np.isnan(chart.ewma[opened][:, 25:]).any()
    assert (chart.episode[opened, -1] == 0).mean() >= 0.9
