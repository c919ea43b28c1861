"""Crops, their quality, and the crop store."""

import numpy as np
import pytest
from PIL import Image

from inference.crop import CropStore, Quality, crop_face, measure_quality, why_unreadable
from inference.options import ScoringOptions
from pmfer.bundle import CropGeometry
from pmfer.errors import FrameReason


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
        monkeypatch.setattr("inference.crop.MEMORY_BYTES", memory)
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
    assert measure_quality(np.full((48, 48), 255, np.uint8)) == Quality(
        brightness=1.0, washed_out=1.0, sharpness=0.0, evenness=0.0
    )


def test_motion_in_any_direction_smears_a_face_and_noise_does_not() -> None:
    still = np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8)
    assert measure_quality(still).evenness > 0.45
    for step in ((0, 1), (1, 0), (1, 1), (1, -1)):
        moved = np.mean([np.roll(still, (n * step[0], n * step[1]), (0, 1)) for n in range(6)], axis=0)
        quality = measure_quality(moved.astype(np.uint8))
        assert quality.sharpness > 0.5  # so sharpness alone does not show it
        assert quality.evenness < 0.35


def test_sharp_hair_around_a_blurred_face_does_not_make_it_sharp() -> None:
    hair = np.random.default_rng(0).integers(0, 255, (48, 48)).astype(np.uint8)
    column = np.linspace(0, np.pi, 36)
    hair[6:-6, 6:-6] = 60 + 120 * np.outer(np.sin(column), np.sin(column))
    assert why_unreadable(90, measure_quality(hair), ScoringOptions()) is FrameReason.TOO_BLURRED


@pytest.mark.parametrize(
    ("size_px", "quality", "reason"),
    [
        (10.0, Quality(0.5, 0.0, 1.0, 0.8), FrameReason.TOO_SMALL),
        (90.0, Quality(0.01, 0.0, 1.0, 0.8), FrameReason.TOO_DARK),
        (90.0, Quality(0.8, 0.6, 1.0, 0.8), FrameReason.TOO_BRIGHT),
        (90.0, Quality(0.5, 0.0, 0.001, 0.8), FrameReason.TOO_BLURRED),
        (90.0, Quality(0.5, 0.0, 1.0, 0.2), FrameReason.TOO_BLURRED),
        (90.0, Quality(0.5, 0.0, 1.0, 0.8), None),
        (90.0, Quality(0.9, 0.1, 1.0, 0.8), None),  # pale, but with all its shades
    ],
)
def test_unreadable_faces_get_their_reason(size_px: float, quality: Quality, reason: FrameReason | None) -> None:
    assert why_unreadable(size_px, quality, ScoringOptions()) is reason
