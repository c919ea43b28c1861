"""The camera: turns linear light into a picture, blurs it, adds the noise of its sensor, and writes H.264 videos."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image, ImageFilter

from simulator.appearance import Camera
from simulator.fields import Field

Picture = NDArray[np.uint8]  # [height, width, 3], RGB

_MARGIN_PX = 64  # noise is drawn once on a larger sheet; every frame uses another part of it

_ENCODING = {
    "crf": "26",  # constant quality: about 12 kB a second for a 480x360 portrait with camera noise, 10 pictures/s
    "preset": "superfast",  # the slower presets look ahead with macroblock trees, whose bytes differ from run to run
    "threads": "1",  # the same bytes for any number of cores
}


def to_image(linear: Field, cover: Field | None = None) -> Image.Image:
    """Linear light [3, H, W] (1 is white) as an 8-bit picture, RGB or with `cover` (0..1, [H, W]) RGBA.

    The square root approximates the display's gamma.
    """
    values = np.sqrt(np.maximum(np.minimum(linear, 1.0), 0.0))
    values *= 255.0
    bands = [Image.fromarray(band) for band in values.astype(np.uint8)]
    if cover is None:
        return Image.merge("RGB", bands)
    return Image.merge("RGBA", [*bands, Image.fromarray((cover * 255).astype(np.uint8))])


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


def write_video(
    path: Path, pictures: Iterable[NDArray[np.uint8]], frames_per_second: Fraction, *, index_first: bool = True
) -> int:
    """Encode RGB pictures [height, width, 3] with even sides as an MP4 file and return their number.

    With `index_first` the index comes before the pictures, as in files of streaming cameras, so that a file that is cut
    short still opens. The video appears at `path` only when it is complete.

    Raises:
        ValueError: there is no picture.
    """
    temporary = path.with_name(path.name + ".part")
    count = 0
    flags = {"movflags": "+faststart"} if index_first else {}
    with av.open(str(temporary), "w", format="mp4", options=flags) as container:
        stream = container.add_stream("libx264", rate=frames_per_second, options=_ENCODING)
        for count, picture in enumerate(pictures, start=1):
            if count == 1:
                stream.height, stream.width = picture.shape[:2]
                stream.pix_fmt = "yuv420p"
            frame = av.VideoFrame.from_ndarray(picture, format="rgb24")
            container.mux(stream.encode(frame))
        container.mux(stream.encode())
    if count == 0:
        raise ValueError(f"{path}: a video needs at least one picture")
    temporary.replace(path)
    return count
