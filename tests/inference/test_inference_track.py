"""Faces of every frame from few detections, and their tracks: how much is saved, and that nothing is lost."""

from collections.abc import Iterator
from pathlib import Path

import av
import numpy as np
import pytest
from inference_videos import Picture, write_video
from numpy.typing import NDArray
from PIL import Image

from inference.detect import CenterFace, find_faces
from inference.faces import Faces, overlaps
from inference.frame import Frame
from inference.lean import EIGHTHS, QUARTERS
from inference.options import ScoringOptions, centerface_weights
from inference.track import Locator, Tracker, interpolate, likeness, pair_faces, patches
from inference.video import open_video

Boxes = NDArray[np.float32]


def boxes(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 4)


ROUND = len(QUARTERS) - 1  # extra detections for leaning faces in the first frame, once a face was found in it


class CountingDetector(CenterFace):
    """The real detector, which also counts the pictures it gets."""

    def __init__(self) -> None:
        super().__init__(centerface_weights(), 0.5, threads=1)
        self.pixels: list[int] = []  # of each picture

    @property
    def looks(self) -> int:
        return len(self.pixels)

    def detect(self, pictures: NDArray[np.uint8]) -> list[Faces]:
        self.pixels += [picture.shape[0] * picture.shape[1] for picture in pictures]
        return super().detect(pictures)


@pytest.fixture
def detector() -> CountingDetector:
    return CountingDetector()


def located(video: Path, detector: CountingDetector, rate: float | None = 2.5, batch_size: int = 16) -> list[Faces]:
    """The faces of every frame, in order, with small pictures for the detector."""
    locator = Locator(detector, ScoringOptions(detections_per_second=rate, detector_size_px=256), batch_size)
    with open_video(video, threads=1) as opened:
        found = [entry for batch in locator.locate(opened.frames()) for entry in batch]
    assert [frame.index for frame, _ in found] == list(range(len(found)))
    return [faces for _, faces in found]


def test_resting_face_is_looked_at_a_few_times_a_second(
    tmp_path: Path, detector: CountingDetector, portrait: Picture
) -> None:
    video = write_video(tmp_path / "rest.mp4", [portrait] * 40, rate=20)
    faces = located(video, detector)
    assert [len(found) for found in faces] == [1] * 40
    assert detector.looks == 6 + ROUND  # at 0, 0.4, 0.8, 1.2, 1.6 s, and the last frame


def beside(large: Picture, small: Picture | None) -> Picture:
    """A picture of twice the width: a large face on the left, and a small one or nothing on the right."""
    aside = np.full_like(large, 120)
    if small is not None:
        aside[300 : 300 + len(small), 300 : 300 + len(small)] = small
    return np.concatenate([large, aside], axis=1)


def test_every_other_look_at_a_resting_face_is_at_its_surroundings_only(
    tmp_path: Path, detector: CountingDetector, portrait: Picture
) -> None:
    video = write_video(tmp_path / "rest.mp4", [beside(portrait, None)] * 40, rate=20)
    assert [len(found) for found in located(video, detector)] == [1] * 40
    assert detector.looks == 6 + ROUND
    assert sum(pixels < 256 * 128 / 2 for pixels in detector.pixels) == 2  # at 0.4 and 1.2 s


def test_where_other_sizes_are_dear_the_surroundings_come_on_a_whole_canvas(
    tmp_path: Path, detector: CountingDetector, portrait: Picture
) -> None:
    """As on a GPU; the faces found are the same."""
    video = write_video(tmp_path / "rest.mp4", [beside(portrait, None)] * 40, rate=20)
    parts = located(video, detector)
    assert len(set(detector.pixels)) > 1
    detector.pixels.clear()
    detector.prefers_one_shape = True
    canvases = located(video, detector)
    assert len(set(detector.pixels)) == 1
    for one, other in zip(parts, canvases, strict=True):
        np.testing.assert_allclose(one.boxes, other.boxes, atol=2)


def test_small_face_beside_a_large_one_is_seen_in_the_same_frames(
    tmp_path: Path, detector: CountingDetector, portrait: Picture
) -> None:
    """It appears between two detections in whole pictures, and stays for one such interval."""
    small = portrait[::2, ::2][:160, 40:200]
    film = [beside(portrait, small if 5 <= n < 22 else None) for n in range(40)]
    video = write_video(tmp_path / "visitor.mp4", film, rate=20)
    every = [len(faces) for faces in located(video, detector, rate=None)]
    assert every == [2 if 5 <= n < 22 else 1 for n in range(40)]
    assert [len(faces) for faces in located(video, detector)] == every


@pytest.mark.parametrize("pixels", [200, 260, 400])
def test_face_that_is_elsewhere_for_a_moment_is_found_there(
    tmp_path: Path, detector: CountingDetector, portrait: Picture, pixels: int
) -> None:
    """A cut, and a cut back before the next keyframe: the face moves within the searched part, or out of it."""
    here, there = beside(portrait, None), np.roll(beside(portrait, None), pixels, axis=1)
    video = write_video(tmp_path / "cut.mp4", [there if 5 <= n < 13 else here for n in range(32)], rate=20)
    for one, other in zip(located(video, detector), located(video, detector, rate=None), strict=True):
        assert overlaps(one.boxes[0], other.boxes)[0] > 0.85


@pytest.mark.parametrize("degrees", [0, 45, 90])
def test_a_look_around_a_face_finds_it_as_a_look_at_the_whole_picture_does(
    detector: CountingDetector, portrait: Picture, degrees: int
) -> None:
    upright = Image.fromarray(np.pad(portrait, ((200, 200), (500, 300), (0, 0)), mode="edge"))
    frame = Frame.of_picture(np.asarray(upright.rotate(-degrees, Image.Resampling.BILINEAR)))
    (whole,) = find_faces(detector, [frame], 384, [degrees])
    (near,) = find_faces(detector, [frame], 384, [degrees], [whole])
    assert len(near) == len(whole) == 1
    assert overlaps(near.boxes[0], whole.boxes)[0] > 0.95
    np.testing.assert_allclose(near.landmarks, whole.landmarks, atol=6)
    assert detector.pixels[1] < 0.5 * detector.pixels[0]


def test_moving_face_has_the_boxes_that_every_frame_detection_gives(
    tmp_path: Path, detector: CountingDetector, portrait: Picture
) -> None:
    shifts = (60 * np.sin(np.arange(40) / 5)).round().astype(int)
    video = write_video(tmp_path / "move.mp4", [np.roll(portrait, shift, axis=1) for shift in shifts], rate=20)
    fast, looks = located(video, detector), detector.looks
    assert 6 < looks - ROUND < 40
    for one, other in zip(fast, located(video, detector, rate=None), strict=True):
        assert overlaps(one.boxes[0], other.boxes)[0] > 0.85
        np.testing.assert_allclose(one.landmarks, other.landmarks, atol=8)


def test_face_that_comes_and_goes_is_seen_in_the_same_frames(
    tmp_path: Path, detector: CountingDetector, portrait: Picture, empty_room: Picture
) -> None:
    pictures = [empty_room] * 13 + [portrait] * 18 + [empty_room] * 9
    video = write_video(tmp_path / "visit.mp4", pictures, rate=20)
    every = [len(faces) for faces in located(video, detector, rate=None)]
    detector.pixels.clear()
    assert [len(faces) for faces in located(video, detector)] == every
    assert detector.looks < 16 + len(EIGHTHS) - 1 + len(QUARTERS)  # those at half the size


def test_face_that_rocks_as_often_as_it_is_looked_at_is_followed(
    tmp_path: Path, detector: CountingDetector, portrait: Picture
) -> None:
    shifts = (40 * np.sin(2 * np.pi * np.arange(40) / 8)).round().astype(int)  # one period between two detections
    video = write_video(tmp_path / "rock.mp4", [np.roll(portrait, shift, axis=1) for shift in shifts], rate=20)
    for one, other in zip(located(video, detector), located(video, detector, rate=None), strict=True):
        assert overlaps(one.boxes[0], other.boxes)[0] > 0.85


def test_face_that_is_covered_between_two_looks_is_not_taken_to_be_seen(
    tmp_path: Path, detector: CountingDetector, portrait: Picture
) -> None:
    covered = portrait.copy()
    covered[:] = (150, 110, 90)
    pictures = [covered if n in (11, 12, 13) else portrait for n in range(24)]
    faces = located(write_video(tmp_path / "hand.mp4", pictures, rate=20), detector)
    assert [n for n, found in enumerate(faces) if not len(found)] == [11, 12, 13]
    assert detector.looks < 16


def test_likeness_knows_no_light_and_sees_another_place(portrait: Picture) -> None:
    luma = portrait[..., 1]
    box = np.array([[150, 100, 200, 200]], np.float32)
    shown = patches(luma, box)
    assert likeness(shown, patches((luma * 0.5 + 20).astype(np.uint8), box))[0] > 0.99
    assert likeness(shown, patches(luma, box + np.array([60, 0, 0, 0], np.float32)))[0] < 0.85
    assert likeness(shown, patches(np.full_like(luma, 9), box))[0] == 0  # nothing visible
    assert patches(luma, box - [400, 400, 0, 0]).shape == shown.shape  # beyond the edge


def test_looks_do_not_depend_on_the_batch_size(tmp_path: Path, detector: CountingDetector, portrait: Picture) -> None:
    video = write_video(tmp_path / "turn.mp4", [np.roll(portrait, 4 * n, axis=1) for n in range(30)], rate=20)
    first = located(video, detector, batch_size=1)
    for batch_size in (7, 100):
        for one, other in zip(first, located(video, detector, batch_size=batch_size), strict=True):
            np.testing.assert_allclose(one.boxes, other.boxes, atol=0.01)


def test_uneven_times_with_nobody_are_searched(tmp_path: Path, detector: CountingDetector, portrait: Picture) -> None:
    empty = np.full_like(portrait, 120)
    times_ms = [0, 700, 750, 790, 800, 1500]  # most frames shortly before a keyframe
    video = write_video(tmp_path / "uneven.mkv", [empty] * 5 + [portrait], times_ms=times_ms)
    assert [len(found) for found in located(video, detector)] == [0, 0, 0, 0, 0, 1]


@pytest.mark.parametrize("batch_size", [1, 2, 3, 4])
def test_no_batch_is_empty_where_the_size_of_the_picture_changes(detector: CountingDetector, batch_size: int) -> None:
    wide, high = (np.full((*size, 3), 120, np.uint8) for size in ((96, 128), (128, 96)))
    film = [Frame(n, 0.8 * n, Frame.of_picture(high if n in (4, 5) else wide).decoded) for n in range(9)]
    locator = Locator(detector, ScoringOptions(detector_size_px=256), batch_size)
    batches = list(locator.locate(film))
    assert all(batches)
    assert [frame.index for batch in batches for frame, _ in batch] == list(range(9))


@pytest.mark.parametrize("step_s", [0.0, 1 / 960])
def test_frames_that_no_tick_parts_are_not_all_held_at_once(
    detector: CountingDetector, portrait: Picture, step_s: float
) -> None:
    large = av.VideoFrame.from_ndarray(np.tile(portrait, (3, 4, 1)), format="rgb24")  # 9 MB: five fill a batch
    taken = 0

    def film() -> Iterator[Frame]:
        nonlocal taken
        for index in range(36):
            taken += 1
            yield Frame(index, index * step_s, large)

    locator = Locator(detector, ScoringOptions(detector_size_px=256), batch_size=32)
    given = 0
    for batch in locator.locate(film()):
        assert taken - given <= 3 * 5 + 1  # a batch here, one that waits, and one that is searched
        given += len(batch)
    assert given == 36
    assert detector.looks <= 36 + ROUND


def faces_at(*lefts: float) -> Faces:
    boxes = np.array([(left, 10, 40, 40) for left in lefts], np.float32)
    return Faces(boxes, np.full(len(lefts), 0.9, np.float32), np.zeros((len(lefts), 5, 2), np.float32))


def test_faces_keep_apart_while_they_are_interpolated() -> None:
    first, second = faces_at(0, 100), faces_at(102, 2)  # the detector returned them in another order
    partners = pair_faces(first, second, max_step=0.1)
    assert partners is not None
    np.testing.assert_allclose(interpolate(first, second, partners, 0.5).boxes[:, 0], [1, 101])


def test_frames_disagree_where_a_face_came_went_or_moved() -> None:
    assert pair_faces(faces_at(0), faces_at(0, 100), max_step=0.1) is None
    assert pair_faces(faces_at(0), faces_at(), max_step=0.1) is None
    assert pair_faces(faces_at(0), faces_at(5), max_step=0.1) is None  # an eighth of its size
    assert pair_faces(faces_at(0, 2), faces_at(1, 90), max_step=0.1) is None  # both would be paired with the same one
    assert pair_faces(faces_at(), faces_at(), max_step=0.1) is not None


def test_moving_face_keeps_its_track_and_a_second_face_gets_its_own() -> None:
    tracker = Tracker(gap_s=2)
    for step in range(20):
        assert tracker.follow(0.2 * step, boxes((10 + 30 * step, 50, 60, 80), (600, 60, 60, 80))) == [0, 1]


def test_order_of_detections_does_not_swap_tracks() -> None:
    tracker = Tracker(gap_s=2)
    assert tracker.follow(0.0, boxes((0, 0, 50, 50), (300, 0, 50, 50))) == [0, 1]
    assert tracker.follow(0.2, boxes((305, 0, 50, 50), (5, 0, 50, 50))) == [1, 0]


def test_a_face_that_hides_another_one_does_not_take_over_its_track() -> None:
    tracker, patient = Tracker(gap_s=2), boxes((0, 0, 100, 100))
    assert tracker.follow(0.0, np.concatenate([patient, boxes((90, 0, 100, 100))])) == [0, 1]
    for frame, left in enumerate((60, 30, 0, 0, 30, 60), start=1):  # the visitor bends over the patient and leaves
        assert tracker.follow(0.2 * frame, boxes((left, 0, 100, 100))) == [1]
    assert tracker.follow(1.4, np.concatenate([patient, boxes((90, 0, 100, 100))])) == [0, 1]


def test_a_face_that_was_missed_once_keeps_its_track_beside_another_one() -> None:
    tracker, both = Tracker(gap_s=2), boxes((0, 0, 100, 100), (95, 0, 100, 100))
    assert tracker.follow(0.0, both) == [0, 1]
    assert tracker.follow(0.2, both[1:]) == [1]
    assert tracker.follow(0.4, both[:1]) == [0]


def test_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    tracker = Tracker(gap_s=2)
    assert tracker.follow(0.0, boxes((0, 0, 50, 50))) == [0]
    assert tracker.follow(1.0, boxes()) == []
    assert tracker.follow(1.9, boxes((3, 0, 50, 50))) == [0]
    assert tracker.follow(5.0, boxes((3, 0, 50, 50))) == [1]


def test_time_lapse_is_followed_and_a_face_may_be_missed_in_one_frame() -> None:
    tracker = Tracker(gap_s=2)
    shown = [boxes((3 * n, 0, 50, 50)) if n != 4 else boxes() for n in range(8)]
    numbers = [tracker.follow(61.0 * n + n % 2, shown[n]) for n in range(8)]
    assert numbers == [[0], [1], [1], [1], [], [1], [1], [1]]  # after the first frame, the step is not known yet


def test_pause_is_not_bridged() -> None:
    tracker = Tracker(gap_s=2)
    numbers = [tracker.follow(time_s, boxes((0, 0, 50, 50))) for time_s in (0.0, 0.2, 30.2, 30.4)]
    assert numbers == [[0], [0], [1], [1]]


def test_face_of_another_size_in_the_same_place_is_another_face() -> None:
    tracker = Tracker(gap_s=2)
    tracker.follow(0.0, boxes((0, 0, 50, 50)))
    assert tracker.follow(0.2, boxes((0, 0, 160, 160))) == [1]
