"""Measure the processor time of scoring, which a busy machine hardly changes.

    python -m benchmarks.scoring VIDEO [VIDEO ...]
    python -m benchmarks.scoring --child ROUNDS

The first form prints what a second of each video takes. The second draws 60 s of a face, 640 x 360 at 25 frames a
second, scores them ROUNDS times in this process and in a child process, and prints the cost of each and the child's
memory, which should not grow.
"""

import argparse
import tempfile
import time
from fractions import Fraction
from pathlib import Path
from statistics import median

from benchmarks.measuring import memory_mib
from inference.options import ScoringOptions, VideoLimits
from inference.process import ScoringProcess
from inference.score import Scorer
from pmfer.bundle import DEFAULT_BUNDLE, load_bundle
from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face

FRAMES = 1500
TICKS_PER_S = 100  # of /proc/PID/stat


def main() -> None:
    """Measure and print."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="*", type=Path)
    parser.add_argument("--child", type=int, metavar="ROUNDS", help="compare with a child process instead")
    options = parser.parse_args()
    if bool(options.videos) == (options.child is not None):
        parser.error("give either videos or --child ROUNDS")
    if options.videos:
        of_videos(options.videos)
    else:
        of_child(options.child)


def of_videos(videos: list[Path]) -> None:
    """Score each video twice, and print the second time: the first one also warms up."""
    scorer = Scorer(load_bundle(DEFAULT_BUNDLE), ScoringOptions())
    for video in videos:
        scorer.score(video, "bench")
        began = time.process_time()
        summary = scorer.score(video, "bench").summary
        core_s = time.process_time() - began
        print(
            f"{video.name}: {core_s / summary.duration_s:.3f} core-seconds per second of video, "
            f"{1000 * core_s / summary.frames_sampled:.0f} ms per sampled frame, "
            f"{video.stat().st_size / summary.duration_s / 1000:.0f} kB per second of video"
        )


def of_child(rounds: int) -> None:
    """Score one drawn video in this process and in a child process, and print the cost of each."""
    bundle, options = load_bundle(DEFAULT_BUNDLE), ScoringOptions()
    with tempfile.TemporaryDirectory() as folder, ScoringProcess(bundle, options, VideoLimits()) as child:
        video = Path(folder) / "video.mp4"
        pictures = [draw_face(sample_appearance(9000), {12: step / 10}, size=(640, 360)) for step in range(10)]
        write_video(video, (pictures[number // 5 % 10] for number in range(FRAMES)), Fraction(25))
        here = Scorer(bundle, options)
        for scorer in (here, child):
            scorer.score(video, "warm-up")
        costs: dict[str, list[float]] = {"in this process": [], "in the child": [], "of the parent meanwhile": []}
        memory = []
        for _ in range(rounds):
            began = time.process_time()
            here.score(video, "here")
            costs["in this process"].append(time.process_time() - began)
            began, began_child = time.process_time(), _cpu_s(child.pid)
            child.score(video, "there")
            costs["in the child"].append(_cpu_s(child.pid) - began_child)
            costs["of the parent meanwhile"].append(time.process_time() - began)
            memory.append(memory_mib("VmRSS", child.pid))
    for name, seconds in costs.items():
        print(f"{name}: {median(seconds):.2f} s of processor per video ({min(seconds):.2f} to {max(seconds):.2f})")
    print(f"resident in the child after each video: {', '.join(f'{size:.1f}' for size in memory)} MiB")


def _cpu_s(pid: int | None) -> float:
    fields = Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()
    return (int(fields[11]) + int(fields[12])) / TICKS_PER_S


if __name__ == "__main__":
    main()
