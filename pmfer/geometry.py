"""What the shape of a training face says about its action units, beside its expression votes.

Votes alone make all phrases of an expression rise together: an angry face counts as "lips pressed together" whether its
lips are pressed or wide open. The positions of lips, lids and brows tell such faces apart. They are measured by a
general face mesh (landmarks.py), which has never seen an action-unit label; what a measure says about a unit is the
table EVIDENCE below, our reading of the unit's definition in FACS (Ekman, Friesen and Hager, 2002).
"""

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt
import polars as pl

from pmfer.expressions import EXPRESSIONS
from pmfer.facs import ACTION_UNITS

Array = npt.NDArray[np.float64]

MIN_PRESENCE = 0.9  # of the mesh: below, the points are of no face
MAX_YAW_DEG = 35.0  # beyond, half of the face is guessed by the mesh
CLIP = 2.5  # standard deviations
# Points that bones hold in place: eye corners, bridge and wings of the nose, forehead, temples.
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 10, 151, 9, 8, 127, 356, 234, 454, 103, 332, 21, 251)
OUTER_EYE_CORNERS = (33, 263)


@dataclass(frozen=True)
class Evidence:
    """How measures speak for a unit: weights of standardised measures, and log odds per standard deviation of them."""

    log_odds: float
    weights: dict[str, float]


# Log odds follow how directly the mesh sees the unit: 3 for the gap between the lips, 1 where it sees a side effect.
EVIDENCE: dict[int, Evidence] = {
    1: Evidence(1.5, {"inner_brow": 1.0, "outer_brow": -0.3}),
    2: Evidence(1.5, {"outer_brow": 1.0}),
    4: Evidence(1.5, {"inner_brow": -1.0, "brow_gap": -0.7}),
    5: Evidence(1.5, {"upper_lid": 1.0}),
    6: Evidence(1.0, {"lower_lid": 1.0, "corner_lift": 0.7}),
    7: Evidence(1.0, {"upper_lid": -0.7, "lower_lid": 1.0}),
    9: Evidence(1.0, {"nose_length": -1.0, "nose_width": 0.5, "inner_brow": -0.5, "upper_lip": -0.5}),
    10: Evidence(1.5, {"upper_lip": -1.0, "nose_width": 0.7}),
    12: Evidence(2.0, {"corner_lift": 1.0, "corner_height": 0.7, "mouth_width": 0.7}),
    14: Evidence(0.7, {"corner_asymmetry": 1.0}),
    15: Evidence(2.0, {"corner_lift": -1.0, "corner_height": -0.7}),
    16: Evidence(1.0, {"lower_lip": 1.0, "lip_gap": 0.5}),
    17: Evidence(1.0, {"corner_lift": -1.0, "lip_gap": -0.7, "lower_lip": -0.7}),
    20: Evidence(2.0, {"mouth_width": 1.0, "corner_height": -0.5}),
    23: Evidence(1.0, {"lip_thickness": -1.0, "mouth_width": -0.5}),
    24: Evidence(1.5, {"lip_thickness": -0.7, "lip_gap": -1.0}),
    25: Evidence(3.0, {"lip_gap": 1.0}),
    26: Evidence(2.5, {"lip_gap": 0.7, "jaw": 1.0}),
    27: Evidence(2.5, {"lip_gap": 1.0, "jaw": 0.7}),
    43: Evidence(2.0, {"upper_lid": -1.0}),
}


def frontal(points: npt.NDArray[np.float32], rounds: int = 4) -> tuple[Array, Array]:
    """Turn all faces to the front by generalised Procrustes analysis (Gower, 1975) over the rigid points.

    Args:
        points: float [N, 468, 3], faces of many people: the median of all is what counts as frontal.
        rounds: of aligning all to their median.

    Returns:
        Points [N, 468, 3] in units of the distance between the outer eye corners, and yaw [N] in degrees.
    """
    rigid = points[:, RIGID].astype(np.float64)
    centre = rigid.mean(1, keepdims=True)
    shapes = rigid - centre
    reference = shapes.mean(0)
    for _ in range(rounds):
        scale = np.linalg.norm(reference) / np.linalg.norm(shapes, axis=(1, 2))
        rotation = _best_rotation(shapes, reference)
        reference = np.median(shapes @ rotation * scale[:, None, None], axis=0)
    right, left = (RIGID.index(point) for point in OUTER_EYE_CORNERS)
    unit = np.linalg.norm(reference[right] - reference[left])
    turned = (points - centre) @ rotation * (scale / unit)[:, None, None]
    return turned, np.degrees(np.arcsin(np.clip(rotation[:, 2, 0], -1, 1)))


def _best_rotation(shapes: Array, reference: Array) -> Array:
    """Rotations [N, 3, 3] that bring each shape closest to the reference (Kabsch, 1976); no mirroring."""
    left, _, right = np.linalg.svd(np.swapaxes(shapes, 1, 2) @ reference)
    handed = np.repeat(np.eye(3)[None], len(shapes), axis=0)
    handed[:, 2, 2] = np.sign(np.linalg.det(left @ right))
    return np.asarray(left @ handed @ right)


def measure(points: Array) -> dict[str, Array]:
    """Measures [N] of frontal faces, in units of the distance between the outer eye corners; y grows downwards."""

    def height(*chosen: int) -> Array:
        return np.asarray(-points[:, list(chosen), 1].mean(1))

    def width(left: int, right: int) -> Array:
        return np.abs(points[:, left, 0] - points[:, right, 0])

    eyes = height(33, 133, 362, 263)
    lips = height(13, 14, 0, 17)
    corners = height(61, 291)
    gap = height(13) - height(14)
    return {
        "upper_lid": height(159, 158, 160, 386, 385, 387) - eyes,
        "lower_lid": height(145, 153, 144, 374, 380, 373) - eyes,
        "inner_brow": height(107, 55, 336, 285) - height(133, 362),
        "outer_brow": height(46, 53, 70, 63, 276, 283, 300, 293) - height(33, 263),
        "brow_gap": width(55, 285) + width(107, 336),
        "nose_length": height(133, 362) - height(2),
        "nose_width": width(98, 327),
        "lip_gap": np.sqrt(np.maximum(gap, 0)),  # the root: a slit and a closed mouth differ more than two open ones
        "lip_thickness": height(0) - height(17) - gap,
        "mouth_width": width(61, 291),
        "corner_lift": corners - lips,
        "corner_height": corners - height(2),
        "corner_asymmetry": np.abs(points[:, 61, 1] - points[:, 291, 1]),
        "upper_lip": height(2) - height(0),
        "lower_lip": height(152) - height(17),
        "jaw": height(2) - height(152),
    }


def measure_faces(names: list[str], points: npt.NDArray[np.float32], presence: npt.NDArray[np.float32]) -> pl.DataFrame:
    """One row per face: name, presence 0..1, yaw_deg and the measures; what landmarks.parquet holds."""
    turned, yaw = frontal(points)
    return pl.DataFrame({"name": names, "presence": presence, "yaw_deg": yaw} | measure(turned))


def evidence(measures: pl.DataFrame) -> npt.NDArray[np.float32]:
    """Evidence float32 [N, A] for every unit, in standard deviations of its measures; NaN where none is usable."""
    usable = ((measures["presence"] >= MIN_PRESENCE) & (measures["yaw_deg"].abs() <= MAX_YAW_DEG)).to_numpy()
    result = np.full((len(measures), len(ACTION_UNITS)), np.nan, dtype=np.float32)
    for column, unit in enumerate(ACTION_UNITS):
        if unit.number not in EVIDENCE:
            continue
        weights = EVIDENCE[unit.number].weights
        total = np.sum([weight * _standardised(measures[name], usable) for name, weight in weights.items()], axis=0)
        result[usable, column] = total[usable]
    return result


def _standardised(values: pl.Series, usable: npt.NDArray[np.bool_]) -> Array:
    x = values.to_numpy()
    return np.asarray((x - x[usable].mean()) / max(x[usable].std(), 1e-9))


def au_probability_table() -> npt.NDArray[np.float32]:
    """P(AU shown | expression) as float32 [E, A], in the order of EXPRESSIONS and ACTION_UNITS."""
    rows = [[expression.probability(unit.number) for unit in ACTION_UNITS] for expression in EXPRESSIONS]
    return np.array(rows, dtype=np.float32)


def phrase_targets(
    votes: npt.NDArray[np.float32], table: npt.NDArray[np.float32], seen: npt.NDArray[np.float32] | None = None
) -> npt.NDArray[np.float32]:
    """Soft targets q(AU) float32 [N, A] of phrase alignment.

    q = sum over classes c of votes_c * P(AU | c, shape), with P(AU | c, shape) = sigmoid(logit P(AU | c) + b z), where
    z is the face's evidence less the mean of its class, over the spread inside the classes: how often a class shows a
    unit stays with the table, which faces of the class show it comes from their shape. Without evidence P(AU | c).

    Args:
        votes: float32 [N, E], rows sum to 1.
        table: P(AU | c), float32 [E, A], inside (0, 1).
        seen: of `evidence`, float32 [N, A] with NaN for none.
    """
    plain = votes @ table
    if seen is None:
        return plain
    known = np.isfinite(seen)
    filled = np.where(known, seen, 0)
    of_class = (votes.T @ filled) / np.maximum(votes.T @ known.astype(np.float32), 1e-6)
    spread = np.sqrt((known * (filled - votes @ of_class) ** 2).sum(0) / np.maximum(known.sum(0), 1))
    z = np.clip((filled[:, None] - of_class) / np.maximum(spread, 1e-6), -CLIP, CLIP)
    log_odds = np.array([EVIDENCE[u.number].log_odds if u.number in EVIDENCE else 0.0 for u in ACTION_UNITS])
    shown = 1 / (1 + np.exp(-(np.log(table / (1 - table)) + log_odds * z)))
    return np.where(known, np.einsum("nc,nca->na", votes, shown), plain).astype(np.float32)
