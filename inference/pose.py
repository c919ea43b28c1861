"""Head pose estimated from five landmarks: rough, made to find frames that look away, not to measure angles.

Model: under weak perspective, eyes and mouth corners lie in one plane and the nose tip stands out of it by `d`. After
undoing the roll (the slope of the eyes), turning by `yaw` moves the nose tip sideways by (d / eye distance) * tan(yaw)
eye distances, and tilting by `pitch` moves it along the line from eyes to mouth by (d / eye-to-mouth distance) *
tan(pitch) such distances. Both protrusions are about one half in common head models (nose tip 3.4 cm, eyes 6.3 cm
apart, mouth 7 cm below them).

What limits it: a face that is not the average one is off by a constant (compare a person with himself), an open mouth
reads as a raised chin, and beyond about 60 degrees the far eye is a guess of the detector.
"""

from dataclasses import dataclass

import numpy as np

from inference.faces import Floats

NOSE_PROTRUSION = 0.5  # of the eye distance, and of the eye-to-mouth distance
NOSE_HEIGHT = 0.56  # place of a frontal nose tip between eyes (0) and mouth (1): training median


@dataclass(frozen=True)
class Pose:
    """Degrees. All three are 0 for an upright face that looks into the camera."""

    yaw_deg: float  # positive: the nose points to the right of the picture
    pitch_deg: float  # positive: the chin is raised
    roll_deg: float  # positive: the head leans clockwise in the picture, in -180..180


def nose_position(landmarks: Floats) -> tuple[float, float]:
    """Where the nose tip lies, free of roll and size: (sideways, down).

    Args:
        landmarks: [5, 2] left eye, right eye, nose tip, left and right mouth corner, pixels.

    Returns:
        Distance from the midline in eye distances, positive to the right, and the place from eyes (0) to mouth (1).
    """
    left, right, nose, mouth = landmarks[0], landmarks[1], landmarks[2], (landmarks[3] + landmarks[4]) / 2
    across = right - left
    span = float(np.hypot(*across))
    axis = across / max(span, 1e-6)
    below = np.array([-axis[1], axis[0]])
    middle = (left + right) / 2
    depth = float((mouth - middle) @ below)
    down = float((nose - middle) @ below) / np.copysign(max(abs(depth), 1e-6), depth)
    midline = down * float((mouth - middle) @ axis)
    return (float((nose - middle) @ axis) - midline) / max(span, 1e-6), float(down)


def estimate_pose(landmarks: Floats) -> Pose:
    """Pose of a face from its landmarks [5, 2] in pixels; see the module for the formula and its limits."""
    sideways, down = nose_position(landmarks)
    slope = landmarks[1] - landmarks[0]
    return Pose(
        yaw_deg=float(np.degrees(np.arctan(sideways / NOSE_PROTRUSION))),
        pitch_deg=float(np.degrees(np.arctan((NOSE_HEIGHT - down) / NOSE_PROTRUSION))),
        roll_deg=float(np.degrees(np.arctan2(slope[1], slope[0]))),
    )
