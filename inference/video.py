"""Open a recorded video and decode it frame by frame, in memory that does not grow with its length."""

import stat
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import av
import numpy as np
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream
from numpy.typing import NDArray

from inference.limits import VideoLimits
from inference.timing import Clock
from pmfer.errors import QuarantineReason, VideoError

LOCAL_FILES_ONLY = {"protocol_whitelist": "file"}  # a container must not make FFmpeg open network addresses
PICTURE = "_pipe"  # how FFmpeg's names of the formats of single pictures end: png_pipe, jpeg_pipe
PICTURES = frozenset({"gif", "apng", "jpegxl_anim", "webp_anim", "ico", "image2", "image2pipe"})  # and animated ones
PICTURE_BRANDS = frozenset(
    {"avif", "avis", "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "j2ki", "jpeg"}
)  # pictures that look like an MP4 file: HEIF, AVIF (ISO/IEC 23008-12)
PLAYLISTS = frozenset({"hls", "dash", "concat"})  # text that names other files: not a recording
QUICKTIME_ATOMS = frozenset({b"ftyp", b"mdat", b"wide", b"free", b"skip"})  # how MP4 and QuickTime files begin
MICROSECONDS = 1_000_000  # unit of a container's start time and duration
FALLBACK_FRAME_S = 1 / 25  # where a file states no frame rate
MIN_DECODED_SHARE = 0.1  # of the announced duration: what decodes of less than this does not stand for the session
BYTE_LUMA = frozenset({"gray", *(f"yuv{j}{kind}p" for j in ("", "j") for kind in (420, 422, 440, 444)), "nv12", "nv21"})
FULL_RANGE = 2  # FFmpeg's AVCOL_RANGE_JPEG: luma of 0 to 255, not 16 to 235
SAME_LEVELS = np.arange(256, dtype=np.uint8)
STUDIO_LEVELS = np.clip((np.arange(256) - 16) * 255 / 219, 0, 255).round().astype(np.uint8)  # ITU-R BT.601, 2.5.3
MAX_FPS = 2000  # frames per second; a recording with more has times that say nothing
LOST_S = 1.0  # a recording that ends this much before its announced end is worth a warning


@dataclass(frozen=True)
class Frame:
    """One decoded frame, still in the decoder's format. Pictures are made on demand, upright and with square pixels."""

    index: int  # in decode order, from 0
    time_s: float  # since the start of the recording
    decoded: av.VideoFrame
    pixel_aspect: float = 1.0  # width of a stored pixel by its height

    @property
    def size_px(self) -> tuple[int, int]:
        """Width and height as displayed: turned as the recording says, with square pixels."""
        width, height = self._lying_px
        return (height, width) if self._quarter_turns % 2 else (width, height)

    @property
    def bytes(self) -> int:
        """What the decoded frame takes in memory."""
        return sum(plane.buffer_size for plane in self.decoded.planes)

    @property
    def _lying_px(self) -> tuple[int, int]:
        """Width and height with square pixels, before turning."""
        return max(1, round(self.decoded.width * self.pixel_aspect)), self.decoded.height

    @property
    def _quarter_turns(self) -> int:
        """Quarter turns, counter-clockwise, from the stored to the displayed picture."""
        return round(self.decoded.rotation / 90) % 4

    def luma(self) -> NDArray[np.uint8]:
        """The displayed picture in grey, [H, W], in whatever range the video has."""
        return self.levelled(1)[0]

    def levelled(self, channels: int) -> tuple[NDArray[np.uint8], NDArray[np.uint8]]:
        """The displayed picture as `picture` gives it, before its levels are brought to the full range; and the levels.

        A crop of the luma that the decoder left in memory costs nothing beyond the crop: `levels[crop]`, with levels
        [256], is the crop in the full range. Where there is no such luma, the levels change nothing.
        """
        decoded = self.decoded
        if channels != 1 or decoded.format.name not in BYTE_LUMA or self._lying_px != (decoded.width, decoded.height):
            return self.picture(channels), SAME_LEVELS
        plane = decoded.planes[0]
        luma = np.frombuffer(memoryview(plane), np.uint8).reshape(-1, plane.line_size)[
            : decoded.height, : decoded.width
        ]
        full = decoded.format.name.startswith(("gray", "yuvj")) or decoded.color_range == FULL_RANGE
        return np.rot90(luma, self._quarter_turns), SAME_LEVELS if full else STUDIO_LEVELS

    def picture(self, channels: int, size_px: tuple[int, int] | None = None) -> NDArray[np.uint8]:
        """The displayed picture, [H, W] grey (1 channel) or [H, W, 3] RGB, full range 0..255.

        Grey is the luma that the video carries, so it is not computed from colours.

        Args:
            channels: 1 or 3.
            size_px: width and height to scale to; the displayed size if None.
        """
        width, height = size_px or self.size_px
        if self._quarter_turns % 2:
            width, height = height, width
        pixel_format = "gray" if channels == 1 else "rgb24"
        # Threads of libswscale's own would be started for every frame, and cost as much as they save.
        lying = self.decoded.to_ndarray(format=pixel_format, width=width, height=height, threads=1)
        return np.asarray(np.rot90(lying, self._quarter_turns), np.uint8)


class Video:
    """An open video; `frames` runs through it once and the other properties tell what came of it."""

    def __init__(
        self, path: Path, container: InputContainer, stream: VideoStream, limits: VideoLimits | None = None
    ) -> None:
        self._path = path
        self._container = container
        self._stream = stream
        self._limits = limits
        self._first_s = 0.0
        self._last_s = 0.0
        self._damaged_packets = 0
        self._damaged_pictures = 0
        self.frames_decoded = 0

    @property
    def duration_s(self) -> float:
        """Last minus first presentation time of the frames decoded so far, seconds."""
        return self._last_s - self._first_s

    @property
    def announced_s(self) -> float | None:
        """Duration that the file announces, seconds; None if it does not."""
        stream = self._stream
        if stream.duration is not None and stream.time_base is not None:
            return float(stream.duration * stream.time_base)
        if not self._container.duration:
            return None
        end_s, start_s = self._container.duration / MICROSECONDS, self._start_s or 0.0
        return end_s - start_s if 0 < start_s < end_s else end_s  # Matroska counts from zero, not from the start

    def frames(self) -> Iterator[Frame]:
        """Decode frame after frame, passing over damaged packets.

        Raises:
            VideoError: the file became unreadable, or goes beyond a limit; after the last frame also NO_FRAMES if not
                one frame decodes, and TRUNCATED if what decodes is less than a tenth of what the container announces.
        """
        clock = Clock(self._start_s, self._nominal_frame_s)
        pixel_aspect = float(self._stream.sample_aspect_ratio or 1)
        for decoded in self._decoded():
            time_s = clock.seconds(decoded.pts, decoded.time_base)
            self._first_s = time_s if self.frames_decoded == 0 else self._first_s
            self._last_s = time_s
            self.frames_decoded += 1
            self._damaged_pictures += decoded.is_corrupt
            frame = Frame(self.frames_decoded - 1, time_s, decoded, pixel_aspect)
            if self._limits:
                self._limits.require_picture(self._path, *frame.size_px)
                self._limits.require_length(self._path, self.frames_decoded, self.duration_s)
            yield frame
        self._check_usable()

    def warning(self) -> str | None:
        """After decoding: what was lost, in one line; None if nothing."""
        announced_s, decoded_s = self.announced_s, self._decoded_s
        lost: list[str] = []
        if self.frames_decoded < self._stream.frames:
            lost.append(f"{self.frames_decoded} of {self._stream.frames} announced frames decode")
        if announced_s is not None and decoded_s < announced_s - LOST_S:
            lost.append(f"{decoded_s:.1f} of {announced_s:.1f} announced seconds decode")
        if self.frames_decoded > 1 and self.duration_s < self.frames_decoded / MAX_FPS:
            lost.append(f"{self.frames_decoded} frames within {self.duration_s:.3f} s: their times are wrong")
        if self._damaged_packets:
            lost.append(f"{self._damaged_packets} damaged packets passed over")
        if self._damaged_pictures:
            lost.append(f"{self._damaged_pictures} pictures damaged, and what they show made up by the decoder")
        return "; ".join(lost) or None

    @property
    def _start_s(self) -> float | None:
        start = self._container.start_time
        return None if start is None else start / MICROSECONDS

    @property
    def _nominal_frame_s(self) -> float:
        rate = self._stream.guessed_rate or self._stream.average_rate
        return float(1 / rate) if rate else FALLBACK_FRAME_S

    @property
    def _decoded_s(self) -> float:
        """Time covered by the decoded frames: the last one is shown for a while, too."""
        return self.duration_s + self._nominal_frame_s if self.frames_decoded else 0.0

    def _decoded(self) -> Iterator[av.VideoFrame]:
        for packet in self._packets():
            try:
                yield from packet.decode()
            except MemoryError:  # FFmpeg's own error is of both kinds, and no damage
                raise
            except av.error.FFmpegError:
                self._damaged_packets += 1

    def _packets(self) -> Iterator[Any]:
        try:
            yield from self._container.demux(self._stream)
        except OSError as error:
            raise VideoError(
                QuarantineReason.UNREADABLE,
                f"{self._path}: reading failed ({error.strerror}); run again when it is there",
            ) from None
        except av.error.FFmpegError:
            self._damaged_packets += 1

    def _check_usable(self) -> None:
        if not self.frames_decoded:
            why = ""
            if self._limits and not self._stream.codec_context.width:  # some decoders forget what they refuse
                why = f"; its pictures are damaged or beyond the limit of {self._limits.pixels} pixels"
            raise VideoError(
                QuarantineReason.NO_FRAMES, f"{self._path}: not one frame decodes{why}; record or copy it again"
            )
        announced_s = self.announced_s
        if announced_s is not None and self._decoded_s < MIN_DECODED_SHARE * announced_s:
            raise VideoError(
                QuarantineReason.TRUNCATED,
                f"{self._path}: {self._decoded_s:.1f} of {announced_s:.1f} announced seconds decode; copy it again",
            )


@contextmanager
def open_video(path: Path, threads: int, limits: VideoLimits | None = None) -> Iterator[Video]:
    """Open a video file for decoding with up to `threads` threads (0: as many as FFmpeg thinks fit).

    Raises:
        VideoError: the file is missing, empty, unreadable, not a video, cut off before its index, without a picture, or
            announces pictures beyond the limits.
    """
    _check_file(path)
    with _open_container(path, limits) as container:
        if _is_picture(container):
            raise VideoError(QuarantineReason.NOT_A_VIDEO, f"{path}: a picture, not a recording; check the export")
        if PLAYLISTS & set(container.format.name.split(",")):
            raise VideoError(QuarantineReason.NOT_A_VIDEO, f"{path}: a playlist, not a recording; name the recording")
        cover = Disposition.attached_pic
        streams = [stream for stream in container.streams.video if not stream.disposition & cover]
        if not streams:
            raise VideoError(
                QuarantineReason.NO_VIDEO_STREAM, f"{path}: has no video stream; check the camera's export"
            )
        if streams[0].codec_context is None:  # such as a drawing in SVG, which FFmpeg knows but cannot draw
            raise VideoError(
                QuarantineReason.NO_VIDEO_STREAM, f"{path}: no decoder for its pictures; check the camera's export"
            )
        streams[0].thread_type = "AUTO"
        streams[0].codec_context.thread_count = threads
        if limits:
            limits.require_picture(path, streams[0].codec_context.width, streams[0].codec_context.height)
        yield Video(path, container, streams[0], limits)


def _check_file(path: Path) -> None:
    try:
        if not stat.S_ISREG(path.stat().st_mode):  # a pipe would be waited for, a device has no end
            raise VideoError(
                QuarantineReason.UNREADABLE, f"{path}: no file, but a folder, pipe or device; name the file"
            )
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except FileNotFoundError:
        raise VideoError(QuarantineReason.VIDEO_MISSING, f"{path}: no such file; check the path") from None
    except OSError as error:
        raise VideoError(
            QuarantineReason.UNREADABLE, f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    if empty:
        raise VideoError(QuarantineReason.EMPTY_FILE, f"{path}: is empty; copy it again")


def _open_container(path: Path, limits: VideoLimits | None) -> InputContainer:
    # Probing decodes a picture already, so the decoder has to know the limit from the start.
    options = {"max_pixels": str(limits.pixels)} if limits else {}
    try:
        # The prefix keeps a name with a colon from being taken for an address.
        return av.open(f"file:{path}", container_options=LOCAL_FILES_ONLY, options=options)
    except MemoryError:
        raise
    except PermissionError:  # the file could be read, so it is one that it names that may not
        raise _no_video(path) from None
    except OSError as error:
        raise VideoError(QuarantineReason.UNREADABLE, f"{path}: cannot be read ({error.strerror})") from None
    except (av.error.FFmpegError, ValueError):
        raise _no_video(path) from None


def _is_picture(container: InputContainer) -> bool:
    """Whether a file is a picture or an animation of pictures, whatever its suffix says."""
    name = container.format.name
    return name.endswith(PICTURE) or name in PICTURES or container.metadata.get("major_brand") in PICTURE_BRANDS


def _no_video(path: Path) -> VideoError:
    """Why a file that can be read is no video: cut off before its index, or something else altogether."""
    with path.open("rb") as stream:
        atom = stream.read(8)[4:]
    if atom in QUICKTIME_ATOMS:
        return VideoError(QuarantineReason.TRUNCATED, f"{path}: cut off before its index, or damaged; copy it again")
    return VideoError(QuarantineReason.NOT_A_VIDEO, f"{path}: not a video that FFmpeg knows; check the export")
