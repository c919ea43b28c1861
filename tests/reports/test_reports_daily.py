"""Daily values from small frames, with results that can be worked out by hand."""

import polars as pl
import pytest
from session_rows import session

from reports.daily import daily_values
from reports.measures import DEFAULT_THRESHOLDS


def smiling_of(*rows: dict[str, object]) -> list[float | None]:
    return daily_values(pl.DataFrame(rows), DEFAULT_THRESHOLDS)["smiling"].to_list()


def test_a_day_is_the_mean_over_its_scored_frames() -> None:
    assert smiling_of(session(0, 0.1, scored=100, sampled=100), session(0, 0.4, scored=50)) == [pytest.approx(0.2)]


def test_a_day_with_too_few_frames_is_missing_and_not_zero() -> None:
    assert smiling_of(session(1, 0.5, scored=29, sampled=29), session(0, 0.5, scored=30)) == [None, 0.5]


def test_a_session_without_scored_frames_leaves_the_day_alone() -> None:
    assert smiling_of(session(0, 0.3), session(0, None, scored=0)) == [pytest.approx(0.3)]


@pytest.mark.parametrize(
    ("scored", "sampled", "counts"), [(19, 19, False), (20, 20, True), (199, 1000, False), (200, 1000, True)]
)
def test_a_session_counts_from_20_frames_and_a_fifth_of_its_length(scored: int, sampled: int, counts: bool) -> None:
    daily = daily_values(pl.DataFrame([session(0, 0.9, scored, sampled), session(0, 0.1)]), DEFAULT_THRESHOLDS)
    assert daily["sessions"].item() == 2
    assert daily["sessions_used"].item() == (2 if counts else 1)
    assert (daily["smiling"].item() > 0.11) == counts


def test_a_session_of_a_face_turned_away_does_not_count() -> None:
    assert smiling_of(session(0, 0.9, yaw=21.0), session(0, 0.1, yaw=20.0)) == [pytest.approx(0.1)]


def test_a_measure_that_was_not_scored_abstains_alone() -> None:
    daily = daily_values(pl.DataFrame([session(0, None) | {"au04_mean": 0.5}], strict=False), DEFAULT_THRESHOLDS)
    assert (daily["smiling"].item(), daily["au04"].item()) == (None, 0.5)


def test_a_session_without_a_measure_takes_nothing_from_its_mean() -> None:
    assert smiling_of(session(0, 0.3), session(0, None)) == [pytest.approx(0.3)]
