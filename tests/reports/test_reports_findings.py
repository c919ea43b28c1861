"""Findings that can be worked out by hand, the stages of a flag, and why a day is not compared."""

from dataclasses import replace
from datetime import timedelta

import polars as pl
import pytest
from session_rows import DAY, SMILING

from reports.findings import (
    Baseline,
    Episode,
    Lack,
    Signal,
    Stage,
    State,
    find,
    missing_reason,
    stage_of,
)
from reports.measures import DEFAULT_THRESHOLDS, MEASURE_BY_KEY, Rule

USUAL = Baseline(0.2, 0.17, 0.23, 0.03, 14)
ABOVE = Signal(Rule.BEYOND_LIMITS, State.HIGHER, DAY, 1.4)
BELOW = Signal(Rule.EWMA, State.LOWER, DAY - timedelta(days=3), 1.2)


def flag(state: State, closed: int | None = None) -> Episode:
    """A flag that opened the day before DAY; `closed` is the number of days before DAY on which it closed."""
    before = DAY - timedelta(days=1)
    return Episode(state, before, before, before, before, None if closed is None else DAY - timedelta(days=closed), 2)


def test_an_open_flag_gives_the_day_its_state_and_the_rules_that_speak_its_way_are_its_signals() -> None:
    less = find(SMILING, 0.1, USUAL, Lack.NO_SESSION, (BELOW,), episode=flag(State.LOWER))
    assert (less.state, less.signals, less.told, less.size) == (State.LOWER, (BELOW,), (), 1.2)
    silent = find(SMILING, 0.19, USUAL, Lack.NO_SESSION, episode=flag(State.LOWER))
    assert (silent.state, silent.signals, silent.size) == (State.LOWER, (), 0.0)


def test_without_an_open_flag_a_change_is_told() -> None:
    more = find(SMILING, 0.3, USUAL, Lack.NO_SESSION, (ABOVE,))
    assert (more.state, more.flagged, more.signals, more.told, more.size) == (State.USUAL, False, (), (ABOVE,), 0.0)
    back = find(SMILING, 0.3, USUAL, Lack.NO_SESSION, (ABOVE,), episode=flag(State.LOWER, closed=0))
    assert (back.state, back.told) == (State.USUAL, (ABOVE,))
    both = find(MEASURE_BY_KEY["au04"], 0.3, USUAL, Lack.NO_SESSION, (ABOVE, BELOW), episode=flag(State.HIGHER))
    assert (both.state, both.signals, both.told) == (State.HIGHER, (ABOVE,), (BELOW,))


def test_without_a_value_or_a_baseline_the_finding_abstains_with_the_reason() -> None:
    nothing = find(SMILING, None, USUAL, Lack.ALL_SET_ASIDE)
    assert (nothing.state, nothing.lack) == (State.INSUFFICIENT, Lack.ALL_SET_ASIDE)
    early = find(SMILING, 0.9, None, Lack.NO_SESSION)
    assert (early.state, early.lack) == (State.INSUFFICIENT, Lack.NO_BASELINE)


@pytest.mark.parametrize(
    ("value", "baseline", "episode", "accepted_back", "stage"),
    [
        (0.2, USUAL, None, None, Stage.USUAL),
        (0.1, USUAL, replace(flag(State.LOWER), opened=DAY), None, Stage.NEW),
        (0.1, USUAL, flag(State.LOWER), None, Stage.OPEN),
        (None, USUAL, flag(State.LOWER), None, Stage.OPEN),  # nothing seen today, and not back when last seen
        (0.2, USUAL, flag(State.LOWER, closed=0), None, Stage.BACK),
        (None, USUAL, flag(State.LOWER, closed=1), None, Stage.NOT_COMPARED),
        (0.2, None, None, None, Stage.NOT_COMPARED),
        (0.2, None, None, 3, Stage.ACCEPTED),
        (0.2, USUAL, None, 20, Stage.ACCEPTED),
        (0.2, USUAL, None, 28, Stage.USUAL),
        (0.1, USUAL, flag(State.LOWER), 20, Stage.OPEN),
        (None, USUAL, None, 20, Stage.NOT_COMPARED),
    ],
)
def test_where_a_measure_stands(
    value: float | None, baseline: Baseline | None, episode: Episode | None, accepted_back: int | None, stage: Stage
) -> None:
    finding = find(SMILING, value, baseline, Lack.NO_SESSION, episode=episode)
    accepted = None if accepted_back is None else DAY - timedelta(days=accepted_back)
    assert stage_of(finding, DAY, accepted, DEFAULT_THRESHOLDS) is stage


def test_the_number_that_speaks_for_a_flag_is_the_one_its_rule_looked_at() -> None:
    known = {"episode": flag(State.LOWER), "recent": 0.15}
    quiet = replace(find(SMILING, 0.19, USUAL, Lack.NO_SESSION, **known), mean_since=0.14, usual=(0.18, 0.22))
    assert quiet.judged == 0.14
    assert replace(quiet, signals=(BELOW,)).judged == 0.15
    assert replace(quiet, signals=(BELOW, replace(BELOW, rule=Rule.BEYOND_LIMITS))).judged == 0.19


def test_a_flag_keeps_its_direction_on_a_day_that_abstains() -> None:
    unseen = replace(find(SMILING, None, USUAL, Lack.NO_SESSION, episode=flag(State.LOWER)), stage=Stage.OPEN)
    assert (unseen.state, unseen.flagged, unseen.direction) == (State.INSUFFICIENT, True, State.LOWER)


def sessions_of_a_day(*sessions: dict[str, object]) -> pl.DataFrame:
    """Sessions with 100 sampled frames, ten of them scored by default."""
    usual = {"frames_sampled": 100, "frames_scored": 10, "yaw_abs_median_deg": 5.0}
    usual |= dict.fromkeys(("frames_too_dark", "frames_too_bright", "frames_covered"), 0)
    return pl.DataFrame([usual | session for session in sessions])


@pytest.mark.parametrize(
    ("seen", "lack"),
    [
        ({"frames_too_dark": 46}, Lack.TOO_DARK),
        ({"frames_too_dark": 45}, Lack.TOO_LITTLE_SEEN),  # half of the ninety unscored frames is not most of them
        ({"frames_too_bright": 60}, Lack.TOO_BRIGHT),
        ({"frames_too_bright": 30, "frames_too_dark": 30}, Lack.TOO_LITTLE_SEEN),
        ({"frames_covered": 60}, Lack.COVERED),
        ({"frames_scored": 90, "yaw_abs_median_deg": 35.0}, Lack.TURNED_AWAY),
        ({}, Lack.TOO_LITTLE_SEEN),
        ({"frames_sampled": 22, "frames_scored": 22}, Lack.TOO_SHORT),  # the face was in view all the time
    ],
)
def test_what_a_day_lacks_is_named(seen: dict[str, object], lack: Lack) -> None:
    assert missing_reason(sessions_of_a_day(seen), 0, DEFAULT_THRESHOLDS) is lack


def test_a_day_without_sessions_was_not_recorded_or_quarantined() -> None:
    nothing = sessions_of_a_day({}).clear()
    assert missing_reason(nothing, 0, DEFAULT_THRESHOLDS) is Lack.NO_SESSION
    assert missing_reason(nothing, 2, DEFAULT_THRESHOLDS) is Lack.ALL_SET_ASIDE
