"""Faces on their side, upside down or turning over are found, cropped upright, and scored like upright ones."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inference_videos import QUICK, Picture, write_video
from numpy.typing import NDArray
from PIL import Image
from polars.testing import assert_frame_equal

from inference.crop import crop_face, crop_window
from inference.detect import main_face, open_detector
from inference.faces import Faces, estimate_pose, roll
from inference.frame import Frame
from inference.lean import EIGHTHS, ROUND, FaceFinder, find_faces_any_way_up, lean_of
from inference.options import ScoringOptions
from inference.score import Scorer
from pmfer.bundle import CropGeometry, load_bundle
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from simulator.appearance import sample_appearance
from simulator.face import draw_face

SCORES = [*EXPRESSION_NAMES, *AU_COLUMNS]
ALL_ROUND = np.arange(0, 360, 22.5)  # every second angle is as far as possible from the turns of the detector
OPTIONS = replace(ScoringOptions(), int8=False)
SMALLER = replace(QUICK, int8=False)


def leaning(picture: Picture, degrees: float) -> Picture:
    """The picture turned clockwise, with its own colours in the corners."""
    whole = np.pad(picture[::2, ::2], ((60, 60), (60, 60), (0, 0)), mode="edge")
    return np.asarray(Image.fromarray(whole).rotate(-degrees, Image.Resampling.BICUBIC, fillcolor=(90, 90, 90)))


@pytest.fixture(scope="module")
def real() -> Scorer:
    return Scorer(load_bundle(), OPTIONS, threads=1)


def test_a_face_turned_by_any_angle_scores_like_the_upright_one(
    tmp_path: Path, real: Scorer, portrait: Picture
) -> None:
    film = [leaning(portrait, degrees) for degrees in ALL_ROUND for _ in range(3)]
    frames = real.score(write_video(tmp_path / "turn.mp4", film, rate=5), "turning").frames
    assert len(frames) == len(film)
    assert frames["reason"].null_count() == len(frames)
    upright = frames[:3].select(SCORES).to_numpy().mean(axis=0)
    scores = frames.select(SCORES).to_numpy()
    assert (scores[:, :8].argmax(axis=1) == upright[:8].argmax()).all()
    assert np.abs(scores - upright).mean() < 0.03
    asked = np.repeat(ALL_ROUND, 3)
    off = (frames["roll_deg"].to_numpy() - frames["roll_deg"][:3].mean() - asked + 180) % 360 - 180
    assert np.abs(off).max() < 15


def test_what_is_found_does_not_depend_on_how_much_is_looked_at_together(tmp_path: Path, portrait: Picture) -> None:
    film = [leaning(portrait, degrees) for degrees in (0, 90, 180, 315) for _ in range(3)]
    video = write_video(tmp_path / "turn.mp4", film, rate=5)
    scorers = [Scorer(load_bundle(), SMALLER, batch_size=size, threads=1) for size in (1, 5)]
    batches = [scorer.score(video, "s").frames for scorer in scorers]
    for other in batches[1:]:
        assert_frame_equal(other.drop(SCORES), batches[0].drop(SCORES), check_exact=True)
        assert_frame_equal(other.select(SCORES), batches[0].select(SCORES), abs_tol=1e-5)


def test_somebody_on_their_side_is_seen_beside_somebody_upright(
    tmp_path: Path, real: Scorer, portrait: Picture
) -> None:
    """A patient in bed is not missed because a visitor is standing beside them."""
    visitor, patient = leaning(portrait, 0), leaning(portrait, 90).repeat(2, axis=0).repeat(2, axis=1)
    blank = np.full((patient.shape[0] - visitor.shape[0], visitor.shape[1], 3), 90, np.uint8)
    film = [np.concatenate([np.concatenate([visitor, blank]), patient], axis=1)] * 6
    frames = real.score(write_video(tmp_path / "two.mp4", film, rate=5), "two").frames
    assert frames["face_count"].to_list() == [2] * len(frames)
    assert frames["is_subject"].all()
    assert frames["roll_deg"].to_numpy() == pytest.approx(90, abs=15)  # the patient, who is nearer
    assert frames["face_size_px"].min() > 80


class SurerFromTheSide:
    """A detector that finds one face in every picture; in turned pictures with a smaller box and a better score."""

    name = "centerface"
    prefers_one_shape = False

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        """The same for all pictures of a batch."""
        side, score = (40, 0.95) if pictures.shape[1] > pictures.shape[2] else (60, 0.9)
        middle = np.array([pictures.shape[2], pictures.shape[1]], np.float32) / 2
        box = np.array([[*(middle - side / 2), side, side]], np.float32)
        points = np.array([[-0.5, -0.55], [0.5, -0.55], [0, 0], [-0.4, 0.55], [0.4, 0.55]]) * side / 3 + middle
        return [Faces(box, np.array([score], np.float32), points[None].astype(np.float32))] * len(pictures)


def test_a_look_all_round_leaves_a_well_seen_face_as_it_was() -> None:
    """The look is for somebody else who may lie; the box of the face itself is best as it was found."""
    frames = [Frame.of_picture(np.zeros((192, 320, 3), np.uint8), n) for n in range(3 * ROUND)]
    boxes = np.concatenate([faces.boxes for faces, _ in FaceFinder(SurerFromTheSide(), 320).find_in_keyframes(frames)])
    np.testing.assert_array_equal(boxes, boxes[:1].repeat(len(frames), axis=0))
    assert boxes[0, 2] == 60


def test_stills_are_read_any_way_up(portrait: Picture) -> None:
    some = (0, 30, 75, 120, 165, 210, 300)
    pictures = [leaning(portrait, degrees) for degrees in some]
    found = find_faces_any_way_up(open_detector(SMALLER, 1), pictures, SMALLER.detector_size_px)
    for degrees, picture, faces in zip(some, pictures, found, strict=True):
        best = main_face(faces, (picture.shape[1], picture.shape[0]))
        assert best is not None, degrees
        off = (roll(faces.landmarks[best]) - degrees + 180) % 360 - 180
        assert abs(off) < 8, degrees


def test_a_face_that_fills_a_still_is_found() -> None:
    seen = draw_face(sample_appearance(307), {12: 0.4}, size=(600, 600))
    detector = open_detector(ScoringOptions(), 1)
    (faces,) = find_faces_any_way_up(detector, [seen], 384)
    left, top, width, height = faces.boxes[0].tolist()
    inner = (left + width / 10, top + height / 10, left + 0.9 * width, top + 0.9 * height)
    filled = np.asarray(Image.fromarray(seen).crop(tuple(map(round, inner))))
    assert [len(found) for found in find_faces_any_way_up(detector, [filled], 384)] == [1]


def closer(picture: Picture, share: float) -> Picture:
    """The portrait's face in a picture of 320 x 240 whose height is this share of the portrait's."""
    half, (x, y) = 256 * share, (224, 112)
    box = (x - half * 4 / 3 + 256, y - half + 256, x + half * 4 / 3 + 256, y + half + 256)
    whole = np.pad(picture, ((256, 256), (256, 256), (0, 0)), mode="edge")
    return np.asarray(Image.fromarray(whole).resize((320, 240), Image.Resampling.BICUBIC, box))


@pytest.mark.parametrize("quarters", [0, 1])
def test_a_camera_that_moves_up_to_a_face_does_not_lose_it(
    tmp_path: Path, real: Scorer, portrait: Picture, quarters: int
) -> None:
    """At the end, the face is larger than the picture."""
    shares = np.geomspace(0.8, 0.14, 30)
    film = [np.ascontiguousarray(np.rot90(closer(portrait, share), -quarters)) for share in shares]
    frames = real.score(write_video(tmp_path / "closer.mp4", film, rate=5), "closer").frames
    assert frames["is_subject"].all()
    assert frames["reason"].null_count() == len(frames)
    assert frames["track_id"].n_unique() == 1
    assert frames["happiness"].min() > 0.8


def test_a_face_that_fills_a_video_from_the_start_is_found_in_every_frame(
    tmp_path: Path, real: Scorer, portrait: Picture
) -> None:
    video = write_video(tmp_path / "close.mp4", [closer(portrait, 0.15)] * 15, rate=5)
    assert real.score(video, "close").frames["reason"].null_count() == 15


@pytest.mark.parametrize(("below", "scored"), [(148, True), (118, False)])
def test_a_face_whose_mouth_is_below_the_picture_is_not_scored(
    tmp_path: Path, real: Scorer, portrait: Picture, below: int, scored: bool
) -> None:
    """The model would read an expression from half a face; the detector only guesses where the mouth is."""
    video = write_video(tmp_path / "cut.mp4", [portrait[:below]] * 5, rate=5)
    frames = real.score(video, "cut").frames
    assert frames["is_subject"].all()
    assert frames["reason"].unique().to_list() == [None if scored else "covered"]


def test_a_crop_is_turned_upright_about_the_face() -> None:
    rng = np.random.default_rng(5)
    picture = np.asarray(Image.fromarray(rng.integers(0, 255, (20, 30), np.uint8)).resize((300, 200)), np.uint8)
    box, geometry = np.array([100, 60, 40, 60], np.float32), CropGeometry(side=1.4, dx=0.1, dy=-0.2)
    upright = crop_face(picture, box, geometry, 48)
    on_side = np.rot90(picture, -1)  # clockwise: (x, y) comes to (200 - y, x)
    lying = np.array([200 - 60 - 60, 100, 60, 40], np.float32)
    turned = crop_face(np.ascontiguousarray(on_side), lying, geometry, 48, 90.0)
    assert np.abs(turned.astype(int) - upright).mean() < 2
    assert crop_window(lying, geometry, 90.0)[2] == crop_window(box, geometry)[2]


@pytest.mark.parametrize("degrees", [30, 90, -135, 180])
def test_faces_turned_and_turned_back_are_the_same(degrees: float) -> None:
    rng = np.random.default_rng(1)
    faces = Faces(
        np.array([[10, 20, 30, 40], [50, 5, 20, 20]], np.float32),
        np.array([0.9, 0.6], np.float32),
        rng.uniform(0, 80, (2, 5, 2)).astype(np.float32),
    )
    there = faces.turned(degrees, (100, 80), (120, 120))
    back = there.turned(-degrees, (120, 120), (100, 80))
    np.testing.assert_allclose(back.landmarks, faces.landmarks, atol=1e-3)
    np.testing.assert_allclose(
        back.boxes[:, :2] + back.boxes[:, 2:] / 2, faces.boxes[:, :2] + faces.boxes[:, 2:] / 2, atol=1e-3
    )
    if degrees in (90, 180):
        np.testing.assert_allclose(back.boxes, faces.boxes, atol=1e-3)


def test_the_roll_of_a_profile_does_not_hang_on_its_eyes() -> None:
    """In profile the eyes nearly meet, and a pixel of error between them is a large angle."""
    profile = np.array([[50, 40], [54, 44], [70, 58], [52, 80], [55, 81]], np.float32)
    assert abs(roll(profile)) < 10
    assert estimate_pose(profile).roll_deg == roll(profile)


@pytest.mark.parametrize(
    ("degrees", "lean"),
    [(0, 0), (34, 0), (-34, 0), (40, 45), (-50, 315), (60, 90), (178, 180), (-178, 180), (-92, 270)],
)
def test_the_look_that_reaches_a_face_is_a_quarter_turn_if_one_does(degrees: float, lean: int) -> None:
    assert lean_of(degrees) == lean
    assert lean in EIGHTHS
