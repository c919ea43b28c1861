"""Keep the crops of a session until it is known whose they are.

The subject is known only when the session is over, and nobody else may be scored, so the crops have to wait. Decoding
the video a second time would need no store, but decoding is the dearest step of a long recording in high resolution. So
the crops are kept: up to MEMORY_BYTES in memory, which holds about three minutes of one face at five 48-pixel crops
a second, and beyond that in a temporary file without a name, which nobody else can open and which the system frees even
if the process is killed.
"""

from collections.abc import Iterator
from tempfile import SpooledTemporaryFile
from types import TracebackType
from typing import Self

import numpy as np
from numpy.typing import NDArray

MEMORY_BYTES = 2 * 1024 * 1024


class CropStore:
    """Numbered crops of one shape. A context manager: leaving it forgets them all."""

    def __init__(self, shape: tuple[int, ...]) -> None:
        self._shape = shape
        self._bytes_each = int(np.prod(shape))
        self._file = SpooledTemporaryFile(max_size=MEMORY_BYTES)  # noqa: SIM115 - closed by __exit__
        self._count = 0

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._file.close()

    def add(self, crop: NDArray[np.uint8]) -> int:
        """Keep a crop of the store's shape and return its number; numbers count from 0."""
        self._file.seek(self._count * self._bytes_each)
        self._file.write(crop.tobytes())
        self._count += 1
        return self._count - 1

    def batches(self, numbers: NDArray[np.int64], batch_size: int) -> Iterator[NDArray[np.uint8]]:
        """Crops by number, in the order given, in batches [up to batch_size, *shape]."""
        for start in range(0, len(numbers), batch_size):
            yield np.stack([self._read(int(number)) for number in numbers[start : start + batch_size]])

    def _read(self, number: int) -> NDArray[np.uint8]:
        self._file.seek(number * self._bytes_each)
        return np.frombuffer(self._file.read(self._bytes_each), np.uint8).reshape(self._shape)
