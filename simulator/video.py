"""Write pictures as an H.264 video."""

from collections.abc import Iterable
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

_OPTIONS = {
    "crf": "26",  # constant quality: about 12 kB a second for a 480x360 portrait with camera noise, 10 pictures/s
    "preset": "superfast",  # the slower presets look ahead with macroblock trees, whose bytes differ from run to run
    "threads": "1",  # the same bytes whatever the number of cores
}


def write_video(
    path: Path, pictures: Iterable[NDArray[np.uint8]], frames_per_second: Fraction, *, index_first: bool = True
) -> int:
    """Encode RGB pictures [height, width, 3] of even sides into an MP4 file and return how many they were.

    With `index_first` the index stands before the pictures, as cameras that stream write it, and a file cut short still
    opens. The video appears under `path` only when it is complete.

    Raises:
        ValueError: there is no picture.
    """
    temporary = path.with_name(path.name + ".part")
    count = 0
    flags = {"movflags": "+faststart"} if index_first else {}
    with av.open(str(temporary), "w", format="mp4", options=flags) as container:
        stream = container.add_stream("libx264", rate=frames_per_second, options=_OPTIONS)
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
