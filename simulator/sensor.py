"""What the camera makes of a scene: blur and the noise of its sensor."""

import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from simulator.appearance import Camera

Picture = NDArray[np.uint8]  # [height, width, 3], RGB

_MARGIN_PX = 64  # noise is drawn once on a larger sheet, of which every frame sees another part


class Sensor:
    """One camera's blur and noise over pictures of one size (width, height)."""

    def __init__(self, camera: Camera, size: tuple[int, int], rng: np.random.Generator) -> None:
        self._blur = ImageFilter.GaussianBlur(camera.blur_px) if camera.blur_px > 0 else None
        sheet = rng.standard_normal((size[1] + _MARGIN_PX, size[0] + _MARGIN_PX, 1), dtype=np.float32)
        self._noise = np.rint(sheet * camera.noise).astype(np.int16).repeat(3, axis=2)

    def expose(self, scene: Image.Image, rng: np.random.Generator) -> Picture:
        """Take a picture of `scene` (RGB)."""
        values = np.asarray(scene.filter(self._blur) if self._blur else scene)
        height, width = values.shape[:2]
        top, left = rng.integers(0, _MARGIN_PX, size=2)
        noisy: NDArray[np.int16] = values + self._noise[top : top + height, left : left + width]
        return np.clip(noisy, 0, 255, out=noisy).astype(np.uint8)
