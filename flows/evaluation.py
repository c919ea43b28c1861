"""Measure a bundle on labelled pictures: find the face in whole pictures, score it, and compare with the labels."""

import json
import logging
import os
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cached_property, partial
from itertools import islice
from pathlib import Path
from typing import Any

import numpy as np
import numpy.typing as npt
from PIL import Image

from inference.crop import crop_face, crop_window
from inference.detect import Detector, main_face, open_detector
from inference.faces import roll
from inference.lean import find_faces_any_way_up
from inference.model import ExpressionModel
from inference.options import ScoringOptions
from pmfer.bundle import Bundle, CropGeometry, load_bundle
from pmfer.datasets import read_samples
from pmfer.datasets.pictures import Picture, PictureError, PictureSource, read_picture, read_pictures, resize
from pmfer.datasets.samples import ALL, ALL_CLASSES, Samples
from pmfer.errors import BundleError, ConfigurationError, TrainingError
from pmfer.evaluate import measure
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.picture_file import Unreadable
from pmfer.plots import draw_confusion

log = logging.getLogger("pmfer.evaluate")
SMALL_PX = 64  # a picture whose longer side is at most this is taken for a face crop
FILLS = 0.8  # a face whose crop has at least this share of the picture's longer side fills the picture
CHUNK = 16  # whole pictures in memory at once
BATCH = 256  # crops per run of the model

Crop = Picture | PictureError | None  # None: no face was found; an error: the picture cannot be read
Track = Callable[[Iterator[Crop], int], Iterator[Crop]]  # passes on the crops, given their number, to show progress


@dataclass(frozen=True)
class Options:
    """How pictures are turned into crops."""

    cropped: bool | None = None  # face crops or whole pictures; None: as the data set or each picture's size says
    flip: bool = True  # average the scores of each face and its mirror image
    detector: str = "centerface"  # or a YuNet file
    int8: bool = False  # the bundle's int8 graph
    threads: int = os.cpu_count() or 1  # CPU threads of each network


@dataclass(frozen=True)
class EvaluateRequest:
    """What is to be measured, and where the figures go."""

    manifest: Path  # a manifest, or the file or folder of a data set
    options: Options
    split: str | None = None  # None: `test` if it exists, else all pictures
    kind: str | None = None  # name of the data set
    json_out: Path | None = None
    picture: Path | None = None  # where to draw the confusion matrix
    all_expressions: bool = False  # also count expressions as answers that the data set does not have


@dataclass(frozen=True)
class Evaluation:
    """The figures as written to the JSON file, and the pictures that could not be read."""

    figures: dict[str, Any]
    unreadable: Unreadable


def run_evaluation(bundle_name: str, request: EvaluateRequest, track: Track) -> Evaluation:
    """Read, score and measure the pictures, and write the requested files.

    Args:
        bundle_name: name of a shipped bundle, or a folder.
        request: what is to be measured.
        track: gets the crops as they are scored, to show progress.

    Raises:
        PmferError: the bundle, the data set or an output path cannot be used.
    """
    for target in (request.json_out, request.picture):
        if target:
            require_folder(target)
    bundle = load_bundle(bundle_name)
    everything = _choose_answers(read_samples(request.manifest, request.kind), request.all_expressions)
    split = request.split or ("test" if "test" in everything.splits else ALL)
    samples = everything.in_split(split)
    unscored = sorted(set(samples.aus) - set(bundle.score_columns))
    if unscored:
        log.warning("%s: the bundle has no score for %s", samples.title, ", ".join(unscored))
    evaluation = evaluate_samples(bundle, samples, request.options, track)
    answers = [EXPRESSION_NAMES[label] for label in samples.classes]
    figures = evaluation.figures | {"data": samples.title, "split": split, "answers": answers}
    if evaluation.unreadable:
        log.warning("%s", evaluation.unreadable)
    if request.json_out:
        write_json(request.json_out, figures)
    if request.picture:
        _draw(figures, request.picture)
    return Evaluation(figures, evaluation.unreadable)


def _choose_answers(samples: Samples, all_expressions: bool) -> Samples:
    """The samples with the expressions that count as answers; names those that do not."""
    if all_expressions:
        return replace(samples, classes=ALL_CLASSES)
    others = [EXPRESSION_NAMES[label] for label in ALL_CLASSES if label not in samples.classes]
    if others:
        log.warning(
            "%s: expressions without a face do not count as answers: %s (--all-expressions counts them)",
            samples.title,
            ", ".join(others),
        )
    return samples


def evaluate_samples(bundle: Bundle, samples: Samples, options: Options, track: Track) -> Evaluation:
    """Score and measure all pictures.

    Pictures that cannot be read are left out of the figures and counted. Pictures in which no face is found count as
    wrong.

    Raises:
        BundleError: the bundle's expressions are not EXPRESSION_NAMES, or it lacks the int8 graph or the crop geometry
            for the detector.
        TrainingError: no picture can be read.
    """
    if set(bundle.card.expressions) != set(EXPRESSION_NAMES):
        raise BundleError(f"bundle {bundle.path}: its expressions are not {', '.join(EXPRESSION_NAMES)}")
    if options.int8 and not bundle.int8_weights:
        raise BundleError(
            f"bundle {bundle.path}: it has no int8 graph; make one with python -m pmfer.quantise BUNDLE DATA"
        )
    cutter = Cutter(bundle, replace(options, cropped=samples.cropped) if options.cropped is None else options)
    scores, broken = _score(bundle, samples, cutter, options, track)
    unreadable = Unreadable(tuple(samples.names[row] for row in broken), len(samples), next(iter(broken.values()), ""))
    if len(broken) == len(samples):
        raise TrainingError(f"{samples.title}: {unreadable}")
    if cutter.crops_in_doubt:
        log.warning(
            "%s: the face fills %d of the %d pictures in which one was found; if they are face crops, use --cropped",
            samples.title,
            cutter.filling,
            cutter.found,
        )
    keep = np.ones(len(samples), bool)
    keep[list(broken)] = False
    counts: dict[str, Any] = {
        "pictures": len(samples),
        "unreadable": len(broken),
        "misses": int(np.isnan(scores[keep, 0]).sum()),
        "face_crops": cutter.face_crops,
        "flip": options.flip,
        "int8": options.int8,
        "bundle": bundle.digest,
    }
    by_name = dict(zip(bundle.score_columns, scores[keep].T, strict=True))
    probabilities = np.stack([by_name[name] for name in EXPRESSION_NAMES], axis=1)
    au_scores = {phrase.column: by_name[phrase.column] for phrase in bundle.card.au_phrases}
    return Evaluation(measure(probabilities, au_scores, samples.take(keep)) | counts, unreadable)


def _score(
    bundle: Bundle, samples: Samples, cutter: "Cutter", options: Options, track: Track
) -> tuple[npt.NDArray[np.float32], dict[int, str]]:
    """Scores [N, columns], NaN where there is no face, and the rows that cannot be read, with the reason."""
    model = ExpressionModel(bundle, options.threads, int8=options.int8)
    scores = np.full((len(samples), len(bundle.score_columns)), np.nan, np.float32)
    broken: dict[int, str] = {}

    def faces() -> Iterator[tuple[int, Picture]]:
        for row, crop in enumerate(track(cutter.crops(samples.sources), len(samples))):
            if isinstance(crop, PictureError):
                broken[row] = str(crop)
            elif crop is not None:
                yield row, crop

    left = faces()
    while batch := list(islice(left, BATCH)):
        crops = np.stack([crop for _, crop in batch])
        found = model.score(crops)
        if options.flip:
            found = np.mean([found, model.score(crops[:, :, ::-1])], axis=0, dtype=np.float32)
        scores[[row for row, _ in batch]] = found
    return scores, broken


class Cutter:
    """Turns pictures into the crops that the bundle expects."""

    def __init__(self, bundle: Bundle, options: Options) -> None:
        self._bundle = bundle
        self._threads = options.threads
        self._scoring = ScoringOptions(detector=options.detector)
        self._cropped = options.cropped
        self._size_px, self._channels = bundle.card.input.size_px, bundle.card.input.channels
        self.face_crops = 0  # number of pictures taken as face crops
        self.found = self.filling = 0  # number of faces found in other pictures, and of those that fill their picture

    @property
    def crops_in_doubt(self) -> bool:
        """Whether nobody said that the pictures are whole ones, and most of them look like crops."""
        return self._cropped is None and 2 * self.filling > self.found

    def crops(self, sources: tuple[PictureSource, ...]) -> Iterator[Crop]:
        """Yield one crop per picture, in order: None if no face was found, an error if it cannot be read."""
        if self._cropped:
            read = partial(_read_crop, channels=self._channels, size_px=self._size_px)
            for crops in read_pictures(sources, read, BATCH):
                self.face_crops += sum(not isinstance(crop, PictureError) for crop in crops)
                yield from crops
            return
        for pictures in read_pictures(sources, partial(read_picture, channels=3, box=False), CHUNK):
            yield from self._cut(pictures)

    def _cut(self, pictures: list[Picture | PictureError]) -> list[Crop]:
        """The crops of one chunk. All its whole pictures go through the detector in one batch."""
        crops: list[Crop] = []
        whole: list[tuple[int, Picture]] = []
        for place, picture in enumerate(pictures):
            if isinstance(picture, PictureError):
                crops.append(picture)
            elif self._cropped is None and max(picture.shape) <= SMALL_PX:
                crops.append(resize(self._to_channels(picture), self._size_px))
                self.face_crops += 1
            else:
                crops.append(None)
                whole.append((place, picture))
        if whole:
            found = find_faces_any_way_up(self._detector, [p for _, p in whole], self._scoring.detector_size_px)
            for (place, picture), faces in zip(whole, found, strict=True):
                best = main_face(faces, (picture.shape[1], picture.shape[0]))
                if best is not None:
                    lean = roll(faces.landmarks[best])
                    self.found += 1
                    side = crop_window(faces.boxes[best], self._geometry, lean)[2]
                    self.filling += side >= FILLS * max(picture.shape[:2])
                    pixels = self._to_channels(picture)
                    crops[place] = crop_face(pixels, faces.boxes[best], self._geometry, self._size_px, lean)
        return crops

    def _to_channels(self, picture: Picture) -> Picture:
        """Convert an RGB picture to the bundle's number of channels."""
        return picture if self._channels == 3 else np.asarray(Image.fromarray(picture).convert("L"))

    @cached_property
    def _detector(self) -> Detector:
        return open_detector(self._scoring, self._threads)

    @cached_property
    def _geometry(self) -> CropGeometry:
        name = self._scoring.detector_name
        if name not in self._bundle.card.crop:
            known = ", ".join(sorted(self._bundle.card.crop)) or "none"
            raise BundleError(
                f"bundle {self._bundle.path}: no crop geometry for detector {name}; use one that it has ({known})"
            )
        return self._bundle.card.crop[name]


def _read_crop(source: PictureSource, channels: int, size_px: int) -> Picture:
    return resize(read_picture(source, channels), size_px)


def _draw(figures: Mapping[str, Any], out: Path) -> None:
    if figures["confusion"] is None:
        raise ConfigurationError(f"{out}: no confusion matrix to draw; {figures['data']} has no expression labels")
    title = f"{figures['data']}, {figures['n']} faces, accuracy {figures['accuracy_strict']:.1%}"
    missed = [figures["missed"][name] for name in EXPRESSION_NAMES]
    draw_confusion(figures["confusion"], missed, EXPRESSION_NAMES, title, out)


def require_folder(path: Path) -> None:
    """Check before a long run that its result can be written to `path`.

    Raises:
        ConfigurationError: its folder does not exist.
    """
    if not path.absolute().parent.is_dir():
        raise ConfigurationError(f"{path}: no such folder to write to; make it first")


def write_json(path: Path, figures: Mapping[str, Any]) -> None:
    """Write the figures.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.write_text(json.dumps(figures, indent=2, allow_nan=False) + "\n", encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror}); choose another place") from None
