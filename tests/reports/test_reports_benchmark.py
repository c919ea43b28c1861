"""The benchmark of the statistics counts as its page says: small series whose counts are known."""

import numpy as np
import pytest

from benchmarks.series import SCENARIOS, Scenario, series
from benchmarks.statistics import CLOSE, FLAGGING, delays, false_flags, onsets, towards_concern
from reports.measures import Concern


def test_a_run_of_flagged_days_is_one_flag_and_a_gap_does_not_end_it() -> None:
    flagged = np.array([[0, 1, 1, 0, 1, 0, 0, 1]], dtype=bool)
    seen = np.array([[1, 1, 1, 1, 1, 0, 1, 1]], dtype=bool)
    assert onsets(flagged, seen).astype(int).tolist() == [[0, 1, 0, 0, 1, 0, 0, 1]]
    gap = np.array([[1, 0, 1]], dtype=bool)
    assert onsets(gap, gap).astype(int).tolist() == [[1, 0, 0]]


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
    found = delays(Scenario("phi 0"), 20, seed=3)["after 70 days"]["pain_activity"]
    assert found["2 SD"]["within 10"] >= found["1 SD"]["within 10"]
