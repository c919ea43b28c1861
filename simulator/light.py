"""How light falls on the relief: one soft lamp, the light of the room, gloss and the shade of folds and hollows."""

import numpy as np
from PIL import Image

from simulator.appearance import Light
from simulator.fields import Field

_DENT_DEPTH_CM = 0.16  # of a crease of strength 1
_WRAP = 0.35  # how far the lamp, being large, reaches round the edge of its own shadow


def lamp_direction(light: Light, yaw_deg: float = 0.0, pitch_deg: float = 0.0) -> tuple[float, float, float]:
    """Unit vector from the face towards the lamp (right, down, viewer), seen from a head that is turned."""
    azimuth = np.radians(light.azimuth_deg - yaw_deg)
    elevation = np.radians(light.elevation_deg - pitch_deg)
    across, up = np.sin(azimuth) * np.cos(elevation), np.sin(elevation)
    return float(across), float(-up), float(np.sqrt(max(1.0 - across**2 - up**2, 0.05)))


def shade(
    relief: Field, dents: Field, px_per_cm: float, lamp: tuple[float, float, float], light: Light, shine: float
) -> Field:
    """Brightness of a white surface, about 0.1 in the deepest shade to 1 facing the lamp.

    Args:
        relief: Height in cm, float32 [H, W].
        dents: Crease depth, float32 [H, W].
        px_per_cm: Scale of the raster.
        lamp: Unit vector from `lamp_direction`.
        light: Share of ambient light.
        shine: Gloss of the skin, 0..1.
    """
    height = relief - _DENT_DEPTH_CM * dents
    across, down = np.zeros_like(height), np.zeros_like(height)
    np.subtract(height[:, 2:], height[:, :-2], out=across[:, 1:-1])
    np.subtract(height[2:], height[:-2], out=down[1:-1])
    across *= 0.5 * px_per_cm
    down *= 0.5 * px_per_cm
    facing = 1.0 / np.sqrt(across * across + down * down + 1.0)
    lit = (lamp[2] - lamp[0] * across - lamp[1] * down) * facing
    diffuse = np.maximum((lit + _WRAP) / (1.0 + _WRAP), 0.0)
    diffuse *= 0.35 + 0.65 * diffuse
    room = (0.80 + 0.25 * down * facing) * (0.55 + 0.45 * facing)  # brighter from above, darker towards the rim
    tone = light.ambient * room + (1.15 - 0.75 * light.ambient) * diffuse
    tone /= 1.0 + 0.75 * np.maximum(dents, 0.0)
    if shine:
        gloss = np.maximum(lit * facing - 0.55, 0.0)
        tone += (0.55 * shine) * gloss * gloss
    result: Field = tone
    return result


def to_image(linear: Field, cover: Field | None = None) -> Image.Image:
    """Linear light [3, H, W] (1 is white) as an 8-bit picture, RGB or with `cover` (0..1, [H, W]) RGBA.

    The square root stands for the display's gamma.
    """
    values = np.sqrt(np.maximum(np.minimum(linear, 1.0), 0.0))
    values *= 255.0
    bands = [Image.fromarray(band) for band in values.astype(np.uint8)]
    if cover is None:
        return Image.merge("RGB", bands)
    return Image.merge("RGBA", [*bands, Image.fromarray((cover * 255).astype(np.uint8))])
