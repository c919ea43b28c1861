"""Tracks, the subject, crops, quality, pose: what is computed from boxes and crops."""

import numpy as np
import polars as pl
import pytest
from numpy.typing import NDArray
from PIL import Image

from inference.crop import crop_face
from inference.crop_store import CropStore
from inference.options import ScoringOptions
from inference.pose import estimate_pose
from inference.quality import Quality, measure_quality, why_unreadable
from inference.subject import NOBODY, choose_subject
from inference.track import Tracker
from pmfer.bundle import CropGeometry
from pmfer.errors import ConfigurationError, FrameReason

Boxes = NDArray[np.float32]


def boxes(*rows: tuple[float, float, float, float]) -> Boxes:
    return np.array(rows, np.float32).reshape(-1, 4)


def sightings(*tracks: tuple[int, float, float, tuple[float, float, float, float], float]) -> pl.DataFrame:
    """Sightings five times a second of tracks (number, first s, last s, box, prominence of one sighting)."""
    rows = [
        (number, at, prominence, *box)
        for number, first, last, box, prominence in tracks
        for at in np.arange(first, last + 0.01, 0.2).round(3).tolist()
    ]
    columns = ["track_id", "pts_s", "prominence", "box_x_px", "box_y_px", "box_w_px", "box_h_px"]
    return pl.DataFrame(rows, columns, orient="row").sort("pts_s", "track_id")


def test_moving_face_keeps_its_track_and_a_second_face_gets_its_own() -> None:
    tracker = Tracker(gap_s=2)
    for step in range(20):
        assert tracker.follow(0.2 * step, boxes((10 + 30 * step, 50, 60, 80), (600, 60, 60, 80))) == [0, 1]


def test_order_of_detections_does_not_swap_tracks() -> None:
    tracker = Tracker(gap_s=2)
    assert tracker.follow(0.0, boxes((0, 0, 50, 50), (300, 0, 50, 50))) == [0, 1]
    assert tracker.follow(0.2, boxes((305, 0, 50, 50), (5, 0, 50, 50))) == [1, 0]


def test_short_gap_is_bridged_and_a_long_one_is_not() -> None:
    tracker = Tracker(gap_s=2)
    assert tracker.follow(0.0, boxes((0, 0, 50, 50))) == [0]
    assert tracker.follow(1.0, boxes()) == []
    assert tracker.follow(1.9, boxes((3, 0, 50, 50))) == [0]
    assert tracker.follow(4.0, boxes((3, 0, 50, 50))) == [1]


def test_face_of_another_size_in_the_same_place_is_another_face() -> None:
    tracker = Tracker(gap_s=2)
    tracker.follow(0.0, boxes((0, 0, 50, 50)))
    assert tracker.follow(0.2, boxes((0, 0, 160, 160))) == [1]


def test_subject_is_who_dominates_the_session() -> None:
    patient, visitor = (0, 0.0, 60.0, (100, 100, 80, 100), 80.0), (1, 20.0, 30.0, (300, 50, 160, 200), 160.0)
    subject = choose_subject(sightings(patient, visitor), relink_gap_s=60)
    assert subject.tracks == (0,)
    assert subject.rival_share == pytest.approx(51 * 160 / (301 * 80))
    assert choose_subject(sightings(), relink_gap_s=60) == NOBODY


def test_subject_who_comes_back_to_the_same_place_is_linked() -> None:
    place = (100, 100, 80, 100)
    table = sightings((0, 0, 20, place, 80), (1, 25, 40, place, 80), (2, 45, 50, (110, 95, 85, 100), 80))
    assert choose_subject(table, relink_gap_s=60).tracks == (0, 1, 2)


@pytest.mark.parametrize(
    ("first_s", "box"),
    [
        (100.0, (100, 100, 80, 100)),  # too late
        (30.0, (400, 100, 80, 100)),  # elsewhere
        (30.0, (60, 50, 160, 200)),  # much nearer to the camera
        (15.0, (100, 100, 80, 100)),  # while the subject is there
    ],
)
def test_who_may_be_somebody_else_is_not_linked(first_s: float, box: tuple[float, float, float, float]) -> None:
    table = sightings((0, 0, 20, (100, 100, 80, 100), 80), (1, first_s, first_s + 5, box, 80))
    assert choose_subject(table, relink_gap_s=60).tracks == (0,)


def test_only_face_before_and_after_a_gap_in_the_recording_is_the_subject_wherever_it_is() -> None:
    before, after = (0, 0.0, 10.0, (100, 100, 80, 100), 80.0), (1, 10.2, 20.0, (400, 50, 120, 150), 120.0)
    assert choose_subject(sightings(before, after), relink_gap_s=60, gaps_s=[10.2]).tracks == (0, 1)
    assert choose_subject(sightings(before, after), relink_gap_s=60).tracks == (1,)
    visitor = (2, 12.0, 13.0, (0, 0, 50, 60), 50.0)
    assert choose_subject(sightings(before, after, visitor), relink_gap_s=60, gaps_s=[10.2]).tracks == (1,)


def test_a_long_time_lapse_is_one_subject() -> None:
    """Every sighting is a track of its own: the time this takes must not grow with the cube of their number."""
    place = (100.0, 100.0, 80.0, 100.0)
    table = sightings(*((number, 3.0 * number, 3.0 * number, place, 1.0) for number in range(3000)))
    assert choose_subject(table, relink_gap_s=60).tracks == tuple(range(3000))


def test_links_are_those_of_trying_every_pair_the_shortest_gap_first() -> None:
    random = np.random.default_rng(3)
    for _ in range(150):
        starts = random.integers(0, 40, 9)
        ends = starts + random.choice([0, 1, 3, 8], 9)
        lefts = random.choice([100.0, 110.0, 140.0, 300.0], 9)
        tracks = [
            (n, float(start), float(end), (left, 0, 80, 80), 1.0)
            for n, (start, end, left) in enumerate(zip(starts, ends, lefts.tolist(), strict=True))
        ]
        assert choose_subject(sightings(*tracks), relink_gap_s=6).tracks == linked_by_trying_every_pair(tracks, 6)


def linked_by_trying_every_pair(
    tracks: list[tuple[int, float, float, tuple[float, float, float, float], float]], relink_gap_s: float
) -> tuple[int, ...]:
    """What choose_subject's documentation says, without haste; all boxes are of one size."""
    linked = [max(tracks, key=lambda track: (round(track[2] - track[1], 6), -track[0]))]
    while True:
        offers = []
        for number, first, last, box, _ in tracks:
            if all(last < other[1] or other[2] < first for other in linked):
                gap, place = min(
                    ((max(first - other[2], other[1] - last), other[3][0]) for other in linked),
                    key=lambda nearest: nearest[0],
                )
                if gap <= relink_gap_s and abs(place - box[0]) / box[2] <= 0.5:
                    offers.append((gap, number))
        if not offers:
            return tuple(number for number, *_ in sorted(linked, key=lambda track: track[1]))
        linked.append(tracks[min(offers)[1]])


def test_crop_takes_the_square_that_the_geometry_says() -> None:
    picture = np.zeros((200, 200), np.uint8)
    picture[40:120, 60:140] = 255  # 80 x 80, centre (100, 80)
    box = np.array([70, 50, 40, 40], np.float32)  # centre (90, 70), s = 40
    crop = crop_face(picture, box, CropGeometry(side=2.0, dx=0.25, dy=0.25), 48)
    assert crop.shape == (48, 48)
    assert crop.min() == 255


def test_crop_beyond_the_edge_repeats_it() -> None:
    picture = np.full((100, 100, 3), 90, np.uint8)
    crop = crop_face(picture, np.array([-30, -40, 60, 60], np.float32), CropGeometry(1.1, 0, 0), 48)
    assert crop.shape == (48, 48, 3)
    assert (crop == 90).all()


def test_large_face_does_not_alias() -> None:
    checks = (np.indices((480, 480)).sum(axis=0) % 2 * 255).astype(np.uint8)
    crop = crop_face(checks, np.array([0, 0, 480, 480], np.float32), CropGeometry(1.0, 0, 0), 48)
    assert np.abs(crop.astype(int) - 127).max() < 4


def test_crops_come_back_by_number_from_memory_and_from_disk(monkeypatch: pytest.MonkeyPatch) -> None:
    crops = np.random.default_rng(0).integers(0, 255, (10, 4, 4), np.uint8)
    for memory in (1_000_000, 40):
        monkeypatch.setattr("inference.crop_store.MEMORY_BYTES", memory)
        with CropStore((4, 4)) as store:
            assert [store.add(crop) for crop in crops] == list(range(10))
            batches = list(store.batches(np.array([7, 2, 9]), batch_size=2))
        assert [len(batch) for batch in batches] == [2, 1]
        np.testing.assert_array_equal(np.concatenate(batches), crops[[7, 2, 9]])


def test_a_larger_crop_of_the_same_face_is_as_sharp() -> None:
    coarse = Image.fromarray(np.random.default_rng(0).integers(0, 255, (16, 16)).astype(np.uint8))
    small, large = (measure_quality(np.asarray(coarse.resize((px, px)))) for px in (48, 224))
    assert large.sharpness == pytest.approx(small.sharpness, rel=0.1)


def test_blur_lowers_sharpness_and_contrast_does_not() -> None:
    sharp = np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8)
    pale = (100 + sharp // 8).astype(np.uint8)
    blurred = np.repeat(np.repeat(sharp[::8, ::8], 8, 0), 8, 1)
    smooth = np.asarray((blurred.astype(float) + np.roll(blurred, 4, 0) + np.roll(blurred, 4, 1)) / 3, np.uint8)
    assert measure_quality(pale).sharpness == pytest.approx(measure_quality(sharp).sharpness, rel=0.1)
    assert measure_quality(smooth).sharpness < 0.5 * measure_quality(sharp).sharpness
    assert measure_quality(np.full((48, 48), 255, np.uint8)) == Quality(brightness=1.0, sharpness=0.0)


@pytest.mark.parametrize(
    ("size_px", "quality", "reason"),
    [
        (10.0, Quality(0.5, 1.0), FrameReason.TOO_SMALL),
        (90.0, Quality(0.01, 1.0), FrameReason.TOO_DARK),
        (90.0, Quality(0.99, 1.0), FrameReason.TOO_BRIGHT),
        (90.0, Quality(0.5, 0.001), FrameReason.TOO_BLURRED),
        (90.0, Quality(0.5, 1.0), None),
    ],
)
def test_unreadable_faces_get_their_reason(size_px: float, quality: Quality, reason: FrameReason | None) -> None:
    assert why_unreadable(size_px, quality, ScoringOptions()) is reason


@pytest.mark.parametrize(
    ("yaw", "pitch", "roll"), [(0, 0, 0), (25, 0, 0), (-40, 0, 0), (0, 20, 0), (0, -15, 30), (20, 0, -50)]
)
def test_pose_of_the_model_head_is_recovered(yaw: float, pitch: float, roll: float) -> None:
    # Millimetres; x to the right, y down, z away from the camera: a positive turn about x lowers the chin.
    head = np.array([[-31.5, 0, 0], [31.5, 0, 0], [0, 39.2, -33], [-25, 70, 0], [25, 70, 0]])
    turned = head @ _about_x(np.radians(-pitch)).T @ _about_y(np.radians(-yaw)).T @ _about_z(np.radians(roll)).T
    pose = estimate_pose((turned[:, :2] * 3 + 200).astype(np.float32))
    assert pose.yaw_deg == pytest.approx(yaw, abs=4)
    assert pose.pitch_deg == pytest.approx(pitch, abs=4)
    assert pose.roll_deg == pytest.approx(roll, abs=1)


def _about_x(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[1, 0, 0], [0, c, -s], [0, s, c]])


def _about_y(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, 0, s], [0, 1, 0], [-s, 0, c]])


def _about_z(angle: float) -> NDArray[np.float64]:
    c, s = np.cos(angle), np.sin(angle)
    return np.array([[c, -s, 0], [s, c, 0], [0, 0, 1]])


def test_options_out_of_range_are_refused_and_the_digest_follows_what_matters() -> None:
    with pytest.raises(ConfigurationError, match="frames_per_second=0"):
        ScoringOptions(frames_per_second=0)
    assert ScoringOptions().digest() == ScoringOptions().digest()
    assert ScoringOptions().digest() != ScoringOptions(frames_per_second=None).digest()
    assert len(ScoringOptions().digest()) == 64
