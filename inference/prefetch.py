"""Stages that work at once: each runs in a thread of its own, a few items ahead of the one that takes them.

Decoding, detection and the runs of the networks leave Python's lock while they compute, so threads are enough, and
frames go from stage to stage without being copied.
"""

import threading
from collections import deque
from collections.abc import Callable, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Full, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
CHECK_S = 0.1  # how often a stage with a full queue checks that its items are still wanted


@contextmanager
def prefetch(items: Iterator[Item], depth: int) -> Iterator[Iterator[Item]]:
    """Make `items` in a thread, up to `depth` of them ahead, and give them in order.

    A slow taker holds the maker back, so memory stays bounded. An error of the maker is raised where its item would
    have come. On leaving the context the maker is stopped and waited for, finished or not.
    """
    stage = _Stage(items, depth)
    thread = threading.Thread(target=stage.make, name="pmfer-stage", daemon=True)
    thread.start()
    try:
        yield stage.taken()
    finally:
        stage.stop.set()
        thread.join()


class _End:
    """What follows the last item."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Stage(Generic[Item]):
    """A maker and the queue behind it."""

    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self._items = items
        self._queue: Queue[Item | _End] = Queue(depth)
        self.stop = threading.Event()

    def make(self) -> None:
        """Fill the queue until the items end, fail, or are no longer wanted."""
        end = _End(None)
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # carried over to the thread that takes the items
            end = _End(error)
        self._put(end)

    def taken(self) -> Iterator[Item]:
        """The items in order, and then the error if there was one."""
        while not isinstance(item := self._queue.get(), _End):
            yield item
        if item.error is not None:
            raise item.error

    def _put(self, item: Item | _End) -> bool:
        while not self.stop.is_set():
            try:
                self._queue.put(item, timeout=CHECK_S)
            except Full:
                continue
            return True
        return False


def in_order(work: Callable[[Item], Result], items: Iterable[Item], at_once: int) -> Iterator[Result]:
    """Do `work` on items, `at_once` of them at a time, and give the results in the order of the items.

    No more than `at_once` results wait to be taken, so memory does not grow with the number of items. An error is
    raised when it is that item's turn; what was not begun by then, or when the iterator is closed, is left undone.
    """
    with ThreadPoolExecutor(at_once, thread_name_prefix="pmfer-in-order") as pool:
        running: deque[Future[Result]] = deque()
        try:
            for item in items:
                if len(running) == at_once:
                    yield running.popleft().result()
                running.append(pool.submit(work, item))
            while running:
                yield running.popleft().result()
        finally:
            for future in running:
                future.cancel()
