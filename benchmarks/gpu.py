"""Check that a GPU gives the same scores as the CPU, and how fast. `make gpu-check` installs what it needs and runs it.

    python -m benchmarks.gpu --out var/gpu

It first names what is missing: the driver, or NVIDIA's libraries. Then drawn faces are scored by the CPU in float32 and
by the GPU in half precision, and compared. Then it measures speed: the bundle and the detector alone, and videos in one
process and in as many as a night starts, with the GPU's utilisation; and a session with little GPU memory must go on
with smaller batches. The figures go to OUT/gpu.json and, as a page, to OUT/gpu.md. The exit status is 1 if something is
missing or differs.
"""

import argparse
import json
import os
import statistics
import subprocess
import sys
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass
from functools import partial
from pathlib import Path
from typing import Protocol

import numpy as np
import onnxruntime
from PIL import Image

from benchmarks.measuring import describe_machine, in_turns
from benchmarks.videos import simulated_video
from inference.crop import crop_face
from inference.detect import CenterFace, with_free_shape
from inference.faces import Floats
from inference.hardware import cuda_device_count, missing_cuda_libraries, side_by_side
from inference.model import OUTPUTS
from inference.options import ScoringOptions, VideoLimits, centerface_weights
from inference.process import ScoringProcess
from inference.runtime import GPU_BATCHES, GPU_REMEDY, FixedBatches, open_cpu_session, open_gpu_session
from pmfer.bundle import Bundle, load_bundle
from simulator.appearance import sample_appearance
from simulator.face import draw_face

BATCHES = (1, 8, 64, 256, 1024)
EVERY_FRAME = ScoringOptions(frames_per_second=None)
SAME_LEADING, MEAN_DIFFERENCE = 0.99, 0.01  # required agreement with the CPU
FACES_PER_S, FRAMES_PER_S = 40_000, 3_000  # aims, the latter with 16 cores and videos of 360 lines
LIMITS_MB = (512, 256, 128, 64, 32)  # of GPU memory, tried until the largest batch does not fit
LOOKS: tuple[dict[int, float], ...] = (
    {},
    {6: 0.8, 12: 1.0},
    {4: 1.0, 6: 0.7, 7: 0.9, 9: 0.7, 43: 1.0},
    {1: 1.0, 2: 0.8, 5: 0.9, 26: 0.8},
)

Figures = dict[str, object]


class Device(Protocol):
    """Where the networks run. Tests replace it to run the check on a machine without a GPU."""

    @property
    def name(self) -> str:
        """ONNX Runtime's name of the device, "cuda" or "cpu"."""
        ...

    def open(
        self, model: Path | bytes, *, half: bool = True, memory_bytes: int | None = None
    ) -> onnxruntime.InferenceSession:
        """A session; see runtime.open_gpu_session."""
        ...


@dataclass(frozen=True)
class Cuda:
    """The first GPU."""

    name: str = "cuda"

    def open(
        self, model: Path | bytes, *, half: bool = True, memory_bytes: int | None = None
    ) -> onnxruntime.InferenceSession:
        """See Device."""
        return open_gpu_session(model, os.cpu_count() or 1, half=half, memory_bytes=memory_bytes)


def main() -> None:
    """Check, measure, write."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--clip", type=Path, help="video with a face in it; by default one is drawn")
    parser.add_argument("--out", type=Path, default=Path("var/gpu"), help="folder for the figures")
    parser.add_argument("--rounds", type=int, default=5, help="number of turns, of which the median counts")
    options = parser.parse_args()
    lacking = what_is_missing()
    if lacking:
        sys.exit("\n".join(lacking))
    options.out.mkdir(parents=True, exist_ok=True)
    figures = check(Cuda(), options.clip or simulated_video(32, 20.0, options.out), options.rounds)
    page = report(figures)
    (options.out / "gpu.json").write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")
    (options.out / "gpu.md").write_text(page, encoding="utf-8")
    print(page)
    if not is_equivalent(figures):
        sys.exit("the GPU does not give the same scores as the CPU: score on the CPU, and report this")


def what_is_missing() -> list[str]:
    """What prevents networks from running on a GPU and how to fix it, one line each; empty if they can run."""
    lines = []
    if cuda_device_count() == 0:
        lines.append("no GPU: install NVIDIA's driver, 580 or newer, so that `nvidia-smi` lists the card")
    missing = missing_cuda_libraries()
    if missing:
        lines.append(f"not found: {', '.join(missing)}; {GPU_REMEDY}")
    return lines


def check(
    device: Device,
    video: Path,
    rounds: int,
    *,
    people: int = 64,
    batches: tuple[int, ...] = BATCHES,
    processes: int | None = None,
) -> Figures:
    """All figures by flat key.

    Args:
        device: the device to compare with the CPU.
        video: a video with a face in it.
        rounds: number of turns, of which the median counts.
        people: number of people to draw, each with several expressions.
        batches: batch sizes of the bundle, in rows.
        processes: number of processes that score at the same time; None: as many as a night starts.
    """
    bundle = load_bundle()
    figures: Figures = {**describe_machine(), **_card(), "device": device.name, "rounds": rounds}
    figures |= equivalence(bundle, device, drawn_faces(bundle, people))
    figures |= alone(bundle, device, batches, rounds)
    figures |= end_to_end(bundle, video, processes or side_by_side(), rounds)
    return figures | little_memory(bundle, device)


def drawn_faces(bundle: Bundle, people: int) -> Floats:
    """Faces as the bundle takes them [N, 1, S, S]: that many drawn people, each with all LOOKS."""
    detector = CenterFace(centerface_weights(), EVERY_FRAME.min_detection_score, threads=1)
    spec, crops = bundle.card.input, []
    for seed in range(people):
        for look in LOOKS:
            picture = draw_face(sample_appearance(seed), look, size=(384, 288))
            box = detector.detect(picture[None])[0].boxes[:1]
            grey = np.asarray(Image.fromarray(picture).convert("L"))
            crops += [crop_face(grey, found, bundle.card.crop["centerface"], spec.size_px) for found in box]
    return spec.normalised(np.stack(crops))


def equivalence(bundle: Bundle, device: Device, faces: Floats) -> Figures:
    """How the scores in half precision on the device differ from those in float32 on the CPU."""
    there = FixedBatches(lambda: device.open(bundle.weights), OUTPUTS, device.name).run(faces)
    here = open_cpu_session(bundle.weights).run(OUTPUTS, {"faces": faces})
    return {
        "faces_compared": len(faces),
        "same_leading_share": float((there[0].argmax(1) == here[0].argmax(1)).mean()),
        "expression_mean_difference": float(np.abs(there[0] - here[0]).mean()),
        "phrase_mean_difference": float(np.abs(there[1] - here[1]).mean()),
        "largest_difference": float(max(np.abs(a - b).max() for a, b in zip(there, here, strict=True))),
    }


def is_equivalent(figures: Figures) -> bool:
    """Whether the device gives the same scores as the CPU."""
    same, difference = (float(str(figures[key])) for key in ("same_leading_share", "expression_mean_difference"))
    return same >= SAME_LEADING and difference <= MEAN_DIFFERENCE


def alone(bundle: Bundle, device: Device, batches: tuple[int, ...], rounds: int) -> Figures:
    """Faces per second of the bundle by precision and batch size, and pictures per second of the detector."""
    spec, rng = bundle.card.input, np.random.default_rng(0)
    faces = rng.normal(0, 1, (batches[-1], spec.channels, spec.size_px, spec.size_px)).astype(np.float32)
    runs: dict[str, Callable[[], object]] = {}
    for half in (True, False):
        for size in batches:
            fixed = FixedBatches(partial(device.open, bundle.weights, half=half), OUTPUTS, device.name, (size,))
            runs[f"faces_per_s_{'float16' if half else 'float32'}_{size}"] = partial(fixed.run, faces)
    detector = with_free_shape(centerface_weights())
    names = [output.name for output in open_cpu_session(detector).get_outputs()]
    looks = FixedBatches(partial(device.open, detector), names, device.name)
    pictures = rng.uniform(0, 255, (looks.largest, 3, 224, 384)).astype(np.float32)
    runs["pictures_per_s"] = lambda: looks.run(pictures)
    with utilisation() as busy:
        spent = in_turns(runs, rounds)
    rows = {key: len(pictures) if key == "pictures_per_s" else len(faces) for key in runs}
    figures: Figures = {key: rows[key] / found.wall_s for key, found in spent.items()}
    figures["faces_per_s"] = max(float(str(figures[f"faces_per_s_float16_{size}"])) for size in batches)
    return figures | {f"alone_{key}": value for key, value in busy.items()}


def end_to_end(bundle: Bundle, video: Path, processes: int, rounds: int) -> Figures:
    """Frames per second from the file to the scores, every frame scored: one process, and as many as a night starts.

    Every process scores the same video. Its networks are loaded before the clock starts.
    """
    figures: Figures = {"processes": processes}
    for name, count in (("one_process", 1), ("processes", processes)):
        with ExitStack() as open_processes, ThreadPoolExecutor(count) as threads:
            scorers = [
                open_processes.enter_context(ScoringProcess(bundle, EVERY_FRAME, VideoLimits())) for _ in range(count)
            ]
            score = partial(_score_by_each, scorers, threads, video)
            frames = score()
            with utilisation() as busy:
                spent = in_turns({name: score}, rounds)[name]
        figures[f"{name}_fps"] = frames / spent.wall_s
        figures |= {f"{name}_{key}": value for key, value in busy.items()}
    return figures


def _score_by_each(scorers: list[ScoringProcess], threads: ThreadPoolExecutor, video: Path) -> int:
    """Score the video in all processes at the same time; returns the number of frames."""
    scored = threads.map(lambda scorer: scorer.score(video, "check"), scorers)
    return sum(result.summary.frames_decoded for result in scored)


def little_memory(bundle: Bundle, device: Device) -> Figures:
    """What happens to a batch that does not fit: the limit at which it failed, and the batch size used then."""
    spec = bundle.card.input
    faces = np.zeros((GPU_BATCHES[-1], spec.channels, spec.size_px, spec.size_px), np.float32)
    for limit in LIMITS_MB:
        try:
            limited = partial(device.open, bundle.weights, memory_bytes=limit * 10**6)
            fixed = FixedBatches(limited, OUTPUTS, device.name)
            rows = len(fixed.run(faces)[0])
        except Exception as error:  # ONNX Runtime's errors have no public base class; the report has it
            return {"memory_limit_mb": limit, "memory_outcome": f"failed: {str(error).splitlines()[0]}"}
        if fixed.largest < len(faces):
            return {"memory_limit_mb": limit, "memory_outcome": f"{rows} faces scored in batches of {fixed.largest}"}
    return {"memory_limit_mb": LIMITS_MB[-1], "memory_outcome": "every batch fitted; not provoked"}


@contextmanager
def utilisation() -> Iterator[Figures]:
    """After the block: median GPU utilisation, and GPU memory in use; None if they cannot be read."""
    command = ["nvidia-smi", "--query-gpu=utilization.gpu,memory.used", "--format=csv,noheader,nounits", "-lms", "100"]
    found: Figures = {"gpu_busy_percent": None, "gpu_memory_mb": None}
    try:
        watcher = subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    except FileNotFoundError:
        yield found
        return
    try:
        yield found
    finally:
        watcher.terminate()
        said, _ = watcher.communicate()
    rows = [line.split(",") for line in said.splitlines() if line.count(",") == 1 and line[0].isdigit()]
    if rows:
        found["gpu_busy_percent"] = statistics.median(float(busy) for busy, _ in rows)
        found["gpu_memory_mb"] = max(float(memory) for _, memory in rows)


def _card() -> Figures:
    """Name, driver and memory of the GPU according to its driver; empty without one."""
    command = ["nvidia-smi", "--query-gpu=name,driver_version,memory.total", "--format=csv,noheader"]
    try:
        said = subprocess.run(command, capture_output=True, text=True, check=True).stdout
    except (OSError, subprocess.CalledProcessError):
        return {}
    return dict(zip(("gpu", "driver", "gpu_memory"), said.splitlines()[0].split(", "), strict=False))


def report(figures: Figures) -> str:
    """The figures as a page in Markdown, beside their aims."""
    asked = {
        "same_leading_share": f"at least {SAME_LEADING}",
        "expression_mean_difference": f"at most {MEAN_DIFFERENCE}",
        "faces_per_s": f"{FACES_PER_S:,}",
        "processes_fps": f"{FRAMES_PER_S:,} with 16 cores, 360 lines",
    }
    lines = ["# GPU check", "", "| figure | measured | aim |", "| --- | --- | --- |"]
    lines += [f"| {key} | {_text(value)} | {asked.get(key, '')} |" for key, value in figures.items()]
    return "\n".join(lines) + "\n"


def _text(value: object) -> str:
    if not isinstance(value, float):
        return "not measured" if value is None else str(value)
    return f"{value:,.0f}" if value >= 100 else f"{value:.4g}"


if __name__ == "__main__":
    main()
