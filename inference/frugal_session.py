"""An ONNX Runtime session that makes do with the memory there is: smaller batches first, then the CPU."""

import logging
from collections.abc import Callable
from typing import Any

import numpy as np
import onnxruntime
from numpy.typing import NDArray

# How ONNX Runtime, CUDA and cuDNN say that there is no memory left; none of them has an error class of its own.
_SIGNS = ("failed to allocate memory", "out of memory", "alloc_failed", "memoryallocation", "available memory of")

log = logging.getLogger("pmfer.inference")

Feeds = dict[str, NDArray[Any]]


def is_out_of_memory(error: Exception) -> bool:
    """Whether a runtime says that memory ran out."""
    return any(sign in str(error).lower() for sign in _SIGNS)


class FrugalSession:
    """Runs like the session it has. A GPU that others use as well may have less memory than when it was opened."""

    def __init__(
        self,
        session: onnxruntime.InferenceSession,
        open_on_cpu: Callable[[], onnxruntime.InferenceSession] | None,
    ) -> None:
        """Wrap a session.

        Args:
            session: the session.
            open_on_cpu: opens the same network on the CPU; None: it is there already.
        """
        self._session = session
        self._open_on_cpu = open_on_cpu

    def get_inputs(self) -> Any:
        """The network's inputs, as ONNX Runtime has them."""
        return self._session.get_inputs()

    def get_outputs(self) -> Any:
        """The network's outputs, as ONNX Runtime has them."""
        return self._session.get_outputs()

    def run(self, outputs: list[str] | None, feeds: Feeds) -> list[NDArray[Any]]:
        """Outputs of a batch, along the first axis of every feed.

        Where memory runs out the batch is halved and tried again. A batch of one that does not fit moves the network to
        the CPU, for good.

        Raises:
            Exception: whatever else ONNX Runtime raises, or there is no memory on the CPU either.
        """
        try:
            return list(self._session.run(outputs, feeds))
        except Exception as error:  # ONNX Runtime's errors have no public base class
            if not is_out_of_memory(error):
                raise
            size = min(len(values) for values in feeds.values())
            if size > 1:
                log.warning("no memory for a batch of %d: tried again in two halves", size)
                return self._in_halves(outputs, feeds, size // 2)
            if self._open_on_cpu is None:
                raise
        log.warning("the GPU has no memory for a batch of one: going on with the CPU")
        self._session, self._open_on_cpu = self._open_on_cpu(), None
        return list(self._session.run(outputs, feeds))

    def _in_halves(self, outputs: list[str] | None, feeds: Feeds, size: int) -> list[NDArray[Any]]:
        first = self.run(outputs, {name: values[:size] for name, values in feeds.items()})
        second = self.run(outputs, {name: values[size:] for name, values in feeds.items()})
        return [np.concatenate(both) for both in zip(first, second, strict=True)]
