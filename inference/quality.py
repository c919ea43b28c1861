"""How readable a face crop is. Everything is measured on the crop that the model would see."""

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from PIL import Image

from inference.options import ScoringOptions
from pmfer.errors import FrameReason

LUMA = np.array([0.299, 0.587, 0.114])  # ITU-R BT.601
SHARPNESS_PX = 48  # side at which sharpness is measured: that of the faces its limit was set on


@dataclass(frozen=True)
class Quality:
    """Readability of one crop."""

    brightness: float  # mean luma, 0..1
    sharpness: float  # standard deviation of the Laplacian by that of the luma, 0 (flat) to about 4 (noise)


def measure_quality(crop: NDArray[np.uint8]) -> Quality:
    """Brightness and sharpness of a crop, [S, S] grey or [S, S, 3] RGB.

    Sharpness is the standard deviation of the Laplacian (four-neighbour kernel; Pech-Pacheco et al., ICPR 2000) divided
    by that of the luma itself. The division takes contrast out, so a pale but sharp face is not called blurred; noise
    reads as sharpness. It depends on the picture's size in pixels, so a larger crop is reduced first: otherwise a
    bundle of large crops would call every face blurred that the camera saw smaller than that.
    """
    luma = np.asarray(crop @ LUMA if crop.ndim == 3 else crop, np.float64)
    brightness = float(luma.mean()) / 255
    if len(luma) > SHARPNESS_PX:
        reduced = Image.fromarray(luma.astype(np.float32)).resize((SHARPNESS_PX,) * 2, Image.Resampling.LANCZOS)
        luma = np.asarray(reduced, np.float64)
    laplacian = luma[:-2, 1:-1] + luma[2:, 1:-1] + luma[1:-1, :-2] + luma[1:-1, 2:] - 4 * luma[1:-1, 1:-1]
    contrast = float(luma.std())
    return Quality(
        brightness=brightness,
        sharpness=float(laplacian.std()) / contrast if contrast > 0 else 0.0,
    )


def why_unreadable(face_size_px: float, quality: Quality, options: ScoringOptions) -> FrameReason | None:
    """The first reason not to score a face, None if it is readable."""
    if face_size_px < options.min_face_px:
        return FrameReason.TOO_SMALL
    if quality.brightness < options.min_brightness:
        return FrameReason.TOO_DARK
    if quality.brightness > options.max_brightness:
        return FrameReason.TOO_BRIGHT
    if quality.sharpness < options.min_sharpness:
        return FrameReason.TOO_BLURRED
    return None
