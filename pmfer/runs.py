"""The commands train, landmarks, ablate, export and robustness: read the files they are given, then make one call."""

from dataclasses import dataclass
from pathlib import Path

from pmfer.ablation import DISTANCES, SHARES, AblationFaces, render_table, run_ablation
from pmfer.bundle import load_bundle
from pmfer.checkpoint import AVERAGED_FILE, load_checkpoint, write_averaged
from pmfer.config import TrainConfig, read_config
from pmfer.datasets import Faces, data_terms, load_faces, read_measured_faces, read_samples, read_training_faces
from pmfer.errors import ConfigurationError
from pmfer.export import export_bundle, read_crop_file
from pmfer.landmarks import FaceMesh
from pmfer.plots import ABLATION_FILE, draw_ablation
from pmfer.robustness import measure_robustness, render_robustness
from pmfer.shapes import FaceShapes, read_shapes, shapes_for, write_landmark_file
from pmfer.train import train


@dataclass(frozen=True)
class TrainRequest:
    """Configuration file, data set, output folder and, if the configuration needs it, the landmark file."""

    config: Path
    data: Path
    out: Path
    landmarks: Path | None


@dataclass(frozen=True)
class _TrainingData:
    options: TrainConfig
    faces: Faces
    valid: Faces
    shapes: FaceShapes | None


def run_training(request: TrainRequest) -> str:
    """Train, or resume the run or runs in `out`; returns the path of the checkpoint, or one per line.

    With several runs, each has its own folder below `out`. If they have a common start, the mean of their weights is in
    `out`, and its path is returned.
    """
    data = _read(request)
    options = data.options
    if options.runs == 1:
        return str(train(options, data.faces, data.valid, request.out, data.shapes))
    checkpoints = []
    for run in range(options.runs):
        single = options.model_copy(update={"runs": 1}).with_seed(options.schedule.seed + run)
        checkpoints.append(train(single, data.faces, data.valid, request.out / f"run-{run + 1}", data.shapes))
    if options.start is None:
        return "\n".join(map(str, checkpoints))  # the mean of weights that never had anything in common is no model
    mean = request.out / AVERAGED_FILE
    write_averaged(checkpoints, mean, options)
    return str(mean)


def run_landmarks(config: Path, data: Path, mesh: Path, out: Path) -> str:
    """Measure the shapes of the training and validation faces; returns a line with their number."""
    options = read_config(config)
    finder = FaceMesh(mesh)
    splits = read_training_faces(data, options.size_px, kind=options.data.kind)
    return f"{out}  {write_landmark_file(splits, finder, out)} faces"


def run_arms(request: TrainRequest, seeds: int) -> str:
    """Train all arms of the ablation and write `ablation.md` and `ablation.png`; returns the text of the table.

    Raises:
        ConfigurationError: the data set has no test split.
    """
    data = _read(request)
    test = read_measured_faces(request.data, data.options.size_px, kind=data.options.data.kind)[1]
    if test is None:
        raise ConfigurationError(f"{request.data}: has no test split, which an ablation needs; use another data set")
    valid_shapes = shapes_for(data.options, request.landmarks, data.valid.names)
    splits = AblationFaces(data.faces, data.valid, test, data.shapes, valid_shapes)
    results = run_ablation(data.options, splits, request.out, seeds)
    table = render_table(results)
    (request.out / "ablation.md").write_text(table, encoding="utf-8")
    draw_ablation(results, SHARES, DISTANCES, request.out / ABLATION_FILE)
    return table


def run_export(
    checkpoint: Path,
    data: Path,
    out: Path,
    crop: Path,
    phrases: Path | None,
    test_looks: int | None,
    start_share: float,
) -> str:
    """Export a checkpoint, with figures for the valid and test splits; returns a line with path and digest."""
    config = load_checkpoint(checkpoint)[0]
    valid, test = read_measured_faces(data, config.size_px, kind=config.data.kind)
    source = data_terms(data, config.data.kind)
    bundle = export_bundle(checkpoint, out, read_crop_file(crop), valid, test, source, phrases, test_looks, start_share)
    return f"{bundle.path}  {bundle.digest}"


def run_robustness(bundle: str, data: Path, split: str, landmarks: Path | None, kind: str | None, *, int8: bool) -> str:
    """Measure a bundle on corrupted and, given a landmark file, on covered faces; returns the table in Markdown."""
    loaded = load_bundle(bundle)
    samples = read_samples(data, kind).with_valid().in_split(split)
    faces = load_faces(samples, loaded.card.input.size_px)
    placed = read_shapes(landmarks, faces.names).placed if landmarks else None
    return render_robustness(measure_robustness(loaded, faces, placed, int8=int8))


def _read(request: TrainRequest) -> _TrainingData:
    options = read_config(request.config)
    faces, valid = read_training_faces(
        request.data, options.size_px, kind=options.data.kind, folder=request.out / "faces"
    )
    return _TrainingData(options, faces, valid, shapes_for(options, request.landmarks, faces.names))
