"""From action units to the places where brows, lids, cheeks, nose, lips and jaw are.

What each unit moves follows the FACS manual (Ekman, Friesen and Hager, 2002); how far, in cm at intensity 1, is our
choice within the range of real faces. Everything is measured on the face seen from the front: x outward from the middle
on either side, y down, origin between the pupils.
"""

from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from pmfer.facs import AU_BY_NUMBER
from simulator.appearance import Shape
from simulator.fields import Field, smoothstep

LEFT, RIGHT = -1, 1  # the picture's sides, as the sign of x
JAW_HINGE_Y, JAW_RIGID_Y = 3.6, 8.6  # a dropping jaw stretches the skin between these heights and moves it below

MAX_JAW_CM = 3.5  # the widest that the jaw drops


@dataclass(frozen=True)
class HalfFace:
    """Where the features of one side are, and how strongly its folds show (0..1)."""

    side: int  # LEFT or RIGHT
    brow: Field  # [5, 2] (outward, y) from the inner end to the tail, cm
    lid_upper: float  # peak of the open upper lid over the eye's axis, cm
    lid_lower: float  # depth of the lower lid under the eye's axis, cm
    closing: float  # 0 open .. 1 shut
    cheek: float  # how far the cheek is raised and bulges, 0..1
    nostril: float  # how far the wing of the nose is lifted, cm
    flare: float  # how far the nostril is widened, cm
    corner: tuple[float, float]  # lip corner (outward, y), cm
    fold_out: float  # how far the fold beside mouth and nose is carried outward, cm
    fold: float  # depth of that fold
    dimple: float  # pit at the lip corner
    units: Mapping[int, float]  # the intensities on this side, for folds that belong to a single unit


@dataclass(frozen=True)
class Mouth:
    """The lips between the corners: heights in cm on the middle line, thicknesses of the red at the middle."""

    middle_y: float  # where the lips meet, or would
    gap_up: float  # inner edge of the upper lip over that line
    gap_down: float  # inner edge of the lower lip under it
    upper: float  # thickness of the upper lip
    lower: float  # thickness of the lower lip
    square: float  # 0..1, how far the opening is squared off by pulling lips rather than rounded by the jaw
    press: float  # 0..1, lips pressed on each other


@dataclass(frozen=True)
class FaceGeometry:
    """A face at one instant."""

    left: HalfFace
    right: HalfFace
    mouth: Mouth
    jaw: float  # how far the chin has dropped, cm
    chin: float  # 0..1, how far the chin boss is pushed up
    gaze: tuple[float, float]  # iris off its middle, cm right and down

    @property
    def sides(self) -> tuple[HalfFace, HalfFace]:
        """Both halves, the picture's left first."""
        return self.left, self.right

    def skin_source(self, y: Field) -> Field:
        """The height at rest (cm) of the skin that now lies at `y`: the jaw stretches the lower face downwards."""
        if self.jaw <= 0:
            return y
        rest = np.linspace(float(y.min()) - self.jaw, float(y.max()) + 1, 200, dtype=np.float32)
        moved = rest + self.jaw * smoothstep(JAW_HINGE_Y, JAW_RIGID_Y, rest)
        return np.interp(y, moved, rest).astype(np.float32)


def face_geometry(
    shape: Shape,
    action_units: Mapping[int, float],
    *,
    balance: Mapping[int, float] | None = None,
    gaze: tuple[float, float] = (0.0, 0.0),
) -> FaceGeometry:
    """Place the features of a face.

    Args:
        shape: The face at rest.
        action_units: AU number to intensity in 0..1; other units are 0.
        balance: AU number to -1 (only the picture's left side) .. 0 (both) .. 1 (only its right side).
        gaze: Shift of both irises to the right and down, cm.

    Raises:
        ValueError: a number is not an action unit of `pmfer.facs`, or an intensity is outside 0..1.
    """
    for number, intensity in action_units.items():
        if number not in AU_BY_NUMBER or not 0.0 <= intensity <= 1.0:
            raise ValueError(f"action unit {number}={intensity}: known units have intensities from 0 to 1")
    lean = balance or {}
    sided = {
        side: {n: a * min(1.0, 1.0 + side * lean.get(n, 0.0)) for n, a in action_units.items()}
        for side in (LEFT, RIGHT)
    }
    mean = {n: 0.5 * (sided[LEFT][n] + sided[RIGHT][n]) for n in action_units}
    jaw = min(1.5 * mean.get(26, 0.0) + 2.9 * mean.get(27, 0.0), MAX_JAW_CM)
    return FaceGeometry(
        left=_half_face(shape, LEFT, sided[LEFT], jaw),
        right=_half_face(shape, RIGHT, sided[RIGHT], jaw),
        mouth=_mouth(shape, mean, jaw),
        jaw=jaw,
        chin=mean.get(17, 0.0),
        gaze=gaze,
    )


def _half_face(shape: Shape, side: int, units: Mapping[int, float], jaw: float) -> HalfFace:
    au = {number: units.get(number, 0.0) for number in AU_BY_NUMBER}
    upper, lower = _lids(shape, au)
    return HalfFace(
        side=side,
        brow=_brow(shape, au),
        lid_upper=upper,
        lid_lower=lower,
        closing=au[43],
        cheek=min(0.75 * au[6] + 0.5 * au[12] + 0.25 * au[9] + 0.15 * au[10], 1.1),
        nostril=0.5 * au[9] + 0.22 * au[10],
        flare=0.2 * au[9] + 0.16 * au[10] + 0.14 * au[12] + 0.1 * au[20],
        corner=_corner(shape, au, jaw),
        fold_out=0.55 * au[12] + 0.3 * au[20] + 0.2 * au[10] - 0.15 * au[23],
        fold=min(0.75 * au[12] + 0.75 * au[10] + 0.5 * au[9] + 0.25 * au[6] + 0.3 * au[20] + 0.2 * au[14], 1.2),
        dimple=au[14] + 0.25 * au[12],
        units=units,
    )


def _brow(shape: Shape, au: Mapping[int, float]) -> Field:
    top = shape.brow_y
    rest = np.array(
        [
            (1.35, top + 0.30),
            (2.45, top),
            (3.55, top - 0.7 * shape.brow_arch),
            (4.6, top - 0.8 * shape.brow_arch + 0.05),
            (5.7, top + 0.55),
        ]
    )
    inner_up = np.array([(0.0, -0.95), (0.0, -0.7), (0.0, -0.3), (0.0, 0.0), (0.0, 0.08)])
    outer_up = np.array([(0.0, 0.0), (0.0, -0.15), (0.0, -0.55), (0.05, -0.9), (0.1, -0.75)])
    lowered = np.array([(-0.45, 0.85), (-0.4, 0.80), (-0.3, 0.58), (-0.2, 0.32), (-0.1, 0.1)])
    wrinkled = np.array([(-0.12, 0.42), (-0.1, 0.34), (0.0, 0.18), (0.0, 0.08), (0.0, 0.0)])
    squeezed = np.array([(0.0, 0.0), (0.0, 0.03), (0.0, 0.08), (0.0, 0.12), (0.0, 0.16)])
    # Brows that are raised and lowered at once are drawn together high, as in fear and grief: they are hardly lowered.
    down = lowered * (1.0, 1.0 - 0.75 * au[1])
    brow = rest + au[1] * inner_up + au[2] * outer_up + au[4] * down + au[9] * wrinkled + au[6] * squeezed
    return np.asarray(brow, np.float32)


def _lids(shape: Shape, au: Mapping[int, float]) -> tuple[float, float]:
    """Peak of the open upper lid over, and depth of the lower lid under the eye's axis, cm."""
    upper = (0.47 - 0.06 * shape.hooding) * shape.eye_size
    lower = 0.42 * shape.eye_size
    upper += 0.44 * au[5] - 0.16 * au[7] - 0.07 * au[6] - 0.12 * au[9] - 0.10 * au[4] * (1 - au[5])
    lower -= 0.24 * au[7] + 0.22 * au[6] + 0.12 * au[9] + 0.05 * au[12] - 0.05 * au[5]
    return max(upper, 0.16), max(lower - 0.08 * au[43], 0.02)


def _corner(shape: Shape, au: Mapping[int, float], jaw: float) -> tuple[float, float]:
    out = 0.95 * au[12] + 0.9 * au[20] + 0.22 * au[14] - 0.28 * au[23] - 0.12 * au[24] + 0.1 * au[15]
    down = -1.0 * au[12] + 0.75 * au[15] + 0.15 * au[20] - 0.12 * au[10] - 0.08 * au[14] + 0.15 * au[16]
    narrowing = 0.12 * au[26] + 0.55 * au[27] + 0.08 * au[17]
    y = shape.mouth_y + down + 0.36 * jaw + 0.06 * au[17]
    return shape.mouth_half_width + out - narrowing, y


def _mouth(shape: Shape, units: Mapping[int, float], jaw: float) -> Mouth:
    au = {number: units.get(number, 0.0) for number in AU_BY_NUMBER}
    middle = (
        shape.mouth_y - 0.10 * au[12] - 0.34 * au[17] - 0.12 * au[10] - 0.06 * au[9] + 0.06 * au[20] + 0.06 * au[24]
    )
    held = (1 - 0.95 * au[24]) * (1 - 0.5 * au[17])  # pressed lips and a raised chin keep the mouth shut
    gap_up = held * (0.16 * au[25] + 0.36 * au[10] + 0.22 * au[9] + 0.34 * au[12] * max(au[25], au[26]) + 0.25 * au[27])
    gap_down = held * (0.30 * au[25] + 0.62 * au[16] + 0.10 * au[20] * au[25]) + 0.86 * jaw
    thin = (1 - 0.5 * au[23]) * (1 - 0.62 * au[24]) * (1 - 0.28 * au[20])
    full = shape.lip_fullness
    return Mouth(
        middle_y=middle,
        gap_up=gap_up,
        gap_down=gap_down,
        upper=0.66 * full * thin * (1 - 0.30 * au[12]) * (1 - 0.12 * au[10]) * (1 - 0.2 * au[27]),
        lower=0.92 * full * thin * (1 - 0.18 * au[12]) * (1 + 0.12 * au[17]) * (1 - 0.2 * au[16]),
        square=min(0.8 * au[10] + 0.8 * au[16] + 0.4 * au[20] + 0.3 * au[12], 1.0),
        press=max(au[24], 0.6 * au[23]),
    )
