"""Videos that crash the decoder or exceed a limit end in a child process; the next one is scored.

Anything that is not a valid message between the processes is refused.
"""

import os
import resource
import signal
import struct
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest
from inference_videos import QUICK, Picture, write_video
from own_mounts import told_in_a_namespace

from inference.options import VideoLimits
from inference.process import IpcError, ScoringProcess, receive
from inference.score import Scorer
from inference.scored import Progress
from inference.video import open_video
from pmfer.bundle import Bundle
from pmfer.errors import BundleError, ConfigurationError, QuarantineReason, VideoError

LIMITS = VideoLimits()
RATE = 5  # frames per second of the recordings, all of which are scored


@pytest.fixture(scope="module")
def film(portrait: Picture, empty_room: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A second of the portrait and a moment without a person."""
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    return write_video(path, [portrait[::2, ::2]] * 5 + [empty_room[::2, ::2]], rate=RATE)


@pytest.fixture(scope="module")
def long_film(portrait: Picture, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Half a minute of the portrait: several batches are left when the first progress is reported."""
    return write_video(tmp_path_factory.mktemp("film") / "long.mp4", [portrait[::2, ::2]] * 150, rate=RATE)


@pytest.fixture(scope="module")
def process(bundle: Bundle) -> Iterator[ScoringProcess]:
    with ScoringProcess(bundle, QUICK, LIMITS) as running:
        yield running


def refused(process: ScoringProcess, video: Path, on_progress: Progress | None = None) -> QuarantineReason:
    with pytest.raises(VideoError) as refusal:
        process.score(video, "s1", on_progress)
    assert str(video) in str(refusal.value)
    return refusal.value.reason


def test_scores_are_those_of_a_scorer_in_this_process(process: ScoringProcess, bundle: Bundle, film: Path) -> None:
    here = Scorer(bundle, QUICK).score(film, "s1")
    seen: list[float] = []
    there = process.score(film, "s1", lambda done, total: seen.append(done))
    assert there.frames.equals(here.frames)
    assert replace(there.summary, wall_s=0) == replace(here.summary, wall_s=0)
    assert seen == sorted(seen) != []


@pytest.mark.parametrize(
    ("ending", "reason"),
    [
        (signal.SIGSEGV, QuarantineReason.CRASHED),
        (signal.SIGKILL, QuarantineReason.OUT_OF_MEMORY),  # how the system ends a process that takes too much memory
        (signal.SIGXCPU, QuarantineReason.TIMED_OUT),
    ],
)
def test_a_decoder_that_ends_in_mid_video_costs_that_video_alone(
    process: ScoringProcess, film: Path, long_film: Path, ending: signal.Signals, reason: QuarantineReason
) -> None:
    process.score(film, "s1")
    before = process.pid
    assert before is not None
    assert refused(process, long_film, lambda done, total: os.kill(before, ending)) is reason
    assert process.score(film, "s1").summary.frames_scored > 0
    assert process.pid != before


def test_the_process_is_limited_by_the_system_itself(process: ScoringProcess, film: Path) -> None:
    limits: dict[str, int] = {}

    def look(done_s: float, announced_s: float | None) -> None:
        for name in ("RLIMIT_DATA", "RLIMIT_CORE", "RLIMIT_CPU"):
            limits[name], _ = resource.prlimit(process.pid or 0, getattr(resource, name))

    process.score(film, "s1", look)
    assert limits["RLIMIT_DATA"] == LIMITS.memory_bytes
    assert limits["RLIMIT_CORE"] == 0  # a core file would contain pictures
    assert LIMITS.cpu_s < limits["RLIMIT_CPU"] < LIMITS.cpu_s + 600


def test_whoever_is_stopped_gives_its_video_up_and_takes_no_other(bundle: Bundle, film: Path, long_film: Path) -> None:
    with ScoringProcess(bundle, QUICK, LIMITS) as process:
        process.score(film, "s1")
        with pytest.raises(VideoError):
            process.score(long_film, "s2", lambda done_s, announced_s: process.stop())
        with pytest.raises(VideoError, match="scoring was stopped"):
            process.score(film, "s3")


def test_a_video_that_takes_too_long_is_ended(bundle: Bundle, film: Path) -> None:
    with ScoringProcess(bundle, QUICK, replace(LIMITS, wall_s=0.0)) as process:
        assert refused(process, film) is QuarantineReason.TIMED_OUT


def test_a_video_that_wants_too_much_memory_is_ended(
    process: ScoringProcess, bundle: Bundle, film: Path, empty_room: Picture, tmp_path: Path
) -> None:
    process.score(film, "s1")
    used = int(Path(f"/proc/{process.pid}/statm").read_text().split()[5]) * resource.getpagesize()
    large = write_video(tmp_path / "large.mp4", [np.tile(empty_room, (6, 6, 1))] * 20, codec="mpeg4")
    tight = replace(LIMITS, memory_bytes=used + 40 * 1024**2)
    with ScoringProcess(bundle, replace(QUICK, frames_per_second=None), tight) as confined:
        assert refused(confined, large) is QuarantineReason.OUT_OF_MEMORY


# Crops of 224 px in colour, of which fourteen are more than a process keeps in memory.
FULL = """
import os, sys
from pathlib import Path
from inference.options import ScoringOptions, VideoLimits
from inference.process import ScoringProcess
from pmfer.bundle import load_bundle
from pmfer.errors import ConfigurationError
scratch, bundle, film = map(Path, sys.argv[1:])
with ScoringProcess(load_bundle(bundle), ScoringOptions(int8=False), VideoLimits(), scratch=scratch) as process:
    try:
        process.score(film, "s1")
    except ConfigurationError as error:
        print(error)
    os.system(f"mount -o remount,size=64m {scratch}")
    print(process.score(film, "s1").summary.frames_scored)
"""


def test_a_disk_without_room_for_crops_is_named_and_is_no_verdict_on_the_video(
    colour_bundle: Bundle, long_film: Path, tmp_path: Path
) -> None:
    scratch = tmp_path / "scratch"
    scratch.mkdir()
    told = told_in_a_namespace(
        'mount -t tmpfs -o size=1m tmpfs "$SCRATCH"',
        '"$PYTHON" -c "$FULL" "$SCRATCH" "$BUNDLE" "$FILM"',
        {"SCRATCH": scratch, "BUNDLE": colour_bundle.path, "FILM": long_film, "FULL": FULL},
    )
    full, scored = told.splitlines()
    assert full == f"{scratch}: No space left on device while a video was scored; make room, then run it again"
    assert scored == "150"


def test_a_process_that_gets_too_little_memory_to_start_says_what_to_raise(bundle: Bundle, film: Path) -> None:
    tight = replace(LIMITS, memory_bytes=50 * 1024**2)
    refusal = pytest.raises(
        ConfigurationError, match=r"does not start .* raise PMFER_VIDEO_MEMORY_BYTES, or the limits"
    )
    with ScoringProcess(bundle, QUICK, tight) as process, refusal:
        process.score(film, "s1")


@pytest.mark.parametrize(
    ("limit", "told"),
    [
        ("-f 1000", "scored 5"),  # KB
        ("-t 600", "scored 5"),  # seconds, less than the limit on a video
        ("-d 2000000", "the system allows 2048000000; raise that limit (ulimit -d)"),  # KB
    ],
)
def test_a_lower_limit_of_the_system_is_kept_to_or_named(bundle: Bundle, film: Path, limit: str, told: str) -> None:
    script = (
        "import sys; from pathlib import Path; from inference.options import ScoringOptions, VideoLimits\n"
        "from inference.process import ScoringProcess\n"
        "from pmfer.bundle import load_bundle\n"
        "with ScoringProcess(load_bundle(sys.argv[1]), ScoringOptions(), VideoLimits()) as process:\n"
        "    print('scored', process.score(Path(sys.argv[2]), 's1').summary.frames_scored)\n"
    )
    command = f'ulimit {limit}; exec "$0" "$@"'
    arguments = [sys.executable, "-c", script, str(bundle.path), str(film)]
    done = subprocess.run(["bash", "-c", command, *arguments], capture_output=True, text=True, check=False)
    assert told in done.stdout + done.stderr


def test_a_process_with_too_many_open_files_is_no_verdict_on_the_video(bundle: Bundle, film: Path) -> None:
    with ScoringProcess(bundle, QUICK, LIMITS) as process:
        process.score(film, "s1")
        resource.prlimit(process.pid or 0, resource.RLIMIT_NOFILE, (3, 3))
        with pytest.raises(ConfigurationError, match=r"Too many open files .* allow more open files"):
            process.score(film, "s1")


def test_a_process_that_grew_between_videos_is_started_anew(
    process: ScoringProcess, film: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    process.score(film, "s1")
    before = process.pid
    monkeypatch.setattr("inference.process.STALE_SHARE", 0.01)
    assert process.score(film, "s1").summary.frames_scored > 0
    assert process.pid != before


def test_a_forged_header_with_giant_pictures_is_refused_before_memory_is_taken(
    process: ScoringProcess, empty_room: Picture, tmp_path: Path
) -> None:
    video = write_video(tmp_path / "bomb.avi", [empty_room] * 3, codec="mjpeg", pixel_format="yuvj420p")
    content = video.read_bytes()
    start = content.index(b"\xff\xc0")  # the header of a JPEG: marker, length, depth, height, width
    size = content[start + 5 : start + 9]
    video.write_bytes(content.replace(content[start : start + 5] + size, content[start : start + 5] + b"\xff\xdc" * 2))
    process.score(write_video(tmp_path / "small.mp4", [empty_room] * 3), "s1")
    pid = process.pid
    assert refused(process, video) in (QuarantineReason.TOO_LARGE, QuarantineReason.NO_FRAMES)
    assert process.pid == pid


@pytest.mark.parametrize(
    ("limits", "pixel_aspect", "times_ms"),
    [
        (replace(LIMITS, file_bytes=100), None, [0, 100, 200]),
        (replace(LIMITS, pixels=512 * 512 - 1), None, [0, 100, 200]),
        (replace(LIMITS, pixels=1_000_000), "100", [0, 100, 200]),  # a million pixels allowed, more displayed
        (replace(LIMITS, frames=2), None, [0, 100, 200]),
        (replace(LIMITS, duration_s=3600.0), None, [0, 3_000_000, 7_200_000]),
    ],
)
def test_size_and_length_have_limits(
    tmp_path: Path, empty_room: Picture, limits: VideoLimits, pixel_aspect: str | None, times_ms: list[int]
) -> None:
    video = write_video(tmp_path / "v.mkv", [empty_room] * 3, times_ms=times_ms, pixel_aspect=pixel_aspect)
    with open_video(video, 1) as opened:
        assert len(list(opened.frames())) == 3
    with pytest.raises(VideoError, match="limit") as refusal, open_video(video, 1, limits) as opened:
        list(opened.frames())
    assert refusal.value.reason is QuarantineReason.TOO_LARGE


def test_a_decoder_that_forgets_the_size_it_refuses_is_not_taken_for_damage_alone(
    tmp_path: Path, empty_room: Picture
) -> None:
    video = write_video(tmp_path / "v.mkv", [empty_room] * 3, codec="ffv1")
    refusal = pytest.raises(VideoError, match="exceed the limit of 1000 pixels")
    with refusal, open_video(video, 1, replace(LIMITS, pixels=1000)) as opened:
        list(opened.frames())


def test_the_process_does_not_outlive_who_started_it(bundle: Bundle, film: Path) -> None:
    script = (
        "import sys; from pathlib import Path; from inference.options import ScoringOptions, VideoLimits\n"
        "from inference.process import ScoringProcess\n"
        "from pmfer.bundle import load_bundle\n"
        "process = ScoringProcess(load_bundle(sys.argv[1]), ScoringOptions(), VideoLimits())\n"
        "process.score(Path(sys.argv[2]), 's1'); print(process.pid, flush=True); sys.stdin.read()\n"
    )
    command = [sys.executable, "-c", script, str(bundle.path), str(film)]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True) as parent:
        assert parent.stdout is not None
        child = Path(f"/proc/{int(parent.stdout.readline())}")
        assert child.exists()
        parent.kill()
    deadline = time.monotonic() + 60
    while child.exists() and "Z" not in (child / "stat").read_text().split()[2] and time.monotonic() < deadline:
        time.sleep(0.1)
    assert time.monotonic() < deadline


def test_a_bundle_that_changed_meanwhile_is_refused(bundle: Bundle, film: Path) -> None:
    changed = replace(bundle, digest="0" * 64)
    with ScoringProcess(changed, QUICK, LIMITS) as process, pytest.raises(BundleError, match="changed"):
        process.score(film, "s1")


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
    with pytest.raises(IpcError):
        receive(here)
    os.close(here)
