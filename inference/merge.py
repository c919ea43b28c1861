"""Run a network for several threads: what waits while it is busy goes through it together."""

import threading
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np

from inference.faces import Floats


@dataclass(eq=False)
class _Request:
    """One thread's batch, and what came of it."""

    batch: Floats
    outputs: list[Floats] | None = None
    error: Exception | None = None


class Merged:
    """A function on batches, shared by threads: frames of several videos, or their faces, in one run.

    Only requests whose rows have the same shape are put together, and no more than `max_rows` rows; a single request
    may be larger.
    """

    def __init__(self, run: Callable[[Floats], list[Floats]], max_rows: int) -> None:
        self._run = run
        self._max_rows = max_rows
        self._busy = threading.Lock()  # held by the thread that runs the network
        self._waiting: list[_Request] = []
        self._changing = threading.Lock()  # held while the list changes

    def __call__(self, batch: Floats) -> list[Floats]:
        """Outputs for a batch [N, ...], each [N, ...]. Errors of the function reach every thread whose rows it had."""
        request = _Request(batch)
        with self._changing:
            self._waiting.append(request)
        with self._busy:
            while request.outputs is None and request.error is None:  # else the thread before has run it as well
                self._run_together(self._next())
        if request.error is not None:
            raise request.error
        return request.outputs or []

    def _next(self) -> list[_Request]:
        """Take requests off the list, the oldest first and those that fit to it."""
        with self._changing:
            first, *others = self._waiting
            together, rows = [first], len(first.batch)
            for other in others:
                if other.batch.shape[1:] == first.batch.shape[1:] and rows + len(other.batch) <= self._max_rows:
                    together.append(other)
                    rows += len(other.batch)
            self._waiting = [request for request in self._waiting if request not in together]
        return together

    def _run_together(self, requests: list[_Request]) -> None:
        ends = np.cumsum([len(request.batch) for request in requests])[:-1]
        try:
            whole = requests[0].batch if len(requests) == 1 else np.concatenate([r.batch for r in requests])
            outputs = [np.split(output, ends) for output in self._run(whole)]
        except Exception as error:
            for request in requests:
                request.error = error
            return
        for n, request in enumerate(requests):
            request.outputs = [parts[n] for parts in outputs]
