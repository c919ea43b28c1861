"""The child process that scores one video after the other for inference.process, under limits.

It is started as `python -m inference.serve`, and holds no keys, connections or secrets.
"""

import io
import math
import os
import resource
import sys
import tempfile
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference.options import ScoringOptions, VideoLimits
from inference.process import IpcError, receive, send, written_bytes
from inference.score import Scorer
from pmfer.bundle import load_bundle
from pmfer.errors import (
    MACHINE_REMEDIES,
    BundleError,
    ConfigurationError,
    PmferError,
    QuarantineReason,
    VideoError,
)

ORPHAN_CHECK_S = 1.0  # seconds between two checks that the parent is still running
NEARLY_FULL = 0.9  # of the memory limit: if more than this is in use, a failure counts as a lack of memory
MAX_FILE_BYTES = 16 * 1024**3  # of a temporary file with crops, so that a video of a crowd cannot fill the disk


def main() -> None:
    """Score the requested videos until standard input ends. Replies go to the file descriptor given as the argument."""
    requests, replies = 0, int(sys.argv[1])
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        setup, _ = receive(requests)
        tempfile.tempdir = setup["scratch"]
        limits = VideoLimits(**setup["limits"])
        _confine(limits)
        scorer = _scorer(setup, limits)
    except PmferError as error:
        send(replies, {"kind": type(error).__name__, "message": str(error)})
        return
    send(replies, {"kind": "ready"})
    while True:
        try:
            request, _ = receive(requests)
        except IpcError:  # the parent has ended, so nobody is left to reply to
            return
        send(replies, *_serve(scorer, limits, request, replies))


def _scorer(setup: dict[str, Any], limits: VideoLimits) -> Scorer:
    bundle = load_bundle(setup["bundle"])
    if bundle.digest != setup["digest"]:
        raise BundleError(f"bundle {bundle.path}: changed while it was in use; restore it and run again")
    return Scorer(bundle, ScoringOptions(**setup["options"]), limits=limits)


def _serve(scorer: Scorer, limits: VideoLimits, request: dict[str, Any], replies: int) -> tuple[dict[str, Any], bytes]:
    """Score one video and return the reply with its table."""
    _limit_cpu(limits)

    def report_progress(done_s: float, announced_s: float | None) -> None:
        send(replies, {"kind": "progress", "done_s": done_s, "announced_s": announced_s})

    try:
        scored = scorer.score(Path(request["video"]), request["session_id"], report_progress)
    except VideoError as error:
        return {"kind": "VideoError", "reason": str(error.reason), "message": str(error)}, b""
    except PmferError as error:
        return {"kind": type(error).__name__, "message": str(error)}, b""
    except Exception as error:  # a forged file can provoke any error, and none may stop the nightly run
        return _explained(error, request["video"], limits), b""
    table = io.BytesIO()
    scored.frames.write_ipc_stream(table)
    return {"kind": "scored", "summary": asdict(scored.summary)}, table.getvalue()


def _explained(error: Exception, video: str, limits: VideoLimits) -> dict[str, Any]:
    """The reply to an unexpected error."""
    name, package = type(error).__name__, type(error).__module__.partition(".")[0]
    # FFmpeg's errors have numbers of the system too, and a damaged file can provoke them.
    if isinstance(error, OSError) and error.errno in MACHINE_REMEDIES and package != "av":
        place, remedy = error.filename or tempfile.gettempdir(), MACHINE_REMEDIES[error.errno]
        message = f"{place}: {error.strerror} while a video was scored; {remedy}, then run it again"
        return {"kind": "ConfigurationError", "message": message}
    if isinstance(error, MemoryError) or written_bytes(os.getpid()) > NEARLY_FULL * limits.memory_bytes:
        reason, what = (
            QuarantineReason.OUT_OF_MEMORY,
            f"needs more memory than the limit of {limits.memory_bytes} bytes",
        )
    elif package == "onnxruntime":
        return {"kind": "RuntimeError", "message": f"{name}: {error}"}  # a problem of the machine, not of the file
    else:
        reason, what = QuarantineReason.CRASHED, f"decoding or scoring failed ({name}); report this as a bug"
    return {"kind": "VideoError", "reason": str(reason), "message": f"{video}: {what}"}


def _confine(limits: VideoLimits) -> None:
    """Limit the memory and file sizes of this process for its whole life.

    Raises:
        ConfigurationError: the system allows it less memory.
    """
    _, most_bytes = resource.getrlimit(resource.RLIMIT_DATA)
    if most_bytes != resource.RLIM_INFINITY and most_bytes < limits.memory_bytes:
        raise ConfigurationError(
            f"a scoring process may use {limits.memory_bytes} bytes of memory, and the system allows {most_bytes}; "
            "raise that limit (ulimit -d), or lower PMFER_VIDEO_MEMORY_BYTES"
        )
    # RLIMIT_DATA counts private writable memory, not reserved addresses, of which CUDA takes terabytes.
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (_at_most(resource.RLIMIT_FSIZE, MAX_FILE_BYTES),) * 2)
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would contain pictures of the patient


def _limit_cpu(limits: VideoLimits) -> None:
    """Limit the processor time of the next video: if it takes more, the system ends the process with SIGXCPU."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    seconds = _at_most(resource.RLIMIT_CPU, math.ceil(time.process_time()) + limits.cpu_s)
    resource.setrlimit(resource.RLIMIT_CPU, (seconds, hard))


def _at_most(limit: int, wanted: int) -> int:
    """The wanted value of a limit, or the system's if that is lower: a process cannot raise it."""
    _, hard = resource.getrlimit(limit)
    return wanted if hard == resource.RLIM_INFINITY else min(wanted, hard)


def _end_with_parent(parent: int) -> None:
    """End this process when its parent has ended, even in the middle of a video."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_CHECK_S)
    os._exit(1)


if __name__ == "__main__":
    main()
