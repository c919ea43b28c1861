"""Why a day abstains: each reason from a day that was made to lack just that."""

from dataclasses import replace

import polars as pl
import pytest

from reports.quality import missing_reason
from reports.thresholds import DEFAULT_THRESHOLDS
from reports.trend import Lack


def day(*sessions: dict[str, object]) -> pl.DataFrame:
    """Sessions of 100 sampled frames, of which ten were scored unless said otherwise."""
    usual = {"frames_sampled": 100, "frames_scored": 10, "frames_too_dark": 0, "frames_too_bright": 0}
    return pl.DataFrame([usual | {"yaw_abs_median_deg": 5.0} | session for session in sessions])


@pytest.mark.parametrize(
    ("session", "lack"),
    [
        ({"frames_too_dark": 46}, Lack.TOO_DARK),
        ({"frames_too_dark": 45}, Lack.TOO_LITTLE_SEEN),  # half of the ninety that were not scored is not most of them
        ({"frames_too_bright": 60}, Lack.TOO_BRIGHT),
        ({"frames_too_bright": 30, "frames_too_dark": 30}, Lack.TOO_LITTLE_SEEN),
        ({"frames_scored": 90, "yaw_abs_median_deg": 35.0}, Lack.TURNED_AWAY),
        ({"frames_scored": 90, "yaw_abs_median_deg": None}, Lack.TOO_FEW_SESSIONS),
        ({}, Lack.TOO_LITTLE_SEEN),
    ],
)
def test_what_a_day_lacks_is_named(session: dict[str, object], lack: Lack) -> None:
    wants_two = replace(DEFAULT_THRESHOLDS, min_sessions_per_day=2)
    assert missing_reason(day(session), 0, wants_two) is lack


def test_a_day_without_sessions_was_not_recorded_or_set_aside() -> None:
    nothing = day({}).clear()
    assert missing_reason(nothing, 0, DEFAULT_THRESHOLDS) is Lack.NO_SESSION
    assert missing_reason(nothing, 2, DEFAULT_THRESHOLDS) is Lack.ALL_SET_ASIDE
