"""What a video file says about itself: its video streams, its length, and the times of its frames.

A file may hold several recordings, and what it announces may be wrong. This module chooses and corrects.
"""

from collections.abc import Callable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.packet import Packet
from av.stream import Disposition, Stream
from av.video.stream import VideoStream

NO_RECORDING = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
MICROSECONDS = 1_000_000  # per second; the unit of a container's start time and duration
LOOKS = 16  # keyframes of each stream that are decoded to choose between several streams
LOOK_S = 60.0  # between two of these keyframes if the file announces no duration
FEW_PICTURES = 0.1  # of the pictures of the longest stream: a stream with fewer is a preview
CLEAR_FACE = 0.5  # of the prominence of the best stream's faces: a stream that reaches this shows the patient as well
Prominence = Callable[[av.VideoFrame], float]  # of the best face in a picture; 0 without a face
JUMP_S = 1.0  # a step back by more than this is a jump; a smaller one is jitter
GAP_S = 60.0  # a step forward by more than this, and by more than GAP_STEPS usual steps, is a jump as well
GAP_STEPS = 10


@dataclass
class _StreamStats:
    """What is known of one stream after reading the file."""

    stream: VideoStream
    pictures: int = 0  # packets, decoded or not
    decoded: int = 0
    prominence: float = 0.0  # sum over the decoded pictures
    next_look_s: float = float("-inf")  # the next keyframe from here on is decoded

    @property
    def mean_prominence(self) -> float:
        """Mean prominence of the best face in the decoded pictures."""
        return self.prominence / max(1, self.decoded)


def recordings(container: InputContainer) -> list[VideoStream]:
    """The streams that may be a recording, without cover pictures and thumbnails."""
    return [stream for stream in container.streams.video if not stream.disposition & NO_RECORDING]


def demuxed(container: InputContainer, streams: Sequence[Stream] = ()) -> "Iterator[Packet[Stream]]":
    """The packets of some streams, or of all; an empty packet at the end of each stream flushes its decoder."""
    # A stream may appear only after the file was opened: MPEG-TS and MPEG-PS announce them on the way. PyAV 18.1 does
    # not yield its packets, but fails when it flushes it, after it has flushed all others.
    with suppress(IndexError):
        yield from container.demux(*streams)


def choose_stream(
    container: InputContainer, candidates: Sequence[int], prominence: Prominence
) -> tuple[int, str | None]:
    """Choose the recording among several video streams, as a player does, but prefer one that shows a face.

    Streams that do not decode do not count, nor do previews, which have far fewer pictures than the longest stream. Of
    the others, one that shows a face comes first, then the default stream, then the largest, then the first.

    Args:
        container: a file opened for this call alone; it is read to its end.
        candidates: indices of the streams.
        prominence: returns the prominence of the best face in a picture.

    Returns:
        The index of the chosen stream, and a warning if another one may be a recording as well.
    """
    streams = {stream.index: _StreamStats(stream) for stream in container.streams.video if stream.index in candidates}
    _survey(container, streams, prominence)
    most_pictures = max((stats.pictures for stats in streams.values() if stats.decoded), default=0)
    best_face = max(stats.mean_prominence for stats in streams.values())
    real = [stats for stats in streams.values() if stats.decoded and stats.pictures >= FEW_PICTURES * most_pictures]
    chosen = max(real or streams.values(), key=lambda stats: _rank(stats, best_face)).stream
    if len(real) < 2:
        return chosen.index, None
    return chosen.index, (
        f"{len(real)} recordings in one file: only the one in stream {chosen.index} is scored"
        f" ({chosen.codec_context.width} x {chosen.codec_context.height})"
    )


def _rank(stats: _StreamStats, best_face: float) -> tuple[bool, bool, int, int]:
    codec = stats.stream.codec_context
    default = bool(stats.stream.disposition & Disposition.default)
    return stats.mean_prominence >= CLEAR_FACE * best_face, default, codec.width * codec.height, -stats.stream.index


def _survey(container: InputContainer, streams: dict[int, _StreamStats], prominence: Prominence) -> None:
    """Read the file to its end and decode a few keyframes of each stream."""
    every_s = (container.duration or LOOKS * LOOK_S * MICROSECONDS) / MICROSECONDS / LOOKS
    try:
        for packet in demuxed(container, [stats.stream for stats in streams.values()]):
            stats = streams[packet.stream.index]
            stats.pictures += packet.size > 0
            at_s = float(packet.pts * packet.time_base) if packet.pts is not None else stats.next_look_s
            if packet.size and not (packet.is_keyframe and at_s >= stats.next_look_s):
                continue
            stats.next_look_s = at_s + every_s
            try:
                frames = packet.decode()
            except MemoryError:  # FFmpeg's memory error is also an FFmpegError
                raise
            except av.error.FFmpegError:  # skip what does not decode; scoring meets it again and reports it
                continue
            stats.decoded += len(frames)
            stats.prominence += sum(prominence(frame) for frame in frames if isinstance(frame, av.VideoFrame))
    except MemoryError:
        raise
    except av.error.FFmpegError:  # the recording is read again to score it, and errors are reported then
        return


@dataclass(frozen=True)
class Announced:
    """Start and end of the pictures as a file announces them, on its own clock."""

    start_s: float
    end_s: float
    of_stream: bool  # True: of the video stream alone; False: of the whole file, including its sound


def announced(container: InputContainer, stream: VideoStream) -> Announced | None:
    """Start and end of the pictures according to the file; None if it does not say."""
    file_start_s = (container.start_time or 0) / MICROSECONDS
    unit = stream.time_base
    start_s = file_start_s if stream.start_time is None or unit is None else float(stream.start_time * unit)
    if stream.duration is not None and unit is not None:
        return Announced(start_s, start_s + float(stream.duration * unit), True)
    if (end_s := _tagged_end_s(stream)) is not None:
        return Announced(start_s, end_s, True)
    if not container.duration:
        return None
    end_s = container.duration / MICROSECONDS
    if not 0 < file_start_s < end_s:  # otherwise it is Matroska, whose duration counts from zero, not from the start
        end_s += file_start_s
    return Announced(start_s, end_s, len(container.streams) == 1)


def announced_pictures(container: InputContainer, stream: VideoStream) -> int:
    """How many pictures the file says it shows; 0 if it does not say.

    MP4 and QuickTime count all pictures, even those that an edit list leaves out. The index omits or marks those.
    """
    if not stream.frames or "mp4" not in container.format.name:
        return stream.frames
    return min(stream.frames, sum(not entry.is_discard for entry in stream.index_entries))


def _tagged_end_s(stream: VideoStream) -> float | None:
    """The end of a Matroska track according to its DURATION tag, such as 00:00:02.528000000; None without a tag."""
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None


@dataclass(frozen=True)
class Jump:
    """An interruption of a recording, where its timestamps jump forward or back."""

    at_s: float  # its position, on the clock that leaves jumps out
    left_out_s: float  # time without a picture; 0 if the timestamps jump back, because then it is unknown


class Clock:
    """Turns timestamps into seconds since the start of the recording, which never run backwards.

    Zero is the container's own start time, as in any player; if the container states none, zero is its first frame. A
    frame without a timestamp follows the previous one after the nominal frame duration. The same happens where
    timestamps jump back (files joined together, a camera that restarted) or forward (a camera that set its clock, a
    lost connection). A time-lapse has long steps, so only a step that is much longer than usual counts as a jump.
    """

    def __init__(self, start_s: float | None, frame_s: float, usual_step_s: float = 0.0) -> None:
        """Start a clock.

        Args:
            start_s: the container's start time; None if it states none.
            frame_s: nominal duration of a frame.
            usual_step_s: usual step between timestamps, measured on the first ones; 0 if unknown.
        """
        self._start_s = start_s
        self._frame_s = frame_s
        self._usual_step_s = usual_step_s
        self._step_s = 0.0  # between the last two timestamps
        self._last_s: float | None = None
        self.jumps: list[Jump] = []

    def seconds(self, pts: int | None, time_base: Fraction | None) -> float:
        """Time of the next frame in seconds. Frames must come in order of display; `pts` is in units of `time_base`."""
        if pts is None or time_base is None:
            return self._at(self._following())
        stamp_s = float(pts * time_base)
        if self._start_s is None:
            self._start_s = stamp_s - self._following()
        now_s = stamp_s - self._start_s
        if self._last_s is not None:
            step_s = now_s - self._last_s
            forward = step_s > max(GAP_S, GAP_STEPS * max(self._usual_step_s, self._step_s))
            self._step_s = step_s
            if forward or step_s < -JUMP_S:
                now_s = self._following()
                self._start_s = stamp_s - now_s
                self.jumps.append(Jump(now_s, max(0.0, step_s)))
        return self._at(now_s)

    def _following(self) -> float:
        return 0.0 if self._last_s is None else self._last_s + self._frame_s

    def _at(self, now_s: float) -> float:
        self._last_s = now_s if self._last_s is None else max(now_s, self._last_s)
        return self._last_s
