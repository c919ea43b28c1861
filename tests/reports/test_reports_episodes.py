"""The life of a flag over weeks with a known truth: lasting, returning and repeated changes, gaps, new levels."""

from dataclasses import replace

import numpy as np
import pytest
from test_reports_control_chart import CALM, chart, patients

from reports.measures import DEFAULT_THRESHOLDS
from reports.statistics.control_chart import ControlChart

SD = 0.05  # of the simulated patients, whose usual level is 0.5
MONTH = [*CALM, *CALM]


def changed(count: int, days: int, start: int, size: float, ramp: int = 1, seed: int = 3) -> np.ndarray:
    """Simulated patients who change by `size` SD from day `start`, over `ramp` days, and stay there."""
    return patients(count, days, seed=seed) + SD * size * np.clip((np.arange(days) - start + 1) / ramp, 0, 1)


def test_a_change_that_stays_keeps_its_flag_and_is_never_learnt() -> None:
    found = chart([*MONTH, *[0.56, 0.57, 0.58] * 12])
    assert (found.episode[0, 34:] == 1).all()
    assert found.opened[0, -1] == np.flatnonzero(found.episode[0])[0]
    assert found.onset[0, -1] == 32
    assert not found.in_baseline[0, 32:].any()
    assert found.centre[0, -1] == pytest.approx(found.centre[0, 33], abs=0.005)


def test_days_of_a_slow_change_that_were_learnt_before_its_flag_are_given_back() -> None:
    slow = [*CALM, *np.linspace(0.51, 0.58, 12), *[0.58] * 10]
    found = chart(slow, replace(DEFAULT_THRESHOLDS, learning_delay=1))
    opened = int(found.opened[0, -1])
    assert found.baseline_days[0, opened] > found.baseline_days[0, opened + 2]
    assert found.episode[0, -1] == 1
    assert not found.in_baseline[0, found.onset_earliest[0, -1] :].any()


def test_of_flagged_changes_of_two_spreads_that_stay_nearly_all_are_still_open_three_weeks_later() -> None:
    for start, size, ramp in ((13, 2.0, 1), (20, 3.0, 4), (40, 2.0, 1)):
        listed = chart(changed(200, start + 21, start, size, ramp)).episode == 1
        flagged = listed[:, start : start + 20].any(axis=1) & ~listed[:, start - 1]
        assert flagged.sum() > 115
        assert listed[flagged, start + 20].mean() > 0.94


def test_a_page_seldom_says_as_usual_while_a_large_change_stays() -> None:
    listed = chart(changed(60, 52, 30, 3.0)).episode == 1
    assert (~listed[:, 40:]).mean() < 0.1


def test_a_day_beyond_its_limits_starts_the_test_for_the_return_anew() -> None:
    """On a young baseline, evidence from earlier days near the centre would otherwise count against later days."""
    days_open = []
    for near in (1, 3):
        found = chart([*CALM[:9], 0.60, 0.60, *[0.505] * near, 0.75, *[0.505] * 20])
        beyond = int(np.flatnonzero(found.beyond[0])[-1])
        assert beyond == 11 + near
        assert found.episode[0, 9 : beyond + 1].all()
        days_open.append(found.closed[0, -1] - beyond)
    assert days_open[0] == days_open[1] > 0


def test_a_change_that_goes_closes_its_flag_within_days_and_learning_goes_on_after_it() -> None:
    found = chart([*MONTH, *[0.58, 0.60, 0.59] * 3, *MONTH])
    closed = int(found.closed[0, -1])
    assert found.onset[0, closed] == 32
    assert 41 < closed <= 47
    assert found.valid_days[0, -1] == closed - found.opened[0, -1] + 1
    assert not found.in_baseline[0, 32 : closed + 1].any()
    assert found.in_baseline[0, closed + 1]


def test_half_of_the_false_flags_close_within_five_days() -> None:
    listed = chart(patients(200, 100)).episode == 1
    edges = np.diff(np.pad(listed.astype(int), ((0, 0), (1, 1))), axis=1)
    lengths = (np.nonzero(edges == -1)[1] - np.nonzero(edges == 1)[1])[np.nonzero(edges == -1)[1] < 100]
    assert len(lengths) > 100
    assert np.median(lengths) <= 5


def test_a_flag_that_one_wild_day_opened_closes_sooner_than_one_that_several_days_did() -> None:
    calm = np.array(CALM)
    one = chart([*MONTH, 0.57, *calm])
    several = chart([*MONTH, 0.535, 0.535, 0.535, 0.535, *calm])
    assert several.beyond[0, 32:].max() == 0
    assert one.episode[0, 32] == several.episode[0, 35] == 1
    assert one.closed[0, -1] - 32 < several.closed[0, -1] - 35


def test_a_flag_on_a_young_baseline_needs_more_days_to_close() -> None:
    """The centre of a young baseline may itself be wrong, so a few days near it are weaker evidence."""
    waited = []
    for start in (13, 70):
        values = patients(300, start + 46)
        values[:, start : start + 6] += 3 * SD
        listed = chart(values).episode[:, start + 5 :] == 1
        waited.append(listed[listed[:, 0]].cumprod(axis=1).sum(axis=1).mean())
    assert waited[0] > waited[1] + 1


def test_a_flag_that_comes_back_within_days_is_the_same_and_weeks_later_it_is_another() -> None:
    high, dip = [0.60, 0.61, 0.59, 0.60], [0.50, 0.49, 0.48]
    soon = chart([*MONTH, *high, *dip, *high, *high])
    again = chart([*MONTH, *high, *MONTH, *high])
    assert (np.diff(soon.episode[0, 34:]) != 0).sum() == 2  # it closed once and reopened
    assert soon.opened[0, -1] == soon.opened[0, 35]
    assert soon.valid_days[0, -1] == 47 - soon.opened[0, -1]  # all valid days since then, including those of the dip
    assert again.opened[0, -1] >= 68 > again.opened[0, 40]


def test_a_flag_stays_open_over_a_gap_and_counts_valid_days() -> None:
    found = chart([*MONTH, *[0.58] * 6, *[np.nan] * 10, *[0.58] * 2])
    assert (found.episode[0, 36:] == 1).all()
    assert found.valid_days[0, -1] - found.valid_days[0, 37] == 2


def test_an_accepted_level_starts_anew_with_its_first_day() -> None:
    days = [*MONTH, *(value + 0.1 for value in CALM)]
    found = chart(days, restart=32)
    alone = chart(days[32:])
    for name in ("centre", "high", "episode", "baseline_days", "beyond"):
        assert np.array_equal(getattr(found, name)[0, 32:], getattr(alone, name)[0], equal_nan=True), name
    assert not found.episode.any()
    assert chart(days).episode[0, -1] == 1


def test_a_welcome_change_that_lasts_becomes_usual_so_that_a_relapse_is_flagged() -> None:
    values = patients(200, 90)
    values[:, 20:80] -= 0.15  # three spreads less for two months, then as at first
    found, frozen = chart(values), chart(values, replace(DEFAULT_THRESHOLDS, settling_days=1000))
    settled = found.settled[:, 79] >= 0
    assert settled.mean() > 0.95
    assert (np.abs(found.level_since[settled, 79] - 20) <= 3).mean() > 0.85
    assert (found.level_change[settled, 79] == -1).all()

    def flagged(judged: ControlChart) -> float:
        rises = judged.episode == 1
        return float(rises[~rises[:, 79], 80:85].any(axis=1).mean())

    assert flagged(found) > 0.8
    assert flagged(frozen) < 0.1


def test_a_worrying_change_never_becomes_usual_by_itself() -> None:
    values = patients(200, 150)
    values[:, 20:] += 0.15
    found = chart(values)
    assert not (found.level_change[:, 20:] == 1).any()
    assert (found.episode[:, 149] == 1).mean() > 0.9


def test_one_wild_day_alone_opens_only_where_one_day_is_enough() -> None:
    wild = [*MONTH, 0.57, *CALM]
    assert chart(wild).episode[0, 32] == 1
    found = chart(wild, one_day_opens=False)
    assert found.beyond[0, 32] == 1
    assert not found.episode.any()
    assert not found.in_baseline[0, 32]
    assert chart([*MONTH, 0.57, 0.57], one_day_opens=False).episode[0, 33] == 1
    assert chart([*MONTH, 0.75], one_day_opens=False).episode[0, 32] == 1  # more than twice as far out as its limits
