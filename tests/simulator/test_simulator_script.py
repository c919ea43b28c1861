"""What a session's script says is what happens."""

from dataclasses import replace

import numpy as np
import polars as pl
import pytest

from pmfer.facs import ACTION_UNITS
from pmfer.pain import SMILING, with_pain_activity
from simulator.patients import PATIENTS, Course
from simulator.pose import Pose
from simulator.script import GRIMACE, Episode, Manner, Script, mean_units, write_script
from simulator.truth import drawn_activity

TIMES = [k / 10 for k in range(600)]


def test_an_episode_rises_holds_and_fades() -> None:
    episode = Episode(start_s=1.0, onset_s=0.5, apex_s=1.0, offset_s=0.5, units={12: 0.8})
    assert [episode.strength(t) for t in (0.9, 1.25, 1.5, 2.5, 2.75, 3.1)] == pytest.approx([0, 0.5, 1, 1, 0.5, 0])


def test_the_stronger_of_two_episodes_shows() -> None:
    script = replace(
        write_script(np.random.default_rng(0), Manner(), 1.0, Pose()),
        resting={4: 0.1},
        episodes=(Episode(0, 0.1, 2, 0.1, {12: 0.4}), Episode(0, 0.1, 2, 0.1, {12: 0.9, 6: 0.5})),
    )
    assert script.units(1.0) == pytest.approx({4: 0.1, 12: 0.9, 6: 0.5})


def test_intensities_stay_within_their_range() -> None:
    script = write_script(np.random.default_rng(1), Manner(grimacing=0.5, grimace=1.0, tension=1.0), 60, Pose())
    assert all(0 < value <= 1 for t in TIMES for value in script.units(t).values())


def test_more_smiling_raises_only_the_units_of_a_smile() -> None:
    few, many = (
        mean_units(write_script(np.random.default_rng(2), Manner(smiling=share, talking=0), 60, Pose()), TIMES)
        for share in (0.1, 0.5)
    )
    assert many[12] > 3 * few[12]
    assert many[6] > 2 * few[6]
    assert many[4] == pytest.approx(few[4], abs=0.05)


def test_pain_activity_of_a_full_grimace() -> None:
    assert drawn_activity({}) == 0
    assert drawn_activity(dict.fromkeys(GRIMACE, 1.0)) == 1.0
    assert drawn_activity({6: 0.2, 7: 0.6}) == pytest.approx(0.15)  # the stronger of 6 and 7, a quarter of the scale
    assert drawn_activity({6: 0.8, 12: 1.0}) == 0  # a smile
    assert drawn_activity({4: 0.4, 43: 1.0}) == pytest.approx(0.2)  # closed eyes count as far as the brows
    assert drawn_activity({4: 0.4, 43: 1.0}, asleep=True) == pytest.approx(0.1)


def frames_of(script: Script, seconds: float) -> pl.DataFrame:
    """Five frames a second, as a perfect model would score them."""
    times = [k / 5 for k in range(round(5 * seconds))]
    shown = [script.units(time) for time in times]
    columns = {unit.column: [units.get(unit.number, 0.0) for units in shown] for unit in ACTION_UNITS}
    return pl.DataFrame({"pts_s": times, SMILING: columns["au12"], **columns})


def test_a_sleeper_shows_closed_eyes_and_nothing_that_counts_towards_pain() -> None:
    script = write_script(np.random.default_rng(4), Manner(asleep=True, unrest_deg=0.5), 12, Pose())
    assert all(script.units(time) == {43: 1.0} for time in TIMES)
    assert max(abs(script.pose_at(time).yaw_deg) for time in TIMES) < 1
    frames = with_pain_activity(frames_of(script, 12))
    assert frames["pain_activity"].to_list() == [0.0] * 60
    awake = write_script(np.random.default_rng(4), Manner(grimacing=0.4, grimace=0.9), 12, Pose())
    assert (with_pain_activity(frames_of(awake, 12))["pain_activity"] > 0.5).mean() > 0.1


def test_slight_smiles_and_tight_lips_move_only_the_mouth() -> None:
    quiet = Manner(smiling=0, interest=0, talking=0, grimacing=0)
    slight, tight = (
        mean_units(write_script(np.random.default_rng(5), manner, 60, Pose()), TIMES)
        for manner in (replace(quiet, slight_smiling=0.5), replace(quiet, tight_lips=0.5))
    )
    assert slight[6] == tight[6] == tight[12] == slight[23] == 0
    assert 0.05 < slight[12] < 0.3
    assert tight[23] > 0.2
    assert tight[24] > 0.2


@pytest.mark.parametrize("course", Course)
def test_a_course_changes_what_it_names(course: Course) -> None:
    patient = next(p for p in PATIENTS if p.course is course)
    before, after = (patient.manner(day, 2 * day, 13, np.random.default_rng(3)) for day in (3, 20))
    assert (after.grimace > 2 * before.grimace) == (course is Course.PAIN)
    assert (after.expressivity < 0.5 * before.expressivity) == (course is Course.FLATTENING)
