"""The process that decodes and scores, `python -m inference.child`, started by inference.process.

It serves one video after the other until its standard input ends, and holds no key, no connection and no secret.
"""

import io
import math
import os
import resource
import sys
import threading
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

from inference import wire
from inference.limits import VideoLimits
from inference.options import ScoringOptions
from inference.score import Scorer
from pmfer.bundle import load_bundle
from pmfer.errors import BundleError, PmferError, QuarantineReason, VideoError

ORPHAN_LOOK_S = 1.0  # seconds between two looks whether the parent still lives
NEARLY = 0.9  # of the limit of memory: with so much in use, what fails fails for want of it
MAX_FILE_BYTES = 16 * 1024**3  # of a temporary file with crops, so that a crowd cannot fill the disk


def main() -> None:
    """Serve."""
    requests, replies = 0, int(sys.argv[1])
    threading.Thread(target=_end_with_parent, args=(os.getppid(),), daemon=True).start()
    try:
        setup, _ = wire.receive(requests)
        limits = VideoLimits(**setup["limits"])
        _confine(limits)
        scorer = _scorer(setup, limits)
    except PmferError as error:
        wire.send(replies, {"kind": type(error).__name__, "message": str(error)})
        return
    wire.send(replies, {"kind": "ready"})
    while True:
        try:
            request, _ = wire.receive(requests)
        except wire.WireError:
            return
        wire.send(replies, *_serve(scorer, limits, request, replies))


def _scorer(setup: dict[str, Any], limits: VideoLimits) -> Scorer:
    bundle = load_bundle(setup["bundle"])
    if bundle.digest != setup["digest"]:
        raise BundleError(f"bundle {bundle.path}: changed while it was used; restore it and run again")
    options = ScoringOptions(**setup["options"])
    return Scorer(bundle, options, batch_size=setup["batch_size"], threads=setup["threads"], limits=limits)


def _serve(scorer: Scorer, limits: VideoLimits, request: dict[str, Any], replies: int) -> tuple[dict[str, Any], bytes]:
    """Score one video; the reply with its table."""
    _limit_cpu(limits)

    def tell(done_s: float, announced_s: float | None) -> None:
        wire.send(replies, {"kind": "progress", "done_s": done_s, "announced_s": announced_s})

    try:
        scored = scorer.score(Path(request["video"]), request["session_id"], tell)
    except VideoError as error:
        return {"kind": "VideoError", "reason": str(error.reason), "message": str(error)}, b""
    except PmferError as error:
        return {"kind": type(error).__name__, "message": str(error)}, b""
    except Exception as error:  # whatever a forged file can provoke must end here, not in the night
        return _explained(error, request["video"], limits), b""
    table = io.BytesIO()
    scored.frames.write_ipc_stream(table)
    return {"kind": "scored", "summary": asdict(scored.summary)}, table.getvalue()


def _explained(error: Exception, video: str, limits: VideoLimits) -> dict[str, Any]:
    """The reply to an error that nobody foresaw."""
    name = type(error).__name__
    if isinstance(error, MemoryError) or _written_bytes() > NEARLY * limits.memory_bytes:
        reason, what = (
            QuarantineReason.OUT_OF_MEMORY,
            f"wants more memory than the limit of {limits.memory_bytes} bytes",
        )
    elif type(error).__module__.partition(".")[0] == "onnxruntime":
        return {"kind": "RuntimeError", "message": f"{name}: {error}"}  # the machine's trouble, not the file's
    else:
        reason, what = QuarantineReason.CRASHED, f"decoding or scoring failed ({name}); report this as a bug"
    return {"kind": "VideoError", "reason": str(reason), "message": f"{video}: {what}"}


def _written_bytes() -> int:
    """What counts for the limit of memory."""
    return int(Path("/proc/self/statm").read_text().split()[5]) * os.sysconf("SC_PAGE_SIZE")


def _confine(limits: VideoLimits) -> None:
    """Limit what the process can take, for good."""
    # What is written to memory is counted, not addresses that are only reserved, as CUDA does by the terabyte.
    resource.setrlimit(resource.RLIMIT_DATA, (limits.memory_bytes, limits.memory_bytes))
    resource.setrlimit(resource.RLIMIT_FSIZE, (MAX_FILE_BYTES, MAX_FILE_BYTES))
    resource.setrlimit(resource.RLIMIT_CORE, (0, 0))  # a core file would hold pictures of the patient


def _limit_cpu(limits: VideoLimits) -> None:
    """Let this video have its seconds: beyond, the system ends the process with SIGXCPU."""
    _, hard = resource.getrlimit(resource.RLIMIT_CPU)
    resource.setrlimit(resource.RLIMIT_CPU, (math.ceil(time.process_time()) + limits.cpu_s, hard))


def _end_with_parent(parent: int) -> None:
    """End when the parent is gone, even in the middle of a video."""
    while os.getppid() == parent:
        time.sleep(ORPHAN_LOOK_S)
    os._exit(1)


if __name__ == "__main__":
    main()
