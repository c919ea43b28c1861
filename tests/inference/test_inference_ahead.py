"""Stages that work at once: order, errors, back-pressure, and an end that leaves no thread behind."""

import threading
from collections.abc import Iterator

import pytest

from inference.ahead import ahead


def test_items_come_in_order_and_all_of_them() -> None:
    with ahead(iter(range(1000)), room=3) as items, ahead((2 * item for item in items), room=3) as doubled:
        assert list(doubled) == list(range(0, 2000, 2))


def test_error_comes_where_its_item_would_have_come() -> None:
    def two_and_an_error() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("no third")

    with ahead(two_and_an_error(), room=8) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(ValueError, match="no third"):
            next(items)


def test_slow_taker_holds_the_maker_back() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with ahead(numbers(), room=2) as items:
        for item in items:
            assert made[-1] <= item + 4  # one in hand, two in the queue, one waiting for room
    assert len(made) == 100


def test_taker_that_leaves_stops_all_makers() -> None:
    before = threading.active_count()

    def forever() -> Iterator[int]:
        while True:
            yield 1

    with ahead(forever(), room=2) as items, ahead(items, room=2) as again:
        assert next(again) == 1
    assert threading.active_count() == before
