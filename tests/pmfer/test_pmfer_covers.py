"""Synthetic covers are drawn in the right place, and their visibility says what they hide."""

import numpy as np
import pytest

from pmfer.cover_kinds import HELD_OUT, TRAINED
from pmfer.covers import REGION_POINTS, REGIONS, cover_faces, draw_cover, visibility
from pmfer.facs import Region
from pmfer.landmarks import POINTS

# The median training face: points by region, as fractions of the picture's side; the others lie in between.
CENTRES = {
    Region.BROW: (0.5, 0.30),
    Region.EYE: (0.5, 0.40),
    Region.CHEEK: (0.5, 0.58),
    Region.NOSE: (0.5, 0.58),
    Region.MOUTH: (0.5, 0.75),
    Region.JAW: (0.5, 0.90),
}
EYES = {33: (0.28, 0.4), 133: (0.40, 0.4), 362: (0.60, 0.4), 263: (0.72, 0.4)}
JAW = {234: (0.12, 0.45), 152: (0.5, 0.97), 454: (0.88, 0.45), 118: (0.3, 0.52), 347: (0.7, 0.52), 6: (0.5, 0.42)}


@pytest.fixture
def placed() -> np.ndarray:
    """Points [1, 468, 2] of one upright face."""
    points = np.full((POINTS, 2), 0.6, np.float32)
    for region, numbers in REGION_POINTS.items():
        points[list(numbers)] = CENTRES[region]
    for number, place in (EYES | JAW).items():
        points[number] = place
    for number, share in zip((93, 132, 58, 172, 136), (0.1, 0.25, 0.4, 0.6, 0.8), strict=True):
        points[number] = (0.12 + 0.3 * share, 0.45 + 0.5 * share)
    for number, share in zip((323, 361, 288, 397, 365), (0.1, 0.25, 0.4, 0.6, 0.8), strict=True):
        points[number] = (0.88 - 0.3 * share, 0.45 + 0.5 * share)
    return points[None]


def mean_visibility(kind: str, placed: np.ndarray) -> dict[Region, float]:
    rng = np.random.default_rng(0)
    covers = [draw_cover(kind, np.full((48, 48), 0.5, np.float32), placed[0], rng) for _ in range(40)]
    return dict(zip(REGIONS, np.mean([visibility(cover, placed[0]) for cover in covers], axis=0), strict=True))


def test_masks_hide_the_mouth_and_glasses_the_eyes(placed: np.ndarray) -> None:
    mask, glasses, blanket = (mean_visibility(kind, placed) for kind in ("surgical_mask", "glasses", "blanket"))
    assert mask[Region.MOUTH] < 0.2
    assert mask[Region.BROW] > 0.95
    assert glasses[Region.EYE] < glasses[Region.MOUTH]
    assert blanket[Region.JAW] < blanket[Region.NOSE] <= blanket[Region.BROW]


def test_a_clear_mask_hides_a_mouth_that_shines_through(placed: np.ndarray) -> None:
    rng = np.random.default_rng(0)
    covers = [draw_cover("oxygen_mask", np.full((48, 48), 0.5, np.float32), placed[0], rng) for _ in range(40)]
    x, y = (int(48 * share) for share in CENTRES[Region.MOUTH])
    assert 0.1 < np.mean([cover.alpha[y, x] for cover in covers]) < 0.8
    visible = mean_visibility("oxygen_mask", placed)
    assert visible[Region.MOUTH] < 0.1
    assert visible[Region.BROW] > 0.9


def test_a_nasal_cannula_hides_next_to_nothing(placed: np.ndarray) -> None:
    visible = mean_visibility("cannula", placed)
    assert min(visible[region] for region in REGIONS if region is not Region.NOSE) > 0.8


@pytest.mark.parametrize("kind", [*TRAINED, *HELD_OUT])
def test_a_cover_changes_what_it_hides_and_nothing_else(kind: str, placed: np.ndarray) -> None:
    rng = np.random.default_rng(1)
    picture = rng.random((48, 48), np.float32)
    hidden = 0.0
    for _ in range(10):
        cover = draw_cover(kind, picture, placed[0], rng)
        assert cover.alpha.min() >= 0
        assert cover.alpha.max() <= 1
        assert cover.texture.min() >= 0
        assert cover.texture.max() <= 1
        hidden += float(cover.alpha.mean())
    assert hidden > 0


def test_the_share_of_covered_faces_is_the_one_asked_for(placed: np.ndarray) -> None:
    faces = np.full((400, 48, 48), 0.5, np.float32)
    covered, visible = cover_faces(faces, np.repeat(placed, 400, axis=0), 0.3, np.random.default_rng(2))
    changed = (covered != faces).any(axis=(1, 2))
    assert 0.2 < changed.mean() < 0.4
    assert (visible[~changed] == 1).all()
    again = cover_faces(faces, np.repeat(placed, 400, axis=0), 0.3, np.random.default_rng(2))
    np.testing.assert_array_equal(covered, again[0])


def test_no_kind_of_the_measurement_is_trained() -> None:
    assert not set(TRAINED) & set(HELD_OUT)
