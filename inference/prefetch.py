"""Pipeline stages that run concurrently, each in its own thread, a few items ahead of its consumer.

Decoding, detection and the networks release Python's global interpreter lock while they compute. So threads are enough,
and frames pass from stage to stage without being copied.
"""

import threading
from collections import deque
from collections.abc import Callable, Generator, Iterable, Iterator
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import contextmanager
from queue import Full, Queue
from typing import Generic, TypeVar

Item = TypeVar("Item")
Result = TypeVar("Result")
CHECK_S = 0.1  # how often a stage with a full queue checks whether it was stopped


@contextmanager
def prefetch(items: Iterator[Item], depth: int) -> Iterator[Iterator[Item]]:
    """Produce `items` in a thread, up to `depth` of them ahead, and yield them in order.

    A slow consumer holds the producer back, so memory stays bounded. An error of the producer is raised in place of its
    item. Leaving the context stops the producer, finished or not, and waits for its thread to end.
    """
    stage = _Stage(items, depth)
    thread = threading.Thread(target=stage.produce, name="pmfer-stage", daemon=True)
    thread.start()
    try:
        yield stage.consume()
    finally:
        stage.stop.set()
        thread.join()


class _End:
    """Marks the end of the items."""

    def __init__(self, error: BaseException | None) -> None:
        self.error = error


class _Stage(Generic[Item]):
    """A producer and its queue."""

    def __init__(self, items: Iterator[Item], depth: int) -> None:
        self._items = items
        self._queue: Queue[Item | _End] = Queue(depth)
        self.stop = threading.Event()

    def produce(self) -> None:
        """Fill the queue until the items end or fail, or the stage is stopped."""
        end = _End(None)
        try:
            for item in self._items:
                if not self._put(item):
                    return
        except BaseException as error:  # raised again in the consumer's thread
            end = _End(error)
        finally:
            if isinstance(self._items, Generator):
                self._items.close()  # here and now, so that stages of its own end before those that feed it
        self._put(end)

    def consume(self) -> Iterator[Item]:
        """Yield the items in order, then raise the error if there was one."""
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
    """Call `work` on `at_once` items at a time, and yield the results in the order of the items.

    At most `at_once` results wait to be consumed, so memory does not grow with the number of items. An error is raised
    when that item's turn comes. Items that have not been started by then, or when the iterator is closed, are dropped.
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
