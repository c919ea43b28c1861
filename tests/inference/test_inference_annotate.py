"""An annotated picture shows the subject's box and the text of its row."""

from pathlib import Path
from typing import Any

import numpy as np
import polars as pl
import pytest
from inference_videos import Picture, decode, write_video

from inference.annotate import SCORED, UNSCORED, annotate, annotate_video, describe
from pmfer.bundle import AuPhrase

PHRASES = [
    AuPhrase(12, "au12", "mouth", "lip corners pulled up", True),
    AuPhrase(4, "au04", "brow", "brows lowered", True),
    AuPhrase(6, "au06", "cheek", "cheeks raised", True),
    AuPhrase(43, "au43", "eye", "eyes closed", True),
]
SMILE = {
    "reason": None,
    "is_subject": True,
    "leading_expression": "happiness",
    "confidence": 0.914,
    **{"au12": 0.9, "au04": 0.1, "au06": 0.7, "au43": 0.2},
    **{"box_x_px": 200.0, "box_y_px": 160.0, "box_w_px": 100.0, "box_h_px": 120.0},
}


def test_the_strongest_phrases_are_said_in_words() -> None:
    assert describe(SMILE, PHRASES) == [
        "happiness 91%",
        "lip corners pulled up 0.90",
        "cheeks raised 0.70",
        "eyes closed 0.20",
    ]


def test_a_phrase_of_a_covered_part_is_not_said() -> None:
    smile = SMILE | {"au06": None, "au43": None}
    assert describe(smile, PHRASES) == ["happiness 91%", "lip corners pulled up 0.90", "brows lowered 0.10"]


def test_a_frame_without_scores_says_why() -> None:
    assert describe({"reason": "too_dark"}, PHRASES) == ["not scored: too dark"]


@pytest.mark.parametrize(("row", "colour"), [(SMILE, SCORED), (SMILE | {"reason": "too_dark"}, UNSCORED)])
def test_the_box_is_drawn_where_the_face_is_in_a_reduced_picture(row: dict[str, Any], colour: tuple[int, ...]) -> None:
    picture = np.full((240, 320, 3), 90, np.uint8)
    shown = annotate(picture, row, PHRASES, scale=0.5)
    right_edge, middle = shown[110, 150], shown[110, 125]
    assert tuple(right_edge.tolist()) == colour
    assert tuple(middle.tolist()) == (90, 90, 90)
    assert (picture == 90).all()


def test_nobody_else_gets_a_box() -> None:
    nobody = {"reason": "not_subject", "is_subject": False}
    shown = annotate(np.full((240, 320, 3), 90, np.uint8), nobody, PHRASES)
    assert (shown[60:] == 90).all()


def test_frames_are_shown_at_their_times_or_just_after_one_another(tmp_path: Path, steps: list[Picture]) -> None:
    video = write_video(tmp_path / "pairs.mkv", steps, times_ms=[100 * (number // 2) for number in range(20)])
    assert [round(1000 * frame.time_s) for frame in decode(video)][:4] == [0, 0, 100, 100]
    table = pl.DataFrame([{"frame_index": n, "reason": "no_face", "is_subject": False} for n in range(20)])
    assert annotate_video(video, table, PHRASES, tmp_path / "shown.mp4") == 20
    times_ms = [round(1000 * frame.time_s) for frame in decode(tmp_path / "shown.mp4")]
    assert times_ms == [100 * (number // 2) + number % 2 for number in range(20)]
