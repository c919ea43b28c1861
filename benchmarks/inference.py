"""How fast videos are scored here, what bounds it, and how much of that bound is reached. `make bench-scoring` runs it.

    python -m benchmarks.inference --clip CLIP.mp4 --out var/bench

For a real clip and a simulated session it measures decoding alone, decoding and detection, and everything, in turns, so
that other work on the machine affects all of them alike; then the bundle alone, threads, several videos at once, and
memory. The tables go to the terminal, the figures with flat keys to OUT/bench.json, the picture to OUT/bench.png.

Peers that `make peers` installed score the first video in the same turns. Start-up is the wall time of a whole `pmfer
score` on a video of two frames, so a little more than the time until it is ready to decode.

The bound is the speed of a service that only decodes every frame and runs the model on every face, each as fast as
alone: 1 / (1 / decode_fps + 1 / faces_per_s). Every stage also has its CPU time per frame, which depends less than wall
time on what else the machine does.
"""

import argparse
import json
import os
import subprocess
import sys
from collections.abc import Callable
from functools import partial
from pathlib import Path

import numpy as np
import onnx
from numpy.typing import NDArray

from benchmarks.inference_memory import peak_rss_mb
from benchmarks.inference_report import draw, print_tables
from benchmarks.measuring import describe_machine, in_turns, plain_environment
from benchmarks.peers import Peer, open_peers
from benchmarks.videos import simulated_video, tiny_video
from inference.detect import open_detector
from inference.model import ExpressionModel
from inference.options import BATCH_SIZE, ScoringOptions
from inference.prefetch import in_order, prefetch
from inference.score import PREFETCHED_FRAMES, Scorer
from inference.track import Locator
from inference.video import open_video
from pmfer.bundle import Bundle, load_bundle
from pmfer.onnx_graph import graph_cost

CLIP = Path("../shared/data/videos/WolfgangLanger_Pexels.mp4")
EVERY_FRAME = ScoringOptions(frames_per_second=None)
PLAIN = ScoringOptions(frames_per_second=None, detections_per_second=None, int8=False)
BATCHES = (1, 2, 4, 8, 16, 32, 64, 128, 256)
VIDEOS = (1, 2, 4, 8)
FACES = 64  # per measurement of the bundle alone, and one batch at least

Figures = dict[str, object]


def main() -> None:
    """Measure, print, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, default=CLIP, help="video with a face in it; skipped if missing")
    parser.add_argument("--out", type=Path, default=Path("var/bench"), help="folder for the figures")
    parser.add_argument("--rounds", type=int, default=5, help="number of turns, of which the median counts")
    options = parser.parse_args()
    options.out.mkdir(parents=True, exist_ok=True)
    videos = {"clip": options.clip} if options.clip.is_file() else {}
    videos["session"] = simulated_video(32, 20.0, options.out)
    figures = measure(videos, options.rounds, tiny_video(options.out))
    (options.out / "bench.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    print_tables(figures)
    draw(figures, options.out / "bench.png")
    print(f"\nfigures: {options.out / 'bench.json'}, picture: {options.out / 'bench.png'}")


def measure(videos: dict[str, Path], rounds: int, tiny: Path) -> Figures:
    """All figures by flat key. Keys of the first video have no prefix, those of others begin with its name."""
    bundle, threads = load_bundle(), os.cpu_count() or 1
    figures: Figures = {**describe_machine(), "load_before": os.getloadavg()[0], "rounds": rounds}
    figures |= startup(tiny, rounds)
    figures |= bundle_alone(bundle, threads, rounds)
    for number, (name, video) in enumerate(videos.items()):
        with open_peers(video) as peers:
            found = stages(bundle, video, threads, rounds, peers)
            figures |= {f"peer_{peer.name}_version": peer.version for peer in peers}
        found["bound_fps"] = 1 / (1 / found["decode_fps"] + 1 / float(str(figures["faces_per_s"])))
        found["bound_share"] = found["end_to_end_fps"] / found["bound_fps"]
        figures |= {f"{name}_{key}" if number else key: value for key, value in found.items()}
    first = next(iter(videos.values()))
    figures |= scaling(bundle, first, threads, rounds)
    figures["peak_rss_mb"] = peak_rss_mb(first)
    figures["load_after"] = os.getloadavg()[0]
    return figures


def startup(tiny: Path, rounds: int) -> Figures:
    """Seconds that `pmfer score` takes to start and to end."""
    spent = in_turns({"startup": lambda: score_tiny(tiny)}, rounds)["startup"]
    return {"startup_s": spent.wall_s, "startup_cpu_s": spent.cpu_s}


def score_tiny(video: Path) -> None:
    """Run `pmfer score` on a video from the start of Python to the end of the process.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "cli", "score", str(video), "--out", str(video.parent / "tiny")]
    subprocess.run(command, check=True, env=plain_environment(), cwd=video.parent, stdout=subprocess.DEVNULL)


def stages(bundle: Bundle, video: Path, threads: int, rounds: int, peers: list[Peer]) -> dict[str, float]:
    """Frames per second and milliseconds of CPU per frame: of each stage, of everything, and of peers."""
    scorer, plain = Scorer(bundle, EVERY_FRAME, threads=threads), Scorer(bundle, PLAIN, threads=threads)
    nightly = Scorer(bundle, ScoringOptions(), threads=threads)
    locator = Locator(open_detector(EVERY_FRAME, threads), EVERY_FRAME, BATCH_SIZE)
    whole = scorer.score(video, "warm-up").summary
    runs: dict[str, Callable[[], object]] = {
        "decode": lambda: count(video, threads),
        "detect": lambda: detect(locator, video, threads),
        "end_to_end": lambda: scorer.score(video, "bench"),
        "sampled": lambda: nightly.score(video, "bench"),
        "plain": lambda: plain.score(video, "bench"),
        **{f"peer_{peer.name}": peer.score for peer in peers},
    }
    spent = in_turns(runs, rounds)
    found = {}
    for name, seconds in spent.items():
        found[f"{name}_fps"] = whole.frames_decoded / seconds.wall_s
        found[f"{name}_cpu_ms"] = 1000 * seconds.cpu_s / whole.frames_decoded
    found |= {f"peer_{peer.name}_face_share": peer.frames_with_face / peer.frames for peer in peers}
    found["times_real_time"] = whole.duration_s / spent["sampled"].wall_s
    found["times_real_time_per_core"] = whole.duration_s / spent["sampled"].cpu_s
    return found


def bundle_alone(bundle: Bundle, threads: int, rounds: int) -> Figures:
    """Faces per second of the bundle by precision and batch size, and the best of the precision that is used here."""
    crops = np.random.default_rng(0).integers(0, 255, (BATCHES[-1], *ExpressionModel(bundle, 1).crop_shape), np.uint8)
    figures: Figures = {"macs_per_face": graph_cost(onnx.load(bundle.weights)).macs}
    chosen = "int8" if EVERY_FRAME.int8 and bundle.int8_weights else "float32"
    figures["precision"] = chosen
    precisions = ["float32", *(["int8"] if bundle.int8_weights else [])]
    models = {name: ExpressionModel(bundle, threads, int8=name == "int8") for name in precisions}
    runs = {
        f"faces_per_s_{name}_{size}": lambda model=model, size=size: in_batches(model, crops[: max(FACES, size)], size)
        for name, model in models.items()
        for size in BATCHES
    }
    for key, spent in in_turns(runs, rounds).items():
        faces = max(FACES, int(key.rsplit("_", 1)[1]))
        figures[key] = faces / spent.wall_s
        figures[key.replace("faces_per_s", "cpu_ms_per_face")] = 1000 * spent.cpu_s / faces
    figures["faces_per_s"] = max(float(str(figures[f"faces_per_s_{chosen}_{size}"])) for size in BATCHES)
    figures["gmacs_per_s"] = float(str(figures["faces_per_s"])) * int(str(figures["macs_per_face"])) / 1e9
    return figures


def scaling(bundle: Bundle, video: Path, threads: int, rounds: int) -> Figures:
    """Frames per second by number of threads, and by number of videos at once."""
    scorers = {count: Scorer(bundle, EVERY_FRAME, threads=count) for count in range(1, threads + 1)}
    frames = scorers[threads].score(video, "warm-up").summary.frames_decoded
    runs: dict[str, Callable[[], object]] = {
        f"threads_{count}_fps": partial(scorer.score, video, "bench") for count, scorer in scorers.items()
    }
    times = {f"videos_{count}_fps": count for count in VIDEOS}
    runs |= {key: partial(_score_at_once, scorers[threads], [video] * count) for key, count in times.items()}
    spent = in_turns(runs, min(rounds, 2))
    return {key: times.get(key, 1) * frames / seconds.wall_s for key, seconds in spent.items()}


def _score_at_once(scorer: Scorer, videos: list[Path]) -> None:
    for _ in in_order(scorer.score, videos, len(videos)):
        pass


def count(video: Path, threads: int) -> int:
    """Decode a video and do nothing with it."""
    with open_video(video, threads) as opened:
        return sum(1 for _ in opened.frames())


def detect(locator: Locator, video: Path, threads: int) -> int:
    """Decode a video and find the faces of every frame; the decoder works ahead, as in scoring."""
    with open_video(video, threads) as opened, prefetch(opened.frames(), PREFETCHED_FRAMES) as frames:
        return sum(len(batch) for batch in locator.locate(frames))


def in_batches(model: ExpressionModel, crops: NDArray[np.uint8], size: int) -> None:
    """Run the model on all crops, `size` at a time."""
    for start in range(0, len(crops), size):
        model.score(crops[start : start + size])


if __name__ == "__main__":
    main()
