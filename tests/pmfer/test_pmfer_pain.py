"""Pain-related facial activity: what raises it, what does not, and sleep."""

import numpy as np
import polars as pl
import pytest

from pmfer.pain import ASLEEP_S, BLINK_S, PAIN_COLUMNS, SMILE, asleep, pain_activity, with_pain_activity

RATE = 5  # frames a second


def frames(seconds: float, **scores: float) -> pl.DataFrame:
    """A session in which all scores are 0 except those given."""
    count = round(seconds * RATE)
    columns = dict.fromkeys((*PAIN_COLUMNS, *SMILE), 0.0) | scores
    return pl.DataFrame(
        {"pts_s": np.arange(count) / RATE} | {name: np.full(count, value) for name, value in columns.items()}
    )


def one_after_the_other(*parts: pl.DataFrame) -> pl.DataFrame:
    return pl.concat(parts).with_columns(pts_s=pl.int_range(pl.len()) / RATE)


def test_a_grimace_is_full_activity_and_the_stronger_of_two_units_counts() -> None:
    nothing = dict.fromkeys((*PAIN_COLUMNS, *SMILE), 0.0)
    assert pain_activity(nothing) == 0
    assert pain_activity(nothing | dict.fromkeys(PAIN_COLUMNS, 1.0)) == 1
    assert pain_activity(nothing | {"au06": 0.2, "au07": 0.6}) == pytest.approx(0.15)


def test_the_cheeks_of_a_smile_do_not_count() -> None:
    smile = frames(2, au06=0.9, au07=0.3, happiness=0.95)
    wince = frames(2, au06=0.9, au07=0.3, happiness=0.05)
    assert with_pain_activity(smile)["pain_activity"].to_list() == pytest.approx([0.9 * 0.05 / 4] * 10)
    assert with_pain_activity(wince)["pain_activity"].to_list() == pytest.approx([0.9 * 0.95 / 4] * 10)
    read_as_neutral = frames(2, au06=0.9, au07=0.3, au12=0.8, happiness=0.2)
    assert with_pain_activity(read_as_neutral)["pain_activity"].to_list() == pytest.approx([0.9 * 0.2 / 4] * 10)


def test_closed_eyes_count_only_together_with_brows_nose_or_lip() -> None:
    nothing = dict.fromkeys((*PAIN_COLUMNS, *SMILE), 0.0)
    resting, wincing = nothing | {"au43": 0.9}, nothing | {"au43": 0.9, "au04": 0.7}
    assert pain_activity(resting) == 0
    assert pain_activity(wincing) == pytest.approx((0.7 + 0.7) / 4)
    assert pain_activity(wincing | {"au12": 1.0}) == pytest.approx(0.7 / 4)  # a smile with closed eyes


def test_of_two_units_one_may_be_covered() -> None:
    session = frames(1, au07=0.4, au10=0.6, au04=0.2)
    tube = session.with_columns(au06=pl.lit(None, pl.Float64), au09=pl.lit(None, pl.Float64))
    assert with_pain_activity(tube)["pain_activity"].to_list() == pytest.approx([0.3] * RATE)
    mask = tube.with_columns(au10=pl.lit(None, pl.Float64))
    assert with_pain_activity(mask)["pain_activity"].null_count() == RATE


@pytest.mark.parametrize(("seconds", "sleeps"), [(ASLEEP_S - 1, False), (ASLEEP_S + 1, True)])
def test_eyes_closed_for_long_are_those_of_a_sleeper(seconds: float, sleeps: bool) -> None:
    session = one_after_the_other(frames(3), frames(seconds, au43=0.9, au07=0.5, au04=0.4), frames(3))
    found = with_pain_activity(session)["pain_activity"].to_numpy()
    closed = slice(3 * RATE, round((3 + seconds) * RATE))
    assert asleep(session).to_numpy()[closed].all() == sleeps
    assert asleep(session).sum() == (round(seconds * RATE) if sleeps else 0)
    assert found[closed] == pytest.approx(0.1 if sleeps else (0.4 + 0.5 + 0.4) / 4)  # the brow also counts during sleep
    assert found[: 3 * RATE].max() == 0


def test_a_sleeper_may_blink_or_be_hidden_for_a_moment() -> None:
    asleep_parts = frames(ASLEEP_S * 0.6, au43=0.9)
    open_for_a_moment = one_after_the_other(asleep_parts, frames(BLINK_S - 1, au43=0.1), asleep_parts)
    awake_between = one_after_the_other(asleep_parts, frames(BLINK_S + 1, au43=0.1), asleep_parts)
    hidden = one_after_the_other(asleep_parts, frames(1).with_columns(au43=None), asleep_parts)
    assert asleep(open_for_a_moment).any()
    assert not asleep(awake_between).any()
    assert asleep(hidden).any()


def test_missing_stays_missing() -> None:
    session = frames(1, au04=0.5).with_columns(au43=pl.when(pl.col("pts_s") < 0.5).then("au43"))
    found = with_pain_activity(session)["pain_activity"]
    assert found.to_list() == [0.125, 0.125, 0.125, None, None]
    assert with_pain_activity(session.with_columns(happiness=None))["pain_activity"].null_count() == len(session)
    assert with_pain_activity(session.drop("au09"))["pain_activity"].null_count() == len(session)
    assert not asleep(frames(60, au43=1).with_columns(pts_s=pl.lit(None, pl.Float64))).any()
