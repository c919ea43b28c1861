"""Drawn faces are good enough for the real detector and for the model that ships."""

from datetime import date
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.crop import crop_face
from inference.detect import CenterFace
from inference.faces import Faces
from inference.model import ExpressionModel
from inference.options import ScoringOptions, centerface_weights
from inference.score import Scorer
from pmfer.bundle import load_bundle
from pmfer.errors import VideoError
from simulator.appearance import sample_appearance
from simulator.face import draw_face
from simulator.pose import Pose
from simulator.session import SessionKind
from simulator.ward import WardPlan, write_ward

SIZE, DETECTOR_SIZE = (480, 360), (384, 288)  # width and height; the detector sees what the product gives it
PEOPLE = range(9000, 9064)  # seeds that were not looked at while the faces were drawn
SMILE, PAIN = {6: 0.8, 12: 1.0}, {4: 1.0, 6: 0.7, 7: 0.9, 9: 0.7, 10: 0.8, 43: 1.0}


def pose_of(seed: int, turn_deg: float) -> Pose:
    """A head turned and placed at random."""
    rng = np.random.default_rng(seed)
    yaw, pitch, roll = rng.uniform(-turn_deg, turn_deg, 3)
    return Pose(yaw, pitch, roll, x=rng.uniform(0.4, 0.6), y=0.42, size=rng.uniform(0.42, 0.6))


@pytest.fixture(scope="module")
def detector() -> CenterFace:
    return CenterFace(centerface_weights(), ScoringOptions().min_detection_score, threads=1)


def find(detector: CenterFace, picture: NDArray[np.uint8]) -> Faces:
    """The faces of a picture, in its own pixels."""
    small = np.asarray(Image.fromarray(picture).resize(DETECTOR_SIZE))
    return detector.detect(small[None])[0].mapped((SIZE[0] / DETECTOR_SIZE[0], SIZE[1] / DETECTOR_SIZE[1]))


def test_the_detector_finds_the_one_face_where_it_was_drawn(detector: CenterFace) -> None:
    found = 0
    for seed in PEOPLE:
        pose = pose_of(seed, turn_deg=15)
        faces = find(detector, draw_face(sample_appearance(seed), SMILE if seed % 2 else {}, pose=pose, size=SIZE))
        if len(faces) == 1:
            left, top, width, height = faces.boxes[0]
            eyes = np.array((pose.x * SIZE[0], pose.y * SIZE[1]))
            inside = (eyes > (left, top)) & (eyes < (left + width, top + height))
            found += bool(inside.all()) and 0.6 < height / (pose.size * SIZE[1]) < 1.4
    assert found >= 0.99 * len(PEOPLE)


@pytest.fixture(scope="module")
def scores(detector: CenterFace) -> dict[str, NDArray[np.float32]]:
    """Scores [people] of three faces of each person by column name: `neutral:au12`, `smile:au12`, `pain:au04`, ..."""
    bundle = load_bundle()
    model = ExpressionModel(bundle, threads=1)
    found = {}
    for name, units in (("neutral", {}), ("smile", SMILE), ("pain", PAIN)):
        crops = []
        for seed in PEOPLE:
            picture = draw_face(sample_appearance(seed), units, pose=pose_of(seed, turn_deg=8), size=SIZE)
            grey = np.asarray(Image.fromarray(picture).convert("L"))
            crops.append(crop_face(grey, find(detector, picture).boxes[0], bundle.card.crop["centerface"], 48))
        rows = model.score(np.stack(crops))
        found |= {f"{name}:{column}": rows[:, k] for k, column in enumerate(bundle.score_columns)}
    return found


def test_a_drawn_smile_scores_higher_on_au12_than_the_same_face_at_rest(scores: dict[str, NDArray[np.float32]]) -> None:
    assert (scores["smile:au12"] > scores["neutral:au12"]).mean() >= 0.97


@pytest.mark.parametrize("column", ["au04", "au06", "au07", "au09", "au10"])
def test_a_drawn_grimace_raises_the_pain_related_units_in_most_people(
    column: str, scores: dict[str, NDArray[np.float32]]
) -> None:
    assert (scores[f"pain:{column}"] > scores[f"neutral:{column}"]).mean() >= 0.7


def test_most_faces_at_rest_look_more_neutral_than_their_smile_or_grimace(
    scores: dict[str, NDArray[np.float32]],
) -> None:
    for other in ("smile", "pain"):
        assert (scores["neutral:neutral"] > scores[f"{other}:neutral"]).mean() >= 0.8


def test_a_ward_is_read_as_its_truth_says(tmp_path: Path) -> None:
    plan = WardPlan(first_day=date(2026, 3, 1), days=6, seconds_per_session=1.2)
    truth = write_ward(tmp_path, plan)
    scorer = Scorer(load_bundle(), ScoringOptions(detector_size_px=320), threads=2)
    for session in truth.of_patient("hazel-05"):
        if session.kind in (SessionKind.TRUNCATED, SessionKind.NOT_A_VIDEO, SessionKind.EMPTY_FILE):
            with pytest.raises(VideoError) as raised:
                scorer.score(tmp_path / session.video, session.session_id)
            assert raised.value.reason == session.kind
            continue
        summary = scorer.score(tmp_path / session.video, session.session_id).summary
        readable = session.kind in (SessionKind.CLEAR, SessionKind.CUT_SHORT)
        assert (summary.frames_scored == summary.frames_sampled) is readable, session
        assert readable or summary.frames_scored < 0.4 * summary.frames_sampled, session
        assert (summary.warning is not None) is (session.kind is SessionKind.CUT_SHORT), session
    visit = next(session for session in truth.sessions if session.visitor)
    frames = scorer.score(tmp_path / visit.video, visit.session_id).frames
    assert (frames["face_count"] == 2).all()
    assert frames["box_h_px"].min() > 100  # the patient, not the visitor behind, is the one that is scored
