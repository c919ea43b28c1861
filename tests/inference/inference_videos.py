"""Videos for the inference tests, written with PyAV."""

from collections.abc import Iterator
from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest
from av.packet import Packet
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from inference.frame import Frame
from inference.options import ScoringOptions
from inference.video import open_video
from pmfer.errors import QuarantineReason, VideoError

Picture = NDArray[np.uint8]
MILLISECOND = Fraction(1, 1000)
# For tests in which no small faces have to be found: smaller pictures for the detector, in half the time.
QUICK = ScoringOptions(detector_size_px=256)


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
    sound_s: float = 0,
    held_ms: int = 0,
    options: dict[str, str] | None = None,
) -> Path:
    """Write RGB pictures as a video, at a fixed rate or at given times in milliseconds.

    A keyframe stands at every `gop` pictures, or where the encoder wants one. A `tag` is written in Latin-1. Sound, if
    there is any, begins at 0. The last picture lasts `held_ms`, or as long as the others. The options are those of the
    container.
    """
    times = times_ms or [round(1000 * number / rate) for number in range(len(pictures))]
    with av.open(str(path), "w", options=options or {}, metadata_encoding="latin-1") as container:
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
        sound = container.add_stream("aac", rate=8000, layout="mono") if sound_s else None
        packets = list(_encoded(stream, pictures, times))
        if held_ms:
            next(packet for packet in packets if packet.pts == times[-1]).duration = held_ms
        container.mux(packets)
        if sound is not None:
            silence = av.AudioFrame.from_ndarray(np.zeros((1, round(8000 * sound_s)), np.float32), "fltp", "mono")
            silence.sample_rate = 8000
            container.mux(sound.encode(silence))
            container.mux(sound.encode(None))
    return path


def write_videos(path: Path, films: list[list[Picture]], defaults: tuple[int, ...]) -> Path:
    """Write several streams of ten pictures a second to one file; those with these numbers are flagged default."""
    with av.open(str(path), "w") as container:
        streams = []
        for number, film in enumerate(films):
            stream = container.add_stream("libx264", rate=10)
            stream.height, stream.width = film[0].shape[:2]
            stream.pix_fmt = "yuv420p"
            stream.time_base = stream.codec_context.time_base = MILLISECOND
            stream.disposition = Disposition.default if number in defaults else Disposition(0)
            streams.append(stream)
        times_ms = [[100 * number for number in range(len(film))] for film in films]
        # All encoders run before the first packet is written, because that fixes the streams' time bases.
        for packets in [list(_encoded(*film)) for film in zip(streams, films, times_ms, strict=True)]:
            container.mux(packets)
    return path


def _encoded(stream: VideoStream, pictures: list[Picture], times_ms: list[int]) -> Iterator[Packet]:
    for picture, at_ms in zip(pictures, times_ms, strict=True):
        frame = av.VideoFrame.from_ndarray(np.ascontiguousarray(picture), format="rgb24")
        frame.pts, frame.time_base = at_ms, MILLISECOND
        yield from stream.encode(frame)
    yield from stream.encode(None)


def decode(path: Path) -> list[Frame]:
    with open_video(path, threads=1) as video:
        return list(video.frames())


def reason_of(path: Path) -> QuarantineReason:
    with pytest.raises(VideoError) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.reason


def warning_of(path: Path) -> str | None:
    with open_video(path, threads=1) as video:
        list(video.frames())
        return video.warning()
