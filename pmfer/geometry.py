"""What the shape of a training face says about its action units, beside its expression votes.

Votes alone make all phrases of an expression rise together: an angry face counts as "lips pressed together" whether its
lips are pressed or wide open. The positions of lips, lids and brows tell such faces apart. They are measured by a
general face mesh (landmarks.py), which has never seen an action-unit label, and, where its newer version is at hand, by
its blendshapes. What a measure says about a unit is the table EVIDENCE below, our reading of the unit's definition in
FACS (Ekman, Friesen and Hager, 2002).
"""

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import numpy.typing as npt
import polars as pl

from pmfer.expressions import EXPRESSIONS
from pmfer.facs import ACTION_UNITS
from pmfer.landmarks import BLENDSHAPES, OUTER_EYE_CORNERS, FoundFace

Array = npt.NDArray[np.float64]
Floats = npt.NDArray[np.float32]

MIN_PRESENCE = 0.9  # of the mesh: below, the points are of no face
MAX_YAW_DEG = 35.0  # beyond, half of the face is guessed by the mesh
CLIP = 3.5  # standard deviations
STRETCHED = 1.5  # standard deviations of the opening of the mouth from which on FACS codes AU 27 instead of AU 26
# Points that bones hold in place: eye corners, bridge and wings of the nose, forehead, temples.
RIGID = (33, 133, 362, 263, 168, 6, 197, 195, 5, 4, 1, 2, 98, 327, 10, 151, 9, 8, 127, 356, 234, 454, 103, 332, 21, 251)
NO_MEASURES = ("name", "presence", "yaw_deg", "roll_deg", "blendshapes", "placed")  # columns of the file of shapes


@dataclass(frozen=True)
class Evidence:
    """How a face's shape speaks for a unit."""

    log_odds: float  # per standard deviation: how directly the mesh sees the unit
    measures: dict[str, float]  # weights of standardised measures
    blendshapes: dict[str, float] = field(default_factory=dict)  # weights of blendshapes, mean of left and right
    # How much the expression says besides, 0..1. A gap between the lips is a gap whatever the face expresses.
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
BASE_RATE = {43: 0.005}  # P(AU) where no expression has a say; elsewhere the mean of the table over the faces


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
    jaw = height(2) - height(152)
    # The root: a slit and a closed mouth differ more than two open ones.
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
    """One row per face: name, presence 0..1, yaw_deg, roll_deg, measures, blendshapes and where the points lie."""
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
    """Evidence float32 [N, A] for every unit, in standard deviations of its measures; NaN where none is usable.

    Args:
        faces: of `measure_faces`, with or without blendshapes.
    """
    usable = ((faces["presence"] >= MIN_PRESENCE) & (faces["yaw_deg"].abs() <= MAX_YAW_DEG)).to_numpy()
    signals = _signals(faces, usable)
    result = np.full((len(faces), len(ACTION_UNITS)), np.nan, dtype=np.float32)
    for column, unit in enumerate(ACTION_UNITS):
        if unit.number in EVIDENCE:
            known = EVIDENCE[unit.number]
            weights = {
                name: weight for name, weight in {**known.measures, **known.blendshapes}.items() if name in signals
            }
            total = np.sum([weight * signals[name] for name, weight in weights.items()], axis=0)
            result[usable, column] = total[usable]
    return result


def _signals(faces: pl.DataFrame, usable: npt.NDArray[np.bool_]) -> dict[str, Array]:
    """Measures and, if there are any, blendshapes [N], each in standard deviations over the usable faces."""

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


def au_probability_table() -> Floats:
    """P(AU shown | expression) as float32 [E, A], in the order of EXPRESSIONS and ACTION_UNITS."""
    rows = [[expression.probability(unit.number) for unit in ACTION_UNITS] for expression in EXPRESSIONS]
    return np.array(rows, dtype=np.float32)


@dataclass(frozen=True)
class PhraseTargets:
    """What training wants of the phrases of N faces.

    shown: float32 [N, A] in 0..1, q(AU). deviation: float32 [N, A], a face's evidence against the mean of its
    expression, in standard deviations inside the expressions; NaN where its shape says nothing.
    """

    shown: Floats
    deviation: Floats


def phrase_targets(votes: Floats, table: Floats, seen: Floats | None = None) -> PhraseTargets:
    """Targets of phrase alignment from votes and shapes.

    q = sum over classes c of votes_c * P(AU | c, shape), P(AU | c, shape) = sigmoid(prior_c + b z_c). With the share s
    that the expression has in a unit, prior_c = s logit P(AU | c) + (1 - s) logit P(AU), and z_c is the face's evidence
    less s times the mean of its class and 1 - s times that of all faces, over the spread inside the classes. At s = 1
    how often a class shows a unit stays with the table, and which faces of the class show it comes from their shape; at
    s = 0 the shape decides alone. Without evidence q = sum of votes_c * P(AU | c).

    Args:
        votes: float32 [N, E], rows sum to 1.
        table: P(AU | c), float32 [E, A], inside (0, 1).
        seen: of `evidence`, float32 [N, A] with NaN for none.
    """
    plain = votes @ table
    if seen is None:
        return PhraseTargets(plain, np.full_like(plain, np.nan))
    known = np.isfinite(seen)
    filled = np.where(known, seen, 0)
    count = np.maximum(known.sum(0), 1)
    of_class = (votes.T @ filled) / np.maximum(votes.T @ known.astype(np.float32), 1e-6)
    inside = filled - votes @ of_class
    spread = np.maximum(np.sqrt((known * inside**2).sum(0) / count), 1e-6)
    share, log_odds, base = (
        np.array(column) for column in zip(*(_constants(u.number) for u in ACTION_UNITS), strict=True)
    )
    base = np.where(np.isnan(base), (known * plain).sum(0) / count, base)
    prior = share * _logit(table) + (1 - share) * _logit(np.clip(base, 1e-3, 1 - 1e-3))
    centre = share * of_class + (1 - share) * filled.sum(0) / count
    z = np.clip((filled[:, None] - centre) / spread, -CLIP, CLIP)
    shown = np.einsum("nc,nca->na", votes, 1 / (1 + np.exp(-(prior + log_odds * z))))
    deviation = np.where(known, np.clip(inside / spread, -CLIP, CLIP), np.nan)
    return PhraseTargets(np.where(known, shown, plain).astype(np.float32), deviation.astype(np.float32))


def _constants(number: int) -> tuple[float, float, float]:
    """Share of the expression, log odds and base rate (NaN: that of the table) of a unit."""
    known = EVIDENCE.get(number, Evidence(0.0, {}))
    return known.expression_share, known.log_odds, BASE_RATE.get(number, np.nan)


def _logit(p: npt.NDArray[Any]) -> npt.NDArray[Any]:
    return np.asarray(np.log(p / (1 - p)))
