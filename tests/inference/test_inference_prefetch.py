"""Stages that run concurrently, each a few items ahead."""

import threading
from collections.abc import Iterator

import pytest

from inference.prefetch import prefetch


def test_items_come_in_order_and_all_of_them() -> None:
    with prefetch(iter(range(1000)), depth=3) as items, prefetch((2 * item for item in items), depth=3) as doubled:
        assert list(doubled) == list(range(0, 2000, 2))


def test_error_comes_where_its_item_would_have_come() -> None:
    def two_and_an_error() -> Iterator[int]:
        yield from (1, 2)
        raise ValueError("no third")

    with prefetch(two_and_an_error(), depth=8) as items:
        assert [next(items), next(items)] == [1, 2]
        with pytest.raises(ValueError, match="no third"):
            next(items)


def test_slow_taker_holds_the_maker_back() -> None:
    made: list[int] = []

    def numbers() -> Iterator[int]:
        for number in range(100):
            made.append(number)
            yield number

    with prefetch(numbers(), depth=2) as items:
        for item in items:
            assert made[-1] <= item + 4  # one consumed, two in the queue, one waiting for space
    assert len(made) == 100


def test_taker_that_leaves_stops_all_makers() -> None:
    before = threading.active_count()

    def forever() -> Iterator[int]:
        while True:
            yield 1

    with prefetch(forever(), depth=2) as items, prefetch(items, depth=2) as again:
        assert next(again) == 1
    assert threading.active_count() == before


def test_stage_that_has_stages_of_its_own_ends_them_when_the_taker_fails() -> None:
    before = threading.active_count()

    def passed_on(items: Iterator[int]) -> Iterator[int]:
        with prefetch(items, depth=1) as inner:
            yield from inner

    def take() -> None:
        with prefetch(iter(range(1_000_000)), depth=1) as items, prefetch(passed_on(items), depth=1) as again:
            assert next(again) == 0
            raise ValueError("enough")

    with pytest.raises(ValueError, match="enough") as raised:
        take()
    assert raised.traceback  # it keeps the stages alive
    assert threading.active_count() == before
