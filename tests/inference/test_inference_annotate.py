"""An annotated picture shows the subject's box and the text of its row."""

from typing import Any

import numpy as np
import pytest

from inference.annotate import SCORED, UNSCORED, annotate, describe
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
