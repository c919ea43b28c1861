"""Evidence for action units from the shape of a training face, in addition to its expression votes.

With votes alone, all phrases of an expression rise together: an angry face counts as "lips pressed together" whether
its lips are pressed or wide open. The positions of lips, lids and brows tell such faces apart. They are measured with a
general face mesh (landmarks.py), which was not trained on action-unit labels, and, if its newer version is available,
with its blendshapes. The table EVIDENCE below says how the measures speak for each unit. It is our reading of the
units' definitions in FACS (Ekman, Friesen and Hager, 2002).

`pmfer landmarks` writes the measures to a file with a row per face, and `pmfer train` reads it.
"""

from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path

import numpy as np
import numpy.typing as npt
import polars as pl
from rich.progress import track

from pmfer.config import TrainConfig
from pmfer.datasets import Faces
from pmfer.errors import ConfigurationError, TrainingError
from pmfer.facs import ACTION_UNITS
from pmfer.landmarks import BLENDSHAPES, OUTER_EYE_CORNERS, POINTS, FaceMesh, FoundFace

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

MIN_PRESENCE = 0.9  # if the mesh's presence is lower, it found no face
MAX_YAW_DEG = 35.0  # if the face is turned farther, the mesh guesses half of it
STRETCHED = 1.5  # opening of the mouth, in standard deviations, from which FACS codes AU 27 instead of AU 26
ALIGNMENTS = 4  # number of times that `frontal` aligns all faces to their median
# Points that expressions hardly move: eye corners, bridge and wings of the nose, forehead, temples.
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 10, 151, 9, 8, 127, 356, 234, 454, 103, 332, 21, 251)
NO_MEASURES = ("name", "presence", "yaw_deg", "roll_deg", "blendshapes", "placed")  # columns of the file of shapes


@dataclass(frozen=True)
class Evidence:
    """How strongly the shape of a face speaks for a unit."""

    log_odds: float  # per standard deviation of the evidence: how directly the mesh sees the unit
    measures: dict[str, float]  # weights of standardised measures
    blendshapes: dict[str, float] = field(default_factory=dict)  # weights of blendshapes, mean of left and right
    # How much the expression counts besides the shape, 0..1. Parted lips are parted whatever the face expresses.
    expression_share: float = 1.0


EVIDENCE: dict[int, Evidence] = {
    1: Evidence(2.0, {"inner_brow": 1.0, "outer_brow": -0.3}, {"browInnerUp": 1.0}),
    2: Evidence(2.0, {"outer_brow": 1.0}, {"browOuterUp": 1.0}),
    4: Evidence(1.8, {"inner_brow": -1.0, "brow_gap": -0.7}, {"browDown": 0.5}),
    5: Evidence(2.0, {"upper_lid": 1.0}, {"eyeWide": 1.0}),
    6: Evidence(1.2, {"lower_lid": 1.0, "corner_lift": 0.7}),
    7: Evidence(1.2, {"upper_lid": -0.7, "lower_lid": 1.0}),
    9: Evidence(1.2, {"nose_length": -1.0, "nose_width": 0.5, "inner_brow": -0.5, "upper_lip": -0.5}),
    10: Evidence(1.8, {"upper_lip": -1.0, "nose_width": 0.7}, {"mouthUpperUp": 1.0}),
    12: Evidence(2.5, {"corner_lift": 1.0, "corner_height": 0.7, "mouth_width": 0.7}, {"mouthSmile": 1.0}, 0.7),
    14: Evidence(0.8, {"corner_asymmetry": 1.0}),
    15: Evidence(2.0, {"corner_lift": -1.0, "corner_height": -0.7}, {"mouthFrown": 0.5}),
    16: Evidence(1.2, {"lower_lip": 1.0, "lip_gap": 0.5}),
    17: Evidence(1.2, {"corner_lift": -1.0, "lip_gap": -0.7, "lower_lip": -0.7}),
    20: Evidence(2.0, {"mouth_width": 1.0, "corner_height": -0.5}),
    23: Evidence(1.8, {"lip_thickness": -1.0, "mouth_width": -0.5, "lip_gap": -0.5}),
    24: Evidence(2.0, {"lip_thickness": -0.7, "lip_gap": -1.0}),
    25: Evidence(3.0, {"lip_gap": 1.0}, expression_share=0.3),
    26: Evidence(2.5, {"half_open": 1.0}, expression_share=0.3),
    27: Evidence(3.0, {"opening": 1.0}, {"jawOpen": 0.5}, 0.3),
    43: Evidence(2.5, {"upper_lid": -0.7}, {"eyeBlink": 1.5}, 0.0),
}


def frontal(points: npt.NDArray[np.float32]) -> tuple[Array, Array]:
    """Turn all faces to the front by generalised Procrustes analysis (Gower, 1975) on the rigid points.

    Args:
        points: float [N, 468, 3], faces of many people: the median of all counts as frontal.

    Returns:
        Points [N, 468, 3] in units of the distance between the outer eye corners, and yaw [N] in degrees.
    """
    rigid = points[:, RIGID].astype(np.float64)
    centre = rigid.mean(1, keepdims=True)
    shapes = rigid - centre
    reference = shapes.mean(0)
    for _ in range(ALIGNMENTS):
        scale = np.linalg.norm(reference) / np.linalg.norm(shapes, axis=(1, 2))
        rotation = _best_rotation(shapes, reference)
        reference = np.median(shapes @ rotation * scale[:, None, None], axis=0)
    right, left = (RIGID.index(point) for point in OUTER_EYE_CORNERS)
    unit = np.linalg.norm(reference[right] - reference[left])
    turned = (points - centre) @ rotation * (scale / unit)[:, None, None]
    return turned, np.degrees(np.arcsin(np.clip(rotation[:, 2, 0], -1, 1)))


def _best_rotation(shapes: Array, reference: Array) -> Array:
    """Rotations [N, 3, 3], without reflection, that best map each shape to the reference (Kabsch, 1976)."""
    left, _, right = np.linalg.svd(np.swapaxes(shapes, 1, 2) @ reference)
    sign = np.repeat(np.eye(3)[None], len(shapes), axis=0)
    sign[:, 2, 2] = np.sign(np.linalg.det(left @ right))
    return np.asarray(left @ sign @ right)


def measure(points: Array) -> dict[str, Array]:
    """Measures [N] of frontal faces [N, 468, 3], in distances between the outer eye corners; y points down."""

    def height(*chosen: int) -> Array:
        return np.asarray(-points[:, list(chosen), 1].mean(1))

    def width(left: int, right: int) -> Array:
        return np.abs(points[:, left, 0] - points[:, right, 0])

    eyes = height(33, 133, 362, 263)
    lips = height(13, 14, 0, 17)
    corners = height(61, 291)
    gap = height(13) - height(14)
    jaw = height(2) - height(152)
    # The square root, because a narrow gap and a closed mouth differ more than two open mouths.
    lip_gap = np.sqrt(np.maximum(gap, 0))
    return {
        "upper_lid": height(159, 158, 160, 386, 385, 387) - eyes,
        "lower_lid": height(145, 153, 144, 374, 380, 373) - eyes,
        "inner_brow": height(107, 55, 336, 285) - height(133, 362),
        "outer_brow": height(46, 53, 70, 63, 276, 283, 300, 293) - height(33, 263),
        "brow_gap": width(55, 285) + width(107, 336),
        "nose_length": height(133, 362) - height(2),
        "nose_width": width(98, 327),
        "lip_gap": lip_gap,
        "lip_thickness": height(0) - height(17) - gap,
        "mouth_width": width(61, 291),
        "corner_lift": corners - lips,
        "corner_height": corners - height(2),
        "corner_asymmetry": np.abs(points[:, 61, 1] - points[:, 291, 1]),
        "upper_lip": height(2) - height(0),
        "lower_lip": height(152) - height(17),
        "jaw": jaw,
    }


def measure_faces(names: list[str], found: list[FoundFace]) -> pl.DataFrame:
    """One row per face: name, presence 0..1, yaw_deg, roll_deg, measures, blendshapes and positions of the points."""
    turned, yaw = frontal(np.stack([face.points for face in found]))
    blendshapes = [None if face.blendshapes is None else face.blendshapes.tolist() for face in found]
    return pl.DataFrame(
        {
            "name": names,
            "presence": np.array([face.presence for face in found], np.float32),
            "yaw_deg": yaw,
            "roll_deg": np.array([face.roll_deg for face in found], np.float32),
        }
        | measure(turned)
        | {
            "blendshapes": pl.Series(blendshapes, dtype=pl.List(pl.Float32)),
            "placed": pl.Series([face.placed.ravel() for face in found], dtype=pl.List(pl.Float32)),
        }
    )


def evidence(faces: pl.DataFrame) -> Floats:
    """Evidence float32 [N, A] for every unit: a weighted sum of standardised measures.

    NaN for units that are not in EVIDENCE, and for faces that are not usable (not found, or turned too far).

    Args:
        faces: as returned by `measure_faces`, with or without blendshapes.
    """
    usable = ((faces["presence"] >= MIN_PRESENCE) & (faces["yaw_deg"].abs() <= MAX_YAW_DEG)).to_numpy()
    signals = _signals(faces, usable)
    result = np.full((len(faces), len(ACTION_UNITS)), np.nan, dtype=np.float32)
    for column, unit in enumerate(ACTION_UNITS):
        if unit.number in EVIDENCE:
            entry = EVIDENCE[unit.number]
            weights = {
                name: weight for name, weight in {**entry.measures, **entry.blendshapes}.items() if name in signals
            }
            total = np.sum([weight * signals[name] for name, weight in weights.items()], axis=0)
            result[usable, column] = total[usable]
    return result


def _signals(faces: pl.DataFrame, usable: npt.NDArray[np.bool_]) -> dict[str, Array]:
    """Measures and, if available, blendshapes [N], each standardised over the usable faces."""

    def standardised(values: Array) -> Array:
        return np.asarray((values - values[usable].mean()) / max(values[usable].std(), 1e-9))

    plain = [name for name in faces.columns if name not in NO_MEASURES]
    signals = {name: standardised(faces[name].to_numpy()) for name in plain}
    opening = standardised(0.7 * signals["lip_gap"] + signals["jaw"])
    signals |= {"opening": opening, "half_open": standardised(opening - 2 * np.maximum(opening - STRETCHED, 0))}
    if faces["blendshapes"].null_count() == 0:
        table = np.stack(faces["blendshapes"].to_list())
        for side in {name.removesuffix("Left").removesuffix("Right") for name in BLENDSHAPES}:
            columns = [BLENDSHAPES.index(name) for name in BLENDSHAPES if name in (side, f"{side}Left", f"{side}Right")]
            signals[side] = standardised(table[:, columns].mean(1))
    return signals


def write_landmark_file(splits: Sequence[Faces], mesh: FaceMesh, out: Path) -> int:
    """Measure every face and write a Parquet file; returns the number of faces.

    Args:
        splits: grey faces for training and for validation.
        mesh: finds the points.
        out: file to write; its folder is created.

    Raises:
        TrainingError: the names of the faces are not unique.
    """
    names = [name for faces in splits for name in faces.names]
    if len(set(names)) != sum(len(faces) for faces in splits):
        raise TrainingError("several pictures of the data set have the same name; give each a unique name")
    out.parent.mkdir(parents=True, exist_ok=True)
    pictures = [picture for faces in splits for picture in faces.images]
    table = measure_faces(names, [mesh.find(picture) for picture in track(pictures, "face points", transient=True)])
    table.write_parquet(out)
    return len(table)


@dataclass(frozen=True)
class FaceShapes:
    """Shapes of N training faces, measured with the face mesh.

    evidence: float32 [N, A] as `evidence` returns it, NaN for none. placed: float32 [N, 468, 2], positions of the
    points of the mesh, as fractions of the picture's side; those of the median face if the mesh did not find the face.
    roll_deg: float32 [N], 0 if the mesh did not find the face. found: bool [N], whether the mesh found the face.
    """

    evidence: Floats
    placed: Floats
    roll_deg: Floats
    found: npt.NDArray[np.bool_]

    def of(self, rows: npt.NDArray[np.int64]) -> "FaceShapes":
        """The shapes of some of the faces."""
        return FaceShapes(self.evidence[rows], self.placed[rows], self.roll_deg[rows], self.found[rows])


def shapes_for(config: TrainConfig, path: Path | None, names: tuple[str, ...]) -> FaceShapes | None:
    """The shapes of the named faces, or None if the configuration trains on votes alone.

    Raises:
        ConfigurationError: the configuration needs a file and none is given, or the other way round.
        TrainingError: as in `read_shapes`.
    """
    if config.data.landmarks and path is None:
        raise ConfigurationError("data.landmarks = true needs --landmarks FILE; make one with `pmfer landmarks`")
    if path is not None and not config.data.landmarks:
        raise ConfigurationError(f"{path}: not used; set data.landmarks = true or leave --landmarks out")
    return None if path is None else read_shapes(path, names)


def read_shapes(path: Path, names: tuple[str, ...]) -> FaceShapes:
    """Read the shapes of the named faces. A face that is not in the file counts as not found by the mesh.

    Raises:
        TrainingError: the file is missing or malformed, or contains none of the faces.
    """
    try:
        table = pl.read_parquet(path, glob=False)
        from_shape = evidence(table)
        placed = np.stack(table["placed"].to_list()).astype(np.float32).reshape(len(table), POINTS, 2)
        found = (table["presence"] >= MIN_PRESENCE).to_numpy()
        roll = np.where(found, table["roll_deg"].to_numpy(), 0).astype(np.float32)
    except (OSError, ValueError, pl.exceptions.PolarsError) as error:
        reason = str(error).splitlines()[0]
        raise TrainingError(f"{path}: not a file of face points ({reason}); make one with `pmfer landmarks`") from None
    row_of = {name: row for row, name in enumerate(table["name"])}
    if not row_of.keys() & set(names):
        raise TrainingError(f"{path}: contains none of the training faces; make it from the same data set")
    median = np.median(placed[found], axis=0)
    placed[~found] = median
    rows = np.array([row_of.get(name, len(table)) for name in names])  # the last one stands for faces without a row
    unknown = np.full((1, from_shape.shape[1]), np.nan, np.float32)
    return FaceShapes(
        np.concatenate([from_shape, unknown])[rows],
        np.concatenate([placed, median[None]])[rows],
        np.append(roll, np.float32(0))[rows],
        np.append(found, False)[rows],
    )
