"""Ctrl-C and SIGTERM: one line at once, a few seconds to put things down, and then the end, whatever hangs.

A night can be killed at any moment and started again, so waiting longer would gain nothing. What would take longer is
Prefect, whose clients try for a minute and more to tell the end to a server that went away.
"""

import os
import select
import signal
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)
GRACE_S = 8.0  # seconds to put things down
TELL_S = 1.0  # seconds to say so
SHOW_CURSOR = "\x1b[?25h"  # a progress bar hides it


@contextmanager
def ended_by_signals(tell: Callable[[], None]) -> Iterator[None]:
    """Have the body end with exit status 128 + N when signal N comes; a second one, or GRACE_S, ends it at once.

    Args:
        tell: says so to people; called in a thread of its own, once.
    """
    reader, writer = os.pipe()
    os.set_blocking(writer, False)
    told = threading.Event()
    received: list[int] = []

    def stop(number: int, frame: FrameType | None) -> None:
        received.append(number)
        raise SystemExit(128 + number)

    # Written to by the interpreter itself, even while the main thread is busy elsewhere or others handle the signal.
    before = signal.set_wakeup_fd(writer, warn_on_full_buffer=False)
    handlers = {number: signal.signal(number, stop) for number in SIGNALS}
    threading.Thread(target=_watch, args=(reader, tell, told), daemon=True).start()
    try:
        yield
    except BaseException:
        if received:  # a library may have made another error of it
            raise SystemExit(128 + received[0]) from None
        raise
    finally:
        if received:
            told.wait(TELL_S)
            _kill_descendants()
        else:
            for number, handler in handlers.items():
                signal.signal(number, handler)
            signal.set_wakeup_fd(before)
            os.close(writer)


def _watch(reader: int, tell: Callable[[], None], told: threading.Event) -> None:
    number = _next(reader, None)
    if number is None:  # the body ended by itself
        os.close(reader)
        return

    def say() -> None:
        tell()
        told.set()

    threading.Thread(target=say, daemon=True).start()
    _next(reader, GRACE_S)
    told.wait(TELL_S)
    _kill_descendants()
    if sys.stdout.isatty():
        os.write(sys.stdout.fileno(), SHOW_CURSOR.encode())
    os._exit(128 + number)


def _next(reader: int, wait_s: float | None) -> int | None:
    """The next of SIGNALS that comes; None if none does in time, or none can any more."""
    deadline = None if wait_s is None else time.monotonic() + wait_s
    while True:
        left = None if deadline is None else max(0.0, deadline - time.monotonic())
        if not select.select([reader], [], [], left)[0]:
            return None
        byte = os.read(reader, 1)
        if not byte or byte[0] in SIGNALS:
            return byte[0] if byte else None


def _kill_descendants() -> None:
    for pid in list(_descendants(os.getpid())):
        with suppress(OSError):
            os.kill(pid, signal.SIGKILL)


def _descendants(pid: int) -> Iterator[int]:
    """All processes below one, itself excluded."""
    for path in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            if int(path.read_text(errors="replace").rpartition(")")[2].split()[1]) == pid:
                child = int(path.parent.name)
                yield from _descendants(child)
                yield child
