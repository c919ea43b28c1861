"""Corruptions change the picture, and repeat with their seed."""

import numpy as np
import pytest

from pmfer.corruptions import CORRUPTIONS, corrupt, corrupt_at_random


@pytest.mark.parametrize("name", list(CORRUPTIONS))
def test_a_corruption_changes_the_picture_but_not_its_form(name: str) -> None:
    y, x = np.mgrid[0:48, 0:48]
    images = np.stack([(120 + 60 * np.sin(x / 5 + k) * np.cos(y / 7)).astype(np.uint8) for k in range(4)])
    changed = corrupt(images, name, seed=1)
    assert changed.shape == images.shape
    assert changed.dtype == np.uint8
    assert (changed != images).any(axis=(1, 2)).all()
    np.testing.assert_array_equal(changed, corrupt(images, name, seed=1))


def test_random_corruptions_are_of_many_kinds_and_repeat_with_their_seed() -> None:
    images = np.random.default_rng(0).integers(60, 200, (40, 48, 48), dtype=np.uint8)
    np.testing.assert_array_equal(corrupt_at_random(images, 3), corrupt_at_random(images, 3))
    change = np.abs(corrupt_at_random(images, 3).astype(int) - images).mean((1, 2))
    assert len({round(float(value)) for value in change}) > 5
