"""`make gpu-check` without a GPU: everything runs on the CPU in half precision, and reports its findings."""

from dataclasses import dataclass
from pathlib import Path

import onnxruntime
import pytest
from test_inference_runtime import Crowded

from benchmarks.gpu import check, is_equivalent, report, what_is_missing
from benchmarks.videos import simulated_video
from inference.hardware import cuda_device_count
from inference.runtime import GPU_BATCHES, in_half_precision, open_cpu_session


@dataclass(frozen=True)
class HalfOnCpu:
    """The CPU in place of a GPU: it computes in half precision, and little memory only allows small batches."""

    name: str = "cpu"

    def open(
        self, model: Path | bytes, *, half: bool = True, memory_bytes: int | None = None
    ) -> onnxruntime.InferenceSession:
        session = open_cpu_session(in_half_precision(model) if half else model)
        return session if memory_bytes is None else Crowded(session, GPU_BATCHES[0])


@pytest.mark.slow
def test_a_device_is_compared_measured_and_told_of(tmp_path: Path) -> None:
    video = simulated_video(32, 0.5, tmp_path)
    figures = check(HalfOnCpu(), video, 1, people=4, batches=(1, 8), processes=2)
    assert figures["faces_compared"] == 16
    assert is_equivalent(figures)
    assert 0 < float(str(figures["largest_difference"])) < 0.05  # half precision was computed
    assert figures["memory_outcome"] == "64 faces scored in batches of 8"
    speeds = [key for key in figures if key.endswith("_fps") or "per_s" in key]
    assert len(speeds) == 2 * 2 + 4
    assert all(float(str(figures[key])) > 0 for key in speeds)
    page = report(figures)
    assert "| same_leading_share | 1 | at least 0.99 |" in page
    assert all(f"| {key} |" in page for key in figures)


def test_scores_that_differ_are_not_equivalent() -> None:
    assert not is_equivalent({"same_leading_share": 0.98, "expression_mean_difference": 0.001})
    assert not is_equivalent({"same_leading_share": 1.0, "expression_mean_difference": 0.02})


@pytest.mark.skipif(cuda_device_count() > 0, reason="the machine has a GPU")
def test_what_is_missing_is_named_with_what_to_do() -> None:
    driver, *libraries = what_is_missing()
    assert driver == "no GPU: install NVIDIA's driver, 580 or newer, so that `nvidia-smi` lists the card"
    assert all(line.startswith("not found: lib") and "make gpu-check" in line for line in libraries)
