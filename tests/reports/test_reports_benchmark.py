"""The benchmark of the statistics counts as docs/statistics.md says: small series with known counts."""

import numpy as np
import pytest

from benchmarks.changes import CLOSE, FLAGGING, SHIFT_DAYS, STRICT, after_steps, flags_of, towards_concern, waited
from benchmarks.measure_choice import Change, days_of
from benchmarks.series import LEVEL, SCENARIOS, SPREAD, Scenario, series
from benchmarks.statistics import false_flags
from reports.measures import DEFAULT_THRESHOLDS, Concern


def test_a_flag_is_counted_on_the_day_it_opens_and_its_days_are_those_with_data() -> None:
    days = LEVEL + SPREAD * np.tile([0.5, -0.5, 0.2, -0.2], 12)[None, :]
    days[0, 40:] = LEVEL + 4 * SPREAD
    days[0, 43] = np.nan
    flags = flags_of(days, CLOSE, DEFAULT_THRESHOLDS)
    assert np.flatnonzero(flags.new[0, 0]).tolist() == [40]
    assert flags.open[0, 0, 40:].all()
    assert waited(flags, days, 38).tolist() == [3]
    gone = flags_of(np.concatenate([days, days[:, :30]], axis=1), CLOSE, DEFAULT_THRESHOLDS)
    closed = int(gone.open[0, 0, 40:].argmin()) + 40
    assert gone.days_open().tolist() == [closed - 40 - 1]  # all but the day without data


@pytest.mark.parametrize("scenario", [each for each in SCENARIOS if not each.outlier_share and not each.weekend])
def test_simulated_days_have_the_spread_and_correlation_they_are_said_to_have(scenario: Scenario) -> None:
    days = series(scenario, 400, 100, np.random.default_rng(1))
    assert np.nanmean(days) == pytest.approx(scenario.level, rel=0.03)
    assert np.nanstd(days) == pytest.approx(scenario.spread, rel=0.05)
    if scenario in (Scenario("phi 0.5"), Scenario("phi 0.7", phi=0.7)):
        neighbours = np.corrcoef(days[:, :-1].ravel(), days[:, 1:].ravel())[0, 1]
        assert neighbours == pytest.approx(scenario.phi, abs=0.03)


def test_five_measures_raise_flags_and_a_rise_is_always_towards_concern() -> None:
    assert [measure.key for measure in CLOSE] == ["pain_activity"]
    assert len(FLAGGING) == 5
    rising = towards_concern(np.tile([0.4, 0.6], (len(FLAGGING), 1)), FLAGGING)
    assert [row[1] > row[0] for row in rising] == [measure.concern is Concern.HIGHER for measure in FLAGGING]


def test_the_figures_of_a_few_patients_are_complete() -> None:
    figures = false_flags(Scenario("phi 0.5"), 20, seed=3)
    assert sum(figures["next 60 days"]["by measure"].values()) == pytest.approx(figures["next 60 days"]["all measures"])
    found = after_steps(Scenario("phi 0"), 20, seed=3)["after 70 days"]["pain_activity"]
    assert found["2 SD"]["within 10"] >= found["1 SD"]["within 10"]
    assert found["2 SD"]["still open on day 20"] > 0.8


def test_a_fall_is_found_where_a_fall_is_the_concern() -> None:
    start = SHIFT_DAYS["after 20 days"]
    days = np.tile(LEVEL + SPREAD * np.array([0.5, -0.5, 0.2, -0.2]), 10)[None, :]
    days[0, start:] += 6 * SPREAD
    assert waited(flags_of(days, (STRICT,), DEFAULT_THRESHOLDS), days, start)[0] <= 3


def test_a_subdued_expression_shows_in_the_means_and_hardly_in_the_share_of_frames() -> None:
    steady, subdued = days_of(Change(), 6, 1), days_of(Change(level=0.7), 6, 1)
    moved = {name: (subdued[name] - days)[:, 70:].mean() / days[:, 70:].std() for name, days in steady.items()}
    assert moved["share of frames"] < moved["mean probability"] < moved["mean of the phrase"]
    assert all((subdued[name] == days)[:, :70].all() for name, days in steady.items())
