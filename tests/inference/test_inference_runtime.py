"""Running networks: fixed batches, requests of several threads, and falling back to the CPU."""

import logging
import subprocess
import sys
import threading
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import numpy as np
import pytest
from numpy.typing import NDArray
from onnxruntime import InferenceSession

from inference import runtime
from inference.detect import with_free_shape
from inference.hardware import cuda_device_count
from inference.options import centerface_weights
from inference.runtime import GPU_BATCHES, FixedBatches, Network, open_cpu_session
from pmfer.bundle import Bundle, load_bundle

Floats = NDArray[np.float32]
OUTPUTS = ["expression", "au_phrase"]
ROOT = Path(__file__).parents[2]


def random_faces(count: int) -> Floats:
    return np.random.default_rng(count).normal(0, 1, (count, 1, 48, 48)).astype(np.float32)


@pytest.mark.parametrize("count", [1, GPU_BATCHES[0], GPU_BATCHES[0] + 1, GPU_BATCHES[-1], GPU_BATCHES[-1] + 5])
def test_fixed_batches_give_what_a_plain_run_gives(bundle: Bundle, count: int) -> None:
    session = open_cpu_session(bundle.weights)
    fixed = FixedBatches(lambda: session, OUTPUTS, "cpu")
    faces = random_faces(count)
    for part, whole in zip(fixed.run(faces), session.run(OUTPUTS, {"faces": faces}), strict=True):
        np.testing.assert_allclose(part, whole, atol=1e-5)
    again = fixed.run(faces[:1])  # leftovers of an earlier batch in the buffers must have no effect
    np.testing.assert_allclose(again[0], session.run(OUTPUTS, {"faces": faces[:1]})[0], atol=1e-5)


def test_fixed_batches_take_pictures_of_several_sizes() -> None:
    session = open_cpu_session(with_free_shape(centerface_weights()))
    names = [output.name for output in session.get_outputs()]
    opened: list[InferenceSession] = []

    def another() -> InferenceSession:
        opened.append(open_cpu_session(with_free_shape(centerface_weights())))
        return opened[-1]

    fixed = FixedBatches(another, names, "cpu")
    for side in (64, 96, 64):
        pictures = np.random.default_rng(side).uniform(0, 255, (2, 3, side, 64)).astype(np.float32)
        expected = session.run(names, {session.get_inputs()[0].name: pictures})
        for part, whole in zip(fixed.run(pictures), expected, strict=True):
            np.testing.assert_allclose(part, whole, rtol=1e-3, atol=1e-3)
    assert len(opened) == 2  # one per shape: on a GPU a session discards its plan when the shape changes


class Crowded:
    """A session with memory for batches up to a size; larger ones fail with ONNX Runtime's message."""

    def __init__(self, session: InferenceSession, rows: int) -> None:
        self._session, self._rows = session, rows

    def __getattr__(self, name: str) -> object:
        return getattr(self._session, name)

    def run(self, outputs: list[str], given: dict[str, Floats]) -> object:
        if any(len(batch) > self._rows for batch in given.values()):
            raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer")
        return self._session.run(outputs, given)


def test_less_memory_makes_smaller_batches_and_the_same_scores(
    bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    session, faces = open_cpu_session(bundle.weights), random_faces(GPU_BATCHES[-1] + 5)
    fixed = FixedBatches(lambda: Crowded(session, GPU_BATCHES[0]), OUTPUTS, "cpu")  # type: ignore[arg-type, return-value]
    with caplog.at_level(logging.WARNING, logger="pmfer.inference"):
        for _ in range(2):
            for part, whole in zip(fixed.run(faces), session.run(OUTPUTS, {"faces": faces}), strict=True):
                np.testing.assert_allclose(part, whole, atol=1e-5)
    assert [record.getMessage() for record in caplog.records] == [
        "the GPU has no memory left for batches of 64: continuing with 8"
    ]
    with pytest.raises(RuntimeError, match="Failed to allocate"):
        FixedBatches(lambda: Crowded(session, 4), OUTPUTS, "cpu").run(faces)  # type: ignore[arg-type, return-value]


def test_requests_of_several_threads_run_one_after_the_other_and_everyone_gets_their_own_rows(
    monkeypatch: pytest.MonkeyPatch, bundle: Bundle
) -> None:
    """The buffers on a GPU hold one batch: two requests at once would mix up the scores of two videos."""
    running = threading.Lock()

    class Alone(FixedBatches):
        def run(self, batch: Floats) -> list[Floats]:
            assert running.acquire(blocking=False)
            try:
                return super().run(batch)
            finally:
                running.release()

    monkeypatch.setattr(runtime, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(runtime, "open_gpu_session", lambda model, threads: open_cpu_session(model))
    monkeypatch.setattr(runtime, "FixedBatches", lambda opened, names, device: Alone(opened, names, "cpu"))
    opened, faces = Network(bundle.weights, threads=1), random_faces(40)
    expected = open_cpu_session(bundle.weights).run(OUTPUTS, {"faces": faces})[0]
    with ThreadPoolExecutor(8) as threads:
        parts = list(threads.map(lambda n: opened.run(OUTPUTS, faces[n : n + 5])[0], range(0, 40, 5)))
    np.testing.assert_allclose(np.concatenate(parts), expected, atol=1e-5)


def test_gpu_that_cannot_be_used_costs_one_line(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    def refuse(model: object, threads: int) -> None:
        raise ValueError("its CUDA libraries do not load")

    monkeypatch.setattr(runtime, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(runtime, "open_gpu_session", refuse)
    with caplog.at_level(logging.WARNING, logger="pmfer.inference"):
        opened = Network(bundle.weights, threads=1)
    assert [record.getMessage() for record in caplog.records] == [
        "there is a GPU, but ONNX Runtime cannot use it (its CUDA libraries do not load): scoring on the CPU"
    ]
    assert opened.run(OUTPUTS, random_faces(3))[1].shape == (3, 20)


def test_a_gpu_without_memory_hands_over_to_the_cpu_for_good(
    bundle: Bundle, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
) -> None:
    class Full:
        """Batches on a GPU whose memory is full, with ONNX Runtime's message."""

        def __init__(self, *arguments: object) -> None:
            pass

        def run(self, batch: object) -> None:
            raise RuntimeError("BFCArena::AllocateRawInternal Failed to allocate memory for requested buffer")

    monkeypatch.setattr(runtime, "cuda_device_count", lambda: 1)
    monkeypatch.setattr(runtime, "open_gpu_session", lambda model, threads: open_cpu_session(model))
    monkeypatch.setattr(runtime, "FixedBatches", Full)
    opened = Network(bundle.weights, threads=1)
    with caplog.at_level(logging.WARNING, logger="pmfer.inference"):
        first, second = (opened.run(OUTPUTS, random_faces(3))[1] for _ in range(2))
    assert [record.getMessage() for record in caplog.records] == ["the GPU has no memory left: continuing on the CPU"]
    assert first.shape == second.shape == (3, 20)


@pytest.mark.skipif(cuda_device_count() == 0, reason="needs a GPU")
def test_gpu_scores_as_the_cpu_does() -> None:
    weights = load_bundle().weights
    session = open_cpu_session(weights)
    faces = random_faces(70)
    found = Network(weights, threads=1).run(OUTPUTS, faces)
    for part, whole in zip(found, session.run(OUTPUTS, {"faces": faces}), strict=True):
        np.testing.assert_allclose(part, whole, atol=0.01)


@pytest.mark.parametrize("room", ["inference.runtime", "pmfer"])
def test_the_runtime_reports_to_nobody(room: str, tmp_path: Path) -> None:
    # Its telemetry starts on import, with a file that identifies the machine. The environment is cleared because ONNX
    # Runtime sends nothing if it detects a build server.
    subprocess.run(
        [sys.executable, "-c", f"import {room}, onnxruntime"],
        env={"HOME": str(tmp_path), "PYTHONPATH": str(ROOT)},
        check=True,
    )
    assert list(tmp_path.iterdir()) == []
