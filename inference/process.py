"""A Scorer in a process of its own, with limits: what crashes the decoder, or wants more than it may, ends there.

The process loads the networks once and serves one video after the other. After a crash the next video gets a new one.
The first half of this module runs in the process that asks, the second half in the one that scores, which is started as
`python -m inference.process` and holds no key, no connection and no secret.
"""

import io
import math
import os
import resource
import signal
import subprocess
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from types import TracebackType
from typing import Any, Self

import polars as pl

from inference import ipc
from inference.options import ScoringOptions, VideoLimits
from inference.score import BATCH_SIZE, Progress, ScoredVideo, Scorer, VideoSummary
from pmfer.bundle import Bundle, load_bundle
from pmfer.errors import BundleError, ConfigurationError, PmferError, QuarantineReason, VideoError

START_S = 600.0  # seconds to load the networks; CUDA can take minutes the first time
STALE_SHARE = 0.5  # of the memory limit: a process that holds more than this between two videos is restarted
MEMORY_CHECK_S = 0.1  # seconds between two checks of the process's memory
# Of the limit of memory. The system refuses what lies beyond the limit, and a library whose threads are refused a few
# bytes may wait for each other for ever.
FULL = 0.97
_PAGE_BYTES = os.sysconf("SC_PAGE_SIZE")
_ENDINGS = {
    signal.SIGXCPU: (QuarantineReason.TIMED_OUT, "took more processor time than the limit"),
    # Libraries in Rust and C++ abort when an allocation is refused.
    signal.SIGABRT: (QuarantineReason.OUT_OF_MEMORY, "its decoder gave up, for want of memory as a rule"),
    signal.SIGKILL: (QuarantineReason.OUT_OF_MEMORY, "the system killed its decoder, for want of memory as a rule"),
}
ORPHAN_CHECK_S = 1.0  # seconds between two checks that the parent still lives
NEARLY = 0.9  # of the memory limit: with more than this in use, a failure counts as a lack of memory
MAX_FILE_BYTES = 16 * 1024**3  # of a temporary file with crops, so that a crowd cannot fill the disk


class ScoringProcess:
    """Scores like a Scorer. A context manager: leaving it ends the process. Not for use by several threads at once."""

    def __init__(
        self,
        bundle: Bundle,
        options: ScoringOptions,
        limits: VideoLimits,
        *,
        batch_size: int = BATCH_SIZE,
        threads: int = 2,
    ) -> None:
        """Arguments as for Scorer, and the limits; nothing is started before the first video."""
        self._setup = {
            "bundle": str(bundle.path),
            "digest": bundle.digest,
            "options": asdict(options),
            "limits": asdict(limits),
            "batch_size": batch_size,
            "threads": threads,
        }
        self._limits = limits
        self._process: subprocess.Popen[bytes] | None = None
        self._requests = self._replies = -1

    def __enter__(self) -> Self:
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self.close()

    @property
    def pid(self) -> int | None:
        """Number of the running process; None if there is none."""
        return self._process.pid if self._process else None

    def score(self, video: Path, session_id: str, on_progress: Progress | None = None) -> ScoredVideo:
        """Score one video, see Scorer.score.

        Raises:
            VideoError: the video cannot be used, broke a limit, or crashed the decoder; its reason says which.
            BundleError, ConfigurationError: the networks do not load.
            RuntimeError: the process does not start, or the runtime of the networks failed, as without GPU memory.
        """
        if self._memory_bytes() > STALE_SHARE * self._limits.memory_bytes:
            self.close()  # memory that earlier videos left in use must not count against this one
        self._start()
        try:
            ipc.send(self._requests, {"video": str(video.absolute()), "session_id": session_id})
            return self._scored(video, on_progress)
        except ipc.IpcError:
            raise self._ended(video) from None
        except BaseException as error:
            if not isinstance(error, VideoError | BundleError | ConfigurationError):
                self.close()  # its next message would be the answer to this video
            raise

    def close(self) -> None:
        """End the process, if one runs."""
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
                [sys.executable, "-P", "-m", "inference.process", str(replies)],
                stdin=requests,
                stdout=subprocess.DEVNULL,
                pass_fds=(replies,),
                start_new_session=True,  # Ctrl-C is this process's to answer
            )
        finally:
            os.close(requests)
            os.close(replies)
        try:
            ipc.send(self._requests, self._setup)
            if not ipc.has_message(self._replies, START_S):
                raise ipc.IpcError("it does not answer")
            reply, _ = ipc.receive(self._replies)
        except ipc.IpcError:
            code = self._process.poll()
            self.close()
            raise RuntimeError(
                f"the process that decodes does not start (status {code}); is PMFER_VIDEO_MEMORY_BYTES too small?"
            ) from None
        if reply["kind"] != "ready":
            self.close()
            _raise(reply)

    def _scored(self, video: Path, on_progress: Progress | None) -> ScoredVideo:
        deadline = time.monotonic() + self._limits.wall_s
        while True:
            self._watch(video, deadline)
            reply, table = ipc.receive(self._replies)
            if reply.get("kind") != "progress":
                break
            if on_progress:
                on_progress(reply["done_s"], reply["announced_s"])
        if reply.get("kind") != "scored":
            _raise(reply)
        return ScoredVideo(pl.read_ipc_stream(io.BytesIO(table)), VideoSummary(**reply["summary"]))

    def _watch(self, video: Path, deadline: float) -> None:
        """Wait for a message from the process; end the process when it takes too much time or memory."""
        waiting = True
        while waiting:
            if time.monotonic() > deadline:
                self.close()
                raise VideoError(
                    QuarantineReason.TIMED_OUT, f"{video}: took longer than the limit of {self._limits.wall_s:g} s"
                )
            waiting = not ipc.has_message(self._replies, MEMORY_CHECK_S)
            if waiting and self._memory_bytes() > FULL * self._limits.memory_bytes:
                self.close()
                raise VideoError(
                    QuarantineReason.OUT_OF_MEMORY,
                    f"{video}: wants more than the limit of {self._limits.memory_bytes} bytes",
                )

    def _memory_bytes(self) -> int:
        try:
            return _written_bytes(self.pid or 0)
        except (OSError, IndexError):  # it has just ended, or was not started yet
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


def main() -> None:
    """Score one video after the other until standard input ends; replies go to the descriptor in the argument."""
    requests, replies = 0, int(sys.argv[1])
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        setup, _ = ipc.receive(requests)
        limits = VideoLimits(**setup["limits"])
        _confine(limits)
        scorer = _scorer(setup, limits)
    except PmferError as error:
        ipc.send(replies, {"kind": type(error).__name__, "message": str(error)})
        return
    ipc.send(replies, {"kind": "ready"})
    while True:
        try:
            request, _ = ipc.receive(requests)
        except ipc.IpcError:
            return
        ipc.send(replies, *_serve(scorer, limits, request, replies))


def _scorer(setup: dict[str, Any], limits: VideoLimits) -> Scorer:
    bundle = load_bundle(setup["bundle"])
    if bundle.digest != setup["digest"]:
        raise BundleError(f"bundle {bundle.path}: changed while it was used; restore it and run again")
    options = ScoringOptions(**setup["options"])
    return Scorer(bundle, options, batch_size=setup["batch_size"], threads=setup["threads"], limits=limits)


def _serve(scorer: Scorer, limits: VideoLimits, request: dict[str, Any], replies: int) -> tuple[dict[str, Any], bytes]:
    """Score one video and return the reply with its table."""
    _limit_cpu(limits)

    def tell(done_s: float, announced_s: float | None) -> None:
        ipc.send(replies, {"kind": "progress", "done_s": done_s, "announced_s": announced_s})

    try:
        scored = scorer.score(Path(request["video"]), request["session_id"], tell)
    except VideoError as error:
        return {"kind": "VideoError", "reason": str(error.reason), "message": str(error)}, b""
    except PmferError as error:
        return {"kind": type(error).__name__, "message": str(error)}, b""
    except Exception as error:  # a forged file can provoke any error, and none may stop the night
        return _explained(error, request["video"], limits), b""
    table = io.BytesIO()
    scored.frames.write_ipc_stream(table)
    return {"kind": "scored", "summary": asdict(scored.summary)}, table.getvalue()


def _explained(error: Exception, video: str, limits: VideoLimits) -> dict[str, Any]:
    """The reply to an unforeseen error."""
    name = type(error).__name__
    if isinstance(error, MemoryError) or _written_bytes(os.getpid()) > NEARLY * limits.memory_bytes:
        reason, what = (
            QuarantineReason.OUT_OF_MEMORY,
            f"wants more memory than the limit of {limits.memory_bytes} bytes",
        )
    elif type(error).__module__.partition(".")[0] == "onnxruntime":
        return {"kind": "RuntimeError", "message": f"{name}: {error}"}  # the machine's trouble, not the file's
    else:
        reason, what = QuarantineReason.CRASHED, f"decoding or scoring failed ({name}); report this as a bug"
    return {"kind": "VideoError", "reason": str(reason), "message": f"{video}: {what}"}


def _written_bytes(pid: int) -> int:
    """What a process has written to its memory: that counts for the limit, as RLIMIT_DATA counts it."""
    return int(Path(f"/proc/{pid}/statm").read_text().split()[5]) * _PAGE_BYTES


def _confine(limits: VideoLimits) -> None:
    """Limit the memory and the files of this process for its whole life."""
    # What is written to memory is counted, not addresses that are only reserved, as CUDA does by the terabyte.
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold pictures of the patient


def _limit_cpu(limits: VideoLimits) -> None:
    """Limit the processor time of this video: beyond it, the system ends the process with SIGXCPU."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + limits.cpu_s, hard))


def _end_with_parent(parent: int) -> None:
    """End when the parent is gone, even in the middle of a video."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)


if __name__ == "__main__":
    main()
