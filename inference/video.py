"""Open a recorded video and decode it frame by frame, in memory that does not grow with its length."""

import errno
import stat
from collections.abc import Callable, Iterable, Iterator
from contextlib import contextmanager
from itertools import chain, islice, pairwise
from pathlib import Path
from statistics import median_low

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Stream
from av.video.stream import VideoStream

from inference.container import (
    MICROSECONDS,
    Announced,
    Clock,
    Jump,
    announced,
    announced_pictures,
    choose_stream,
    demuxed,
    recordings,
)
from inference.frame import Frame, OrientationReader
from inference.options import VideoLimits
from pmfer.errors import MACHINE_REMEDIES, QuarantineReason, VideoError

LOCAL_FILES_ONLY = {"protocol_whitelist": "file"}  # a container must not make FFmpeg open network addresses
PICTURE_SUFFIX = "_pipe"  # suffix of FFmpeg's format names for single pictures: png_pipe, jpeg_pipe
PICTURES = frozenset({"gif", "apng", "jpegxl_anim", "webp_anim", "ico", "image2", "image2pipe"})  # and animated ones
# Pictures in an MP4-like container: HEIF, AVIF (ISO/IEC 23008-12)
PICTURE_BRANDS = frozenset(
    {"avif", "avis", "heic", "heix", "heim", "heis", "hevc", "hevx", "mif1", "msf1", "j2ki", "jpeg"}
)
PLAYLISTS = frozenset({"hls", "dash", "concat"})  # text that names other files: not a recording
QUICKTIME_ATOMS = frozenset({b"ftyp", b"mdat", b"wide", b"free", b"skip"})  # how MP4 and QuickTime files begin
FALLBACK_FRAME_S = 1 / 25  # if a file states no frame rate
MIN_DECODED_SHARE = 0.1  # of the announced duration: if less than this decodes, it does not represent the session
MAX_FPS = 2000  # frames per second; above this, the timestamps of a recording must be wrong
ENCRYPTED_ENTRY = b"encv"  # marks encrypted pictures in MP4, ISO/IEC 14496-12, 8.12
HEAD_BYTES = 1024 * 1024  # the start of a file, which holds ENCRYPTED_ENTRY if the index comes first
HEAD_PACKETS = 50  # read ahead to learn the usual step between timestamps
LOST_S = 1.0  # warn about a recording that ends this much before its announced end


class Video:
    """An open video. `frames` decodes it once; the other properties describe what has been decoded so far."""

    def __init__(
        self,
        path: Path,
        container: InputContainer,
        stream: VideoStream,
        limits: VideoLimits | None = None,
        choice: str | None = None,
    ) -> None:
        """Called by `open_video`. `choice` is a warning about other recordings in the file; None if there are none."""
        self._path = path
        self._container = container
        self._stream = stream
        self._limits = limits
        self.choice = choice
        self._announced = announced(container, stream)
        self._clock = Clock(self._start_s, self._nominal_frame_s)
        self._first_s = 0.0
        self._last_s = 0.0
        self._read_end_s = self._decoded_end_s = float("-inf")  # end of the last packet, of the last decoded frame
        self._damaged_packets = 0
        self._damaged_pictures = 0
        self.frames_decoded = 0

    @property
    def duration_s(self) -> float:
        """Last minus first presentation time of the frames decoded so far, in seconds, with jumps left out."""
        return self._last_s - self._first_s

    @property
    def jumps(self) -> list[Jump]:
        """Jumps in the timestamps of the frames decoded so far."""
        return self._clock.jumps

    @property
    def announced_s(self) -> float | None:
        """Duration that the file announces, seconds; None if it does not."""
        return None if self._announced is None else self._announced.end_s - self._announced.start_s

    @property
    def picture_bytes(self) -> int:
        """Memory of a decoded picture of the announced size in the usual format (4:2:0); 0 if no size is announced."""
        return self._stream.codec_context.width * self._stream.codec_context.height * 3 // 2

    def frames(self) -> Iterator[Frame]:
        """Decode frame by frame, skipping damaged packets.

        Raises:
            VideoError: the file became unreadable, is encrypted, or exceeds a limit. After the last frame also
                NO_FRAMES if not a single frame decodes, and TRUNCATED if less than a tenth of the duration that the
                container announces decodes.
        """
        pixel_aspect = float(self._stream.sample_aspect_ratio or 1)
        orientations = OrientationReader()
        packets = self._packets()
        head = list(islice(packets, HEAD_PACKETS))
        self._clock = Clock(self._start_s, self._nominal_frame_s, _usual_step_s(head))
        for decoded in self._decoded(chain(head, packets)):
            time_s = self._clock.seconds(decoded.pts, decoded.time_base)
            self._first_s = time_s if self.frames_decoded == 0 else self._first_s
            self._last_s = time_s
            if decoded.time is not None:
                shown_s = max(self._nominal_frame_s, _duration_s(decoded))
                self._decoded_end_s = max(self._decoded_end_s, decoded.time + shown_s)
            self.frames_decoded += 1
            self._damaged_pictures += decoded.is_corrupt
            frame = Frame(self.frames_decoded - 1, time_s, decoded, pixel_aspect, orientations.read(decoded))
            if self._limits:
                self._limits.require_picture(self._path, *frame.size_px)
                self._limits.require_length(self._path, self.frames_decoded, self.duration_s)
            yield frame
        self._check_usable()

    def warning(self) -> str | None:
        """What was lost or is doubtful, in one line; None if nothing. Only complete once all frames are decoded."""
        warnings: list[str] = [self.choice] if self.choice else []
        pictures = announced_pictures(self._container, self._stream) if self._stream.frames > self.frames_decoded else 0
        if self.frames_decoded < pictures:
            warnings.append(f"{self.frames_decoded} of {pictures} announced frames decode")
        if self._announced and self._reached_s < self._announced.end_s - LOST_S:
            warnings.append(f"{self._decoded_of(self._announced)} announced seconds decode")
        if self.frames_decoded > 1 and self.duration_s < self.frames_decoded / MAX_FPS:
            warnings.append(f"{self.frames_decoded} frames within {self.duration_s:.3f} s: their times are wrong")
        if gaps := [jump for jump in self.jumps if jump.left_out_s]:
            at, left_out_s = gaps[0].at_s, sum(gap.left_out_s for gap in gaps)
            more = f" and {len(gaps) - 1} more times" if len(gaps) > 1 else ""
            warnings.append(
                f"timestamps jump forward at {at:.1f} s{more}: {left_out_s:.0f} s without a picture left out"
            )
        if self._damaged_packets:
            warnings.append(f"{self._damaged_packets} damaged packets skipped")
        if self._damaged_pictures:
            warnings.append(f"{self._damaged_pictures} damaged pictures, partly made up by the decoder")
        return "; ".join(warnings) or None

    @property
    def _start_s(self) -> float | None:
        start = self._container.start_time
        return None if start is None else start / MICROSECONDS

    @property
    def _nominal_frame_s(self) -> float:
        rate = self._stream.guessed_rate or self._stream.average_rate
        return float(1 / rate) if rate else FALLBACK_FRAME_S

    @property
    def _reached_s(self) -> float:
        """Where decoding ended, on the file's own clock.

        If the file announces only the length of picture and sound together, this is where reading ended.
        """
        if self._announced is not None and not self._announced.of_stream:
            return self._read_end_s
        if self._decoded_end_s > float("-inf"):
            return self._decoded_end_s
        return self._last_s + self._nominal_frame_s if self.frames_decoded else 0.0

    def _decoded_of(self, announced: Announced) -> str:
        return f"{max(0.0, self._reached_s - announced.start_s):.1f} of {announced.end_s - announced.start_s:.1f}"

    def _decoded(self, packets: "Iterable[Packet[Stream]]") -> Iterator[av.VideoFrame]:
        for packet in packets:
            if packet.has_sidedata("encryption_info"):
                raise _encrypted(self._path)
            try:
                yield from self._stream.decode(packet)
            except MemoryError:  # FFmpeg's memory error is also an FFmpegError, but does not mean a damaged packet
                raise
            except av.error.FFmpegError:
                self._damaged_packets += 1

    def _packets(self) -> "Iterator[Packet[Stream]]":
        """The packets of the video stream. Those of the sound are also read, to know how far the file goes."""
        own = self._stream.index
        try:
            for packet in demuxed(self._container):
                if packet.pts is not None:
                    end = packet.pts + (packet.duration or 0)
                    self._read_end_s = max(self._read_end_s, float(end * packet.time_base))
                if packet.stream.index == own:  # true of the stream's last packet as well, which flushes the decoder
                    yield packet
        except OSError as error:
            raise VideoError(
                QuarantineReason.UNREADABLE,
                f"{self._path}: reading failed ({error.strerror}); run again when the file is available",
            ) from None
        except av.error.FFmpegError:
            self._damaged_packets += 1

    def _check_usable(self) -> None:
        if not self.frames_decoded:
            why = ""
            if self._limits and not self._stream.codec_context.width:  # some decoders clear the size they refuse
                why = f"; its pictures are damaged or exceed the limit of {self._limits.pixels} pixels"
            raise VideoError(
                QuarantineReason.NO_FRAMES, f"{self._path}: no frame decodes{why}; record or copy it again"
            )
        file = self._announced
        if file and self._reached_s - file.start_s < MIN_DECODED_SHARE * (file.end_s - file.start_s):
            raise VideoError(
                QuarantineReason.TRUNCATED,
                f"{self._path}: {self._decoded_of(file)} announced seconds decode; copy it again",
            )


def _duration_s(picture: av.VideoFrame) -> float:
    """How long the file shows a picture, in seconds; 0 if it does not say."""
    return float(picture.duration * picture.time_base) if picture.duration and picture.time_base else 0.0


def _usual_step_s(packets: "Iterable[Packet[Stream]]") -> float:
    """The median step between the timestamps of packets, in seconds; 0 with fewer than two timestamps."""
    stamps_s = sorted(float(packet.pts * packet.time_base) for packet in packets if packet.pts is not None)
    return median_low([later - earlier for earlier, later in pairwise(stamps_s)] or [0.0])


@contextmanager
def open_video(
    path: Path, threads: int, limits: VideoLimits | None = None, prominence: Callable[[Frame], float] | None = None
) -> Iterator[Video]:
    """Open a video file for decoding.

    Args:
        path: the file.
        threads: threads of the decoder; 0: FFmpeg decides.
        limits: largest file and picture and longest video to accept; None: no limits.
        prominence: returns the prominence of the best face in a frame. It is used to choose between several recordings
            in one file; None: choose by the properties of the streams alone.

    Raises:
        VideoError: the file is missing, empty, unreadable, not a video, cut off before its index, without a video
            stream, larger than the limits, or announces pictures larger than the limits.
        OSError: one of MACHINE_REMEDIES, a fault of the machine that says nothing about the file.
    """
    _check_file(path, limits)
    with _open_container(path, limits) as container:
        if _is_picture(container):
            raise VideoError(QuarantineReason.NOT_A_VIDEO, f"{path}: a picture, not a recording; check the export")
        if PLAYLISTS & set(container.format.name.split(",")):
            raise VideoError(QuarantineReason.NOT_A_VIDEO, f"{path}: a playlist, not a recording; name the recording")
        stream, choice = _recording(path, container, limits, prominence)
        stream.thread_type = "AUTO"
        stream.codec_context.thread_count = threads
        if limits:
            limits.require_picture(path, stream.codec_context.width, stream.codec_context.height)
        yield Video(path, container, stream, limits, choice)


def _recording(
    path: Path, container: InputContainer, limits: VideoLimits | None, prominence: Callable[[Frame], float] | None
) -> tuple[VideoStream, str | None]:
    """The stream to decode, and a warning if the file holds other recordings."""
    streams = recordings(container)
    if not streams:
        raise VideoError(QuarantineReason.NO_VIDEO_STREAM, f"{path}: has no video stream; check the camera's export")
    # FFmpeg recognises some formats that it cannot decode, such as SVG drawings.
    decodable = [stream for stream in streams if stream.codec_context is not None]
    if not decodable:
        raise VideoError(
            QuarantineReason.NO_VIDEO_STREAM, f"{path}: no decoder for its pictures; check the camera's export"
        )
    if len(decodable) == 1:
        return decodable[0], None

    def face_prominence(decoded: av.VideoFrame) -> float:
        return prominence(Frame(0, 0.0, decoded, orientation=OrientationReader().read(decoded))) if prominence else 0.0

    with _open_container(path, limits) as second:
        index, choice = choose_stream(second, [stream.index for stream in decodable], face_prominence)
    return next(stream for stream in decodable if stream.index == index), choice


def _check_file(path: Path, limits: VideoLimits | None) -> None:
    try:
        status = path.stat()
        if not stat.S_ISREG(status.st_mode):  # reading from a pipe could block, a device may never end
            raise VideoError(
                QuarantineReason.UNREADABLE, f"{path}: a folder, pipe or device, not a file; name the file"
            )
        if limits:
            limits.require_size(path, status.st_size)
        with path.open("rb") as stream:
            empty = not stream.read(1)
    except FileNotFoundError:
        raise VideoError(QuarantineReason.VIDEO_MISSING, f"{path}: no such file; check the path") from None
    except OSError as error:
        if error.errno in MACHINE_REMEDIES:
            raise
        raise VideoError(
            QuarantineReason.UNREADABLE, f"{path}: cannot be read ({error.strerror}); check its permissions"
        ) from None
    if empty:
        raise VideoError(QuarantineReason.EMPTY_FILE, f"{path}: is empty; copy it again")


def _open_container(path: Path, limits: VideoLimits | None) -> InputContainer:
    # Probing already decodes a picture, so the decoder has to know the limit from the start.
    options = {"max_pixels": str(limits.pixels)} if limits else {}
    try:
        # The prefix keeps FFmpeg from taking a name with a colon for a URL. Tags may be in any encoding.
        return av.open(f"file:{path}", container_options=LOCAL_FILES_ONLY, options=options, metadata_errors="replace")
    except MemoryError:
        raise
    except PermissionError:  # this file was readable, so it must refer to another one that is not
        raise _no_video(path) from None
    except OSError as error:
        if error.errno in MACHINE_REMEDIES and error.errno != errno.EIO:  # FFmpeg's word for some damaged files too
            raise OSError(error.errno, error.strerror, str(path)) from None
        raise VideoError(QuarantineReason.UNREADABLE, f"{path}: cannot be read ({error.strerror})") from None
    except (av.error.FFmpegError, ValueError):
        raise _no_video(path) from None


def _is_picture(container: InputContainer) -> bool:
    """Whether a file is a picture or an animation of pictures, whatever its suffix says."""
    name = container.format.name
    return name.endswith(PICTURE_SUFFIX) or name in PICTURES or container.metadata.get("major_brand") in PICTURE_BRANDS


def _no_video(path: Path) -> VideoError:
    """The error for a readable file that does not open as a video: encrypted, cut off, or not a video at all."""
    with path.open("rb") as stream:
        head = stream.read(HEAD_BYTES)
    if ENCRYPTED_ENTRY in head:
        return _encrypted(path)
    if head[4:8] in QUICKTIME_ATOMS:
        return VideoError(QuarantineReason.TRUNCATED, f"{path}: cut off before its index, or damaged; copy it again")
    return VideoError(QuarantineReason.NOT_A_VIDEO, f"{path}: not a video format that FFmpeg knows; check the export")


def _encrypted(path: Path) -> VideoError:
    return VideoError(QuarantineReason.ENCRYPTED, f"{path}: its pictures are encrypted; export it without protection")
