"""Messages between the process that scores and the one that asks: JSON, and bytes of a table after it.

No pickles: somebody who takes over the decoder with a forged video must not get any further than its own process.
"""

import json
import os
import select
import struct
from typing import Any

HEADER = struct.Struct("!II")  # bytes of the JSON text, bytes of the table
MAX_TEXT_BYTES = 1024 * 1024
MAX_TABLE_BYTES = 2 * 1024**3  # a day of 30 frames a second has less


class IpcError(Exception):
    """The other side ended, or sent something that is not a message."""


def send(descriptor: int, message: dict[str, Any], table: bytes = b"") -> None:
    """Write a message.

    Raises:
        IpcError: nobody reads any more.
    """
    text = json.dumps(message).encode()
    rest = memoryview(HEADER.pack(len(text), len(table)) + text + table)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BrokenPipeError:
        raise IpcError("the other side ended") from None


def receive(descriptor: int) -> tuple[dict[str, Any], bytes]:
    """Wait for a message and read it.

    Raises:
        IpcError: the other side ended, or sent something else.
    """
    text_bytes, table_bytes = HEADER.unpack(_read(descriptor, HEADER.size))
    if text_bytes > MAX_TEXT_BYTES or table_bytes > MAX_TABLE_BYTES:
        raise IpcError("a message beyond all measure")
    try:
        message = json.loads(_read(descriptor, text_bytes))
    except ValueError:
        raise IpcError("no JSON") from None
    if not isinstance(message, dict):
        raise IpcError("no JSON object")
    return message, _read(descriptor, table_bytes)


def has_message(descriptor: int, seconds: float) -> bool:
    """Whether a message, or the end, is there within so many seconds."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1024 * 1024))
        if not part:
            raise IpcError("the other side ended")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
