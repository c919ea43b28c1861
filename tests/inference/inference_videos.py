"""Videos for the inference tests, written with PyAV."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray

Picture = NDArray[np.uint8]
MILLISECOND = Fraction(1, 1000)


def write_video(
    path: Path,
    pictures: list[Picture],
    *,
    rate: int = 10,
    times_ms: list[int] | None = None,
    codec: str = "libx264",
    pixel_format: str = "yuv420p",
    pixel_aspect: str | None = None,
    gop: int | None = None,
    tag: str | None = None,
) -> Path:
    """Write RGB pictures as a video, at a fixed rate or at given times in milliseconds.

    A keyframe stands at every `gop` pictures, or where the encoder wants one. A `tag` is written in Latin-1.
    """
    times = times_ms or [round(1000 * number / rate) for number in range(len(pictures))]
    with av.open(str(path), "w", metadata_encoding="latin-1") as container:
        stream = container.add_stream(codec, rate=rate)
        stream.height, stream.width = pictures[0].shape[:2]
        stream.pix_fmt = pixel_format
        stream.time_base = stream.codec_context.time_base = MILLISECOND
        if gop:
            stream.codec_context.gop_size = gop
        if tag:
            container.metadata["title"] = stream.metadata["title"] = stream.metadata["handler_name"] = tag
        if pixel_aspect:
            stream.codec_context.sample_aspect_ratio = Fraction(pixel_aspect)
        for picture, at_ms in zip(pictures, times, strict=True):
            frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
            frame.pts, frame.time_base = at_ms, stream.time_base
            container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    return path
