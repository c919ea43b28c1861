"""Run a Scorer in a child process with limits, so that a video that crashes the decoder or demands too much ends there.

The child loads the networks once and serves one video after the other. After a crash the next video gets a new child.
This module runs in the parent; the child runs inference.serve.

A message between the two is JSON, followed by the bytes of a table. There are no pickles: somebody who takes over the
decoder with a forged video must not get beyond the child process.
"""

import io
import json
import os
import select
import signal
import struct
import subprocess
import sys
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from inference.options import ScoringOptions, VideoLimits
from inference.scored import Progress, ScoredVideo, VideoSummary
from pmfer.bundle import Bundle
from pmfer.errors import BundleError, ConfigurationError, QuarantineReason, VideoError

START_S = 600.0  # seconds to load the networks; CUDA can take minutes the first time
STALE_SHARE = 0.5  # of the memory limit: a process that holds more than this between two videos is restarted
MEMORY_CHECK_S = 0.1  # seconds between two checks of the process's memory
# Of the memory limit: a process above this is ended. It must not reach the limit itself, where the system refuses to
# allocate memory: the threads of a library may then wait for each other forever.
FULL = 0.97
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ENDINGS = {
    signal.SIGXCPU: (QuarantineReason.TIMED_OUT, "took more processor time than the limit"),
    # Libraries in Rust and C++ abort when an allocation fails.
    signal.SIGABRT: (QuarantineReason.OUT_OF_MEMORY, "its decoder aborted, usually out of memory"),
    signal.SIGKILL: (QuarantineReason.OUT_OF_MEMORY, "the system killed its decoder, usually out of memory"),
}
HEADER = struct.Struct("!II")  # bytes of the JSON text, bytes of the table
MAX_TEXT_BYTES = 1024 * 1024
MAX_TABLE_BYTES = 2 * 1024**3  # more than a day at 30 frames a second takes


class ScoringProcess:
    """Scores like a Scorer. A context manager: leaving it ends the process. Not thread-safe, except for `stop`."""

    def __init__(
        self,
        bundle: Bundle,
        options: ScoringOptions,
        limits: VideoLimits,
        scratch: Path | None = None,
    ) -> None:
        """The process is started with the first video; `scratch`: folder for temporary files; None: the system's."""
        self._setup = {
            "bundle": str(bundle.path),
            "digest": bundle.digest,
            "options": asdict(options),
            "limits": asdict(limits),
            "scratch": str(scratch.absolute()) if scratch else None,
        }
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = self._replies = -1
        self._stopped = False

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Process ID of the child; None if it is not running."""
        return self._process.pid if self._process else None

    def score(self, video: Path, session_id: str, on_progress: Progress | None = None) -> ScoredVideo:
        """Score one video; see Scorer.score.

        Raises:
            VideoError: the video cannot be used, exceeds a limit, or crashed the decoder; its `reason` says which.
            BundleError, ConfigurationError: the networks do not load.
            ConfigurationError: the process does not start; or this machine has no room for temporary files, cannot
                read them, or has too many files open. It says nothing about the video.
            RuntimeError: ONNX Runtime failed, for instance for lack of GPU memory.
        """
        if self._stopped:
            raise VideoError(QuarantineReason.CRASHED, f"{video}: scoring was stopped")
        if self._memory_bytes() > STALE_SHARE * self._limits.memory_bytes:
            self.close()  # memory left over from earlier videos must not count against this one
        self._start()
        try:
            send(self._requests, {"video": str(video.absolute()), "session_id": session_id})
            return self._scored(video, on_progress)
        except IpcError:
            raise self._ended(video) from None
        except BaseException as error:
            if not isinstance(error, VideoError | BundleError | ConfigurationError):
                self.close()  # otherwise the reply to this video would be taken for the reply to the next
            raise

    def stop(self) -> None:
        """Stop scoring for good. If another thread is waiting in `score`, it gets a VideoError at once."""
        self._stopped = True
        if self._process is not None:
            self._process.kill()

    def close(self) -> None:
        """End the process if it is running."""
        if self._process is None:
            return
        self._process.kill()
        self._process.wait()
        os.close(self._requests)
        os.close(self._replies)
        self._process = None

    def _start(self) -> None:
        if self._process is not None and self._process.poll() is None:
            return
        self.close()
        requests, self._requests = os.pipe()
        self._replies, replies = os.pipe()
        try:
            self._process = subprocess.Popen(
                [sys.executable, "-P", "-m", "inference.serve", str(replies)],
                stdin=requests,
                stdout=subprocess.DEVNULL,
                pass_fds=(replies,),
                start_new_session=True,  # so that only the parent receives Ctrl-C
            )
        finally:
            os.close(requests)
            os.close(replies)
        try:
            send(self._requests, self._setup)
            if not has_message(self._replies, START_S):
                raise IpcError("it does not answer")
            reply, _ = receive(self._replies)
        except IpcError:
            code = self._process.poll()
            self.close()
            raise ConfigurationError(
                f"the scoring process does not start (status {code}); raise PMFER_VIDEO_MEMORY_BYTES, or the limits of "
                "the system (ulimit -a)"
            ) from None
        if reply["kind"] != "ready":
            self.close()
            _raise(reply)

    def _scored(self, video: Path, on_progress: Progress | None) -> ScoredVideo:
        deadline = time.monotonic() + self._limits.wall_s
        while True:
            self._watch(video, deadline)
            reply, table = receive(self._replies)
            if reply.get("kind") != "progress":
                break
            if on_progress:
                on_progress(reply["done_s"], reply["announced_s"])
        if reply.get("kind") != "scored":
            _raise(reply)
        return ScoredVideo(pl.read_ipc_stream(io.BytesIO(table)), VideoSummary(**reply["summary"]))

    def _watch(self, video: Path, deadline: float) -> None:
        """Wait for a message from the process; end the process if it takes too much time or memory."""
        waiting = True
        while waiting:
            if time.monotonic() > deadline:
                self.close()
                raise VideoError(
                    QuarantineReason.TIMED_OUT, f"{video}: took longer than the limit of {self._limits.wall_s:g} s"
                )
            waiting = not has_message(self._replies, MEMORY_CHECK_S)
            if waiting and self._memory_bytes() > FULL * self._limits.memory_bytes:
                self.close()
                raise VideoError(
                    QuarantineReason.OUT_OF_MEMORY,
                    f"{video}: needs more memory than the limit of {self._limits.memory_bytes} bytes",
                )

    def _memory_bytes(self) -> int:
        try:
            return written_bytes(self.pid or 0)
        except (OSError, IndexError):  # it has just ended, or has not been started yet
            return 0

    def _ended(self, video: Path) -> VideoError:
        """The error for a process that ended by itself."""
        code = self._process.wait() if self._process else 0
        self.close()
        if code >= 0:
            return VideoError(QuarantineReason.CRASHED, f"{video}: its decoder ended with status {code}")
        ending = signal.Signals(-code)
        reason, words = _ENDINGS.get(ending, (QuarantineReason.CRASHED, f"crashed its decoder ({ending.name})"))
        return VideoError(reason, f"{video}: {words}")


def _raise(reply: dict[str, Any]) -> None:
    """Raise the error that the process reports."""
    message = str(reply.get("message", "no message"))
    kind = reply.get("kind")
    if kind == "VideoError" and reply.get("reason") in set(QuarantineReason):
        raise VideoError(QuarantineReason(reply["reason"]), message)
    if kind in ("BundleError", "ConfigurationError"):
        raise BundleError(message) if kind == "BundleError" else ConfigurationError(message)
    raise RuntimeError(f"scoring failed: {message}")


def written_bytes(pid: int) -> int:
    """Private memory of a process (data and stack), as RLIMIT_DATA counts it."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[5]) * _PAGE_BYTES


class IpcError(Exception):
    """The other process ended, or sent something that is not a message."""


def send(descriptor: int, message: dict[str, Any], table: bytes = b"") -> None:
    """Write a message.

    Raises:
        IpcError: the other process has ended.
    """
    text = json.dumps(message).encode()
    rest = memoryview(HEADER.pack(len(text), len(table)) + text + table)
    try:
        while rest:
            rest = rest[os.write(descriptor, rest) :]
    except BrokenPipeError:
        raise IpcError("the other process ended") from None


def receive(descriptor: int) -> tuple[dict[str, Any], bytes]:
    """Wait for a message and read it.

    Raises:
        IpcError: the other process ended, or sent something that is not a message.
    """
    text_bytes, table_bytes = HEADER.unpack(_read(descriptor, HEADER.size))
    if text_bytes > MAX_TEXT_BYTES or table_bytes > MAX_TABLE_BYTES:
        raise IpcError("the message is too long")
    try:
        message = json.loads(_read(descriptor, text_bytes))
    except ValueError:
        raise IpcError("not JSON") from None
    if not isinstance(message, dict):
        raise IpcError("not a JSON object")
    return message, _read(descriptor, table_bytes)


def has_message(descriptor: int, seconds: float) -> bool:
    """Whether a message, or the end of the other process, arrives within `seconds`."""
    poll = select.poll()
    poll.register(descriptor, select.POLLIN)
    return bool(poll.poll(seconds * 1000))


def _read(descriptor: int, size: int) -> bytes:
    parts = []
    while size:
        part = os.read(descriptor, min(size, 1024 * 1024))
        if not part:
            raise IpcError("the other process ended")
        parts.append(part)
        size -= len(part)
    return b"".join(parts)
