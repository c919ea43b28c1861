"""What a session does when the GPU's memory runs out, with a real network and ONNX Runtime's own words."""

from pathlib import Path
from typing import Any

import numpy as np
import onnxruntime
import pytest

from inference.frugal_session import FrugalSession
from pmfer.bundle import DEFAULT_BUNDLE, load_bundle

FACES = np.random.default_rng(7).random((8, 1, 48, 48), np.float32)
ALLOCATION = (
    "[ONNXRuntimeError] : 6 : RUNTIME_EXCEPTION : Non-zero status code returned while running Conv node. "
    "Name:'/conv1/Conv' Status Message: Failed to allocate memory for requested buffer of size 536870912"
)
OTHER = "[ONNXRuntimeError] : 2 : INVALID_ARGUMENT : Got invalid dimensions for input: faces"


class SmallGpu:
    """A network on a device on which only so many faces fit at once."""

    def __init__(self, network: onnxruntime.InferenceSession, fits: int, message: str = ALLOCATION) -> None:
        self.network = network
        self.fits = fits
        self.message = message
        self.sizes: list[int] = []

    def run(self, outputs: list[str] | None, feeds: dict[str, Any]) -> list[Any]:
        self.sizes.append(len(feeds["faces"]))
        if len(feeds["faces"]) > self.fits:
            raise RuntimeError(self.message)
        return list(self.network.run(outputs, feeds))


@pytest.fixture(scope="module")
def network() -> onnxruntime.InferenceSession:
    weights: Path = load_bundle(DEFAULT_BUNDLE).weights
    return onnxruntime.InferenceSession(str(weights), providers=["CPUExecutionProvider"])


def test_a_batch_that_does_not_fit_is_halved_until_it_does(network: onnxruntime.InferenceSession) -> None:
    gpu = SmallGpu(network, fits=2)
    session = FrugalSession(gpu, lambda: pytest.fail("there was no need for the CPU"))  # type: ignore[arg-type]
    scores, phrases = session.run(["expression", "au_phrase"], {"faces": FACES})
    assert gpu.sizes == [8, 4, 2, 2, 4, 2, 2]
    whole = network.run(["expression", "au_phrase"], {"faces": FACES})
    assert np.allclose(scores, whole[0], atol=1e-6)
    assert np.allclose(phrases, whole[1], atol=1e-6)


def test_where_not_even_one_face_fits_the_cpu_takes_over_for_good(network: onnxruntime.InferenceSession) -> None:
    gpu = SmallGpu(network, fits=0)
    session = FrugalSession(gpu, lambda: network)  # type: ignore[arg-type]
    (scores,) = session.run(["expression"], {"faces": FACES})
    assert np.allclose(scores, network.run(["expression"], {"faces": FACES})[0], atol=1e-6)
    tries = len(gpu.sizes)
    session.run(["expression"], {"faces": FACES})
    assert len(gpu.sizes) == tries


@pytest.mark.parametrize(("message", "on_cpu"), [(ALLOCATION, True), (OTHER, False)])
def test_what_cannot_be_helped_is_raised(network: onnxruntime.InferenceSession, message: str, on_cpu: bool) -> None:
    gpu = SmallGpu(network, fits=0, message=message)
    session = FrugalSession(gpu, None if on_cpu else lambda: network)  # type: ignore[arg-type]
    with pytest.raises(RuntimeError, match="ONNXRuntimeError"):
        session.run(["expression"], {"faces": FACES})
