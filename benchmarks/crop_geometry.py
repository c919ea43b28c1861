"""Measure how the training faces are framed, in units of a detector's box: the crop geometry of a bundle.

    python -m benchmarks.crop_geometry FERPLUS_PARQUET CLIP... --yunet YUNET_ONNX --out crop.json

The training images are 48 x 48 pixels and filled by the face, so a detector needs them larger and with something around
them. Each image is enlarged (bicubic) and placed near the middle of a canvas, at random, because detectors favour box
centres on the grid of their output. With s = sqrt(w * h) of the detected box, the image's side is `side * s` and its
centre is the box centre + (`dx * s`, `dy * s`).

The filling of the canvas must not influence the result. So every image is tried with three fillings and at two sizes,
and each of these six trials is calibrated: faces of video clips, whose box in the whole picture is known, are cut out
with the framing just measured and go through the same trial, which shows its error. The geometry is the median over the
six calibrated trials.
"""

import argparse
import io
import json
from dataclasses import asdict
from itertools import islice, product
from pathlib import Path

import av
import numpy as np
import polars as pl
from numpy.typing import NDArray
from PIL import Image

from inference.crop import crop_face
from inference.detect import CenterFace, Detector, YuNet
from inference.faces import Faces, centres, nose_position, sizes
from inference.options import centerface_weights
from pmfer.bundle import CropGeometry

CANVAS_PX = 320  # side of the picture that a training image is set into
CLIP_PX = 448  # side of the picture that a frame of a clip is set into
FACE_PX = 48  # side of a training image
JITTER_PX = 32  # range over which an image's place varies: the widest stride of the detectors
MAX_OFFSET = 0.25  # share of the image's side; a box whose centre is farther out is not the image's face
FRAMES_PER_CLIP = 24  # at least, evenly spread
BATCH = 32
MIN_SCORES = {"centerface": 0.5, "yunet": 0.7}  # only confident detections count
TRIALS = tuple(product((144, 216), ("edge", "mirror", "mean")))  # side an image is enlarged to in pixels, filling
MEASURES = ("side", "dx", "dy", "nose_down")

Picture = NDArray[np.uint8]
Point = NDArray[np.int64]


def training_images(path: Path, count: int, seed: int) -> list[Picture]:
    """A random sample of FERPlus training images that at least half of the raters considered a readable face."""
    unreadable = pl.col("votes").cast(pl.List(pl.Int64)).list.slice(8, 2).list.sum()  # "unknown" and "not a face"
    rows = pl.scan_parquet(path).filter((pl.col("split") == "train") & (unreadable <= 5)).select("image").collect()
    sample = rows["image"].sample(count, seed=seed)
    return [np.asarray(Image.open(io.BytesIO(content)).convert("L")) for content in sample]


def clip_faces(detector: Detector, clip: Path, cut: CropGeometry) -> list[Picture]:
    """The most confident face of some frames of a clip, cut out with the geometry `cut`."""
    with av.open(str(clip)) as container:
        frames = [np.asarray(frame.to_ndarray(format="gray"), np.uint8) for frame in container.decode(video=0)]
    faces = []
    for frame in islice(frames, 0, None, max(1, len(frames) // FRAMES_PER_CLIP)):
        scale = CLIP_PX / max(frame.shape)
        small = Image.fromarray(frame).resize((round(frame.shape[1] * scale), round(frame.shape[0] * scale)))
        canvas = Image.new("RGB", (CLIP_PX, CLIP_PX))
        canvas.paste(small)
        found = detector.detect(np.asarray(canvas)[None])[0].mapped((1 / scale, 1 / scale))
        if len(found):
            faces.append(crop_face(frame, found.boxes[0], cut, FACE_PX))
    return faces


def on_canvas(image: Picture, side_px: int, corner: Point, filling: str) -> Picture:
    """The image, enlarged to `side_px`, at `corner` (x, y) of an RGB canvas [CANVAS_PX, CANVAS_PX, 3]."""
    large = np.asarray(Image.fromarray(image).resize((side_px, side_px), Image.Resampling.BICUBIC))
    left, top = corner
    margin = ((top, CANVAS_PX - side_px - top), (left, CANVAS_PX - side_px - left))
    match filling:
        case "edge":
            grey = np.pad(large, margin, mode="edge")
        case "mirror":
            grey = np.pad(large, margin, mode="symmetric")
        case _:
            grey = np.pad(large, margin, constant_values=round(large.mean()))
    return np.repeat(grey[:, :, None], 3, axis=2)


def framing(faces: Faces, corner: Point, side_px: int) -> dict[str, float] | None:
    """Framing of an image by the most confident face near its middle; None if there is none."""
    offsets = corner + side_px / 2 - centres(faces.boxes)
    near = np.nonzero(np.hypot(*offsets.T) <= MAX_OFFSET * side_px)[0]
    if not near.size:
        return None
    best = near[0]
    s = float(sizes(faces.boxes)[best])
    _, down = nose_position(faces.landmarks[best])
    return {"side": side_px / s, "dx": offsets[best, 0] / s, "dy": offsets[best, 1] / s, "nose_down": down}


def measure(detector: Detector, images: list[Picture], side_px: int, filling: str) -> pl.DataFrame:
    """One trial: a row with the framing of each image whose face was found."""
    middle = (CANVAS_PX - side_px) // 2
    corners = middle + np.random.default_rng(0).integers(-JITTER_PX // 2, JITTER_PX // 2, (len(images), 2))
    rows = []
    for start in range(0, len(images), BATCH):
        places = corners[start : start + BATCH]
        group = zip(images[start : start + BATCH], places, strict=True)
        pictures = np.stack([on_canvas(image, side_px, corner, filling) for image, corner in group])
        found = zip(detector.detect(pictures), places, strict=True)
        rows += [framing(faces, corner, side_px) for faces, corner in found]
    return pl.DataFrame([row for row in rows if row], schema=dict.fromkeys(MEASURES, pl.Float64))


def medians(found: pl.DataFrame) -> CropGeometry:
    """The median framing of a trial."""
    return CropGeometry(*found.select(pl.median("side", "dx", "dy")).row(0))


def measure_geometry(detector: Detector, images: list[Picture], clips: list[Path]) -> tuple[CropGeometry, pl.DataFrame]:
    """The geometry for a detector, and a table of the trials on which it is based."""
    trials = {trial: measure(detector, images, *trial) for trial in TRIALS}
    raw = medians(pl.concat(trials.values()))
    cuts = [clip_faces(detector, clip, raw) for clip in clips]
    rows = []
    for trial, found in trials.items():
        seen = medians(found)
        known = [medians(measure(detector, faces, *trial)) for faces in cuts if faces]
        miss = CropGeometry(*np.median([list(asdict(clip).values()) for clip in known], axis=0))
        rows.append(
            {"image_px": trial[0], "filling": trial[1], "found": len(found) / len(images)}
            | {f"side_{name}": found["side"].quantile(q) for q, name in ((0.25, "q1"), (0.5, "median"), (0.75, "q3"))}
            | {f"dy_{name}": found["dy"].quantile(q) for q, name in ((0.25, "q1"), (0.5, "median"), (0.75, "q3"))}
            | {"side": seen.side * raw.side / miss.side, "dx": seen.dx - miss.dx + raw.dx}
            | {"dy": seen.dy - miss.dy + raw.dy, "nose_down": found["nose_down"].median()}
        )
    table = pl.DataFrame(rows)
    return CropGeometry(*(round(middle, 3) for middle in asdict(medians(table)).values())), table


def main() -> None:
    """Measure the detectors, print the tables and write the geometries as JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("ferplus", type=Path, help="Parquet file with the columns split, image and votes")
    parser.add_argument("clips", type=Path, nargs="+", help="videos with a face, for the calibration")
    parser.add_argument("--yunet", type=Path, help="YuNet ONNX file; without it only CenterFace is measured")
    parser.add_argument("--images", type=int, default=2000, help="number of training images")
    parser.add_argument("--seed", type=int, default=0, help="seed of the choice of images")
    parser.add_argument("--threads", type=int, default=1)
    parser.add_argument("--out", type=Path, help="where to write {detector: {side, dx, dy}}")
    given = parser.parse_args()

    images = training_images(given.ferplus, given.images, given.seed)
    detectors: list[Detector] = [CenterFace(centerface_weights(), MIN_SCORES["centerface"], given.threads)]
    if given.yunet:
        detectors.append(YuNet(given.yunet, MIN_SCORES["yunet"], given.threads))
    geometries = {}
    for detector in detectors:
        geometry, table = measure_geometry(detector, images, given.clips)
        with pl.Config(tbl_cols=-1, tbl_width_chars=200, float_precision=3):
            print(detector.name, table)
        geometries[detector.name] = asdict(geometry)
    document = json.dumps(geometries, indent=2)
    print(document)
    if given.out:
        given.out.write_text(document + "\n", encoding="utf-8")


if __name__ == "__main__":
    main()
