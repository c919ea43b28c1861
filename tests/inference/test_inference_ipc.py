"""Messages between processes: what is no message is refused."""

import os
import struct

import pytest

from inference import ipc


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"\0\0",
        struct.pack("!II", 2**31, 0),  # a text of two gigabytes
        struct.pack("!II", 4, 0) + b"[\xff]]",
        struct.pack("!II", 2, 0) + b"[]",
        struct.pack("!II", 2, 9) + b"{}table",
    ],
)
def test_what_is_no_message_is_not_taken_for_one(content: bytes) -> None:
    here, there = os.pipe()
    os.write(there, content)
    os.close(there)
    with pytest.raises(ipc.IpcError):
        ipc.receive(here)
    os.close(here)
