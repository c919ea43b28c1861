"""What a video file says of itself: its picture streams, its length, and the times of its frames.

Several streams may be a recording, and what a file announces may be wrong: this module chooses and corrects.
"""

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from fractions import Fraction

import av
from av.container import InputContainer
from av.stream import Disposition
from av.video.stream import VideoStream

NO_RECORDING = Disposition.attached_pic | Disposition.timed_thumbnails | Disposition.still_image
MICROSECONDS = 1_000_000  # unit of a container's start time and duration
LOOKS = 16  # keyframes of each stream that are decoded to choose among several
LOOK_S = 60.0  # between two of them where the file announces no duration
FEW_PICTURES = 0.1  # of those of the fullest stream: a stream with fewer is a preview
CLEAR_FACE = 0.5  # of the prominence of the best face: a stream whose faces reach this shows the patient as well
Prominence = Callable[[av.VideoFrame], float]  # of the best face in a picture; 0 without a face
JUMP_S = 1.0  # a step back by more than this starts a new count; a smaller one is jitter
GAP_S = 60.0  # a step forward by more than this, and by more than GAP_STEPS usual steps, starts a new count as well
GAP_STEPS = 10


@dataclass
class _Seen:
    """What was seen of one stream."""

    stream: VideoStream
    pictures: int = 0  # packets, decoded or not
    decoded: int = 0
    prominence: float = 0.0  # sum over the decoded pictures
    next_look_s: float = float("-inf")

    @property
    def face(self) -> float:
        """Mean prominence of the best face."""
        return self.prominence / max(1, self.decoded)


def recordings(container: InputContainer) -> list[VideoStream]:
    """The streams that may be a recording: no cover picture, no thumbnail."""
    return [stream for stream in container.streams.video if not stream.disposition & NO_RECORDING]


def choose_stream(
    container: InputContainer, candidates: Sequence[int], prominence: Prominence
) -> tuple[int, str | None]:
    """Choose the recording among several picture streams, as a player does, but prefer one that shows a face.

    Streams that do not decode or are previews (few pictures beside many) do not count. Of the others, one that shows a
    face comes first, then the default one, the largest and the first.

    Args:
        container: an open file of its own; it is read to its end.
        candidates: indices of the streams.
        prominence: gives the prominence of the best face in a picture.

    Returns:
        The index of the chosen stream, and a warning if another one may be a recording as well.
    """
    seen = {index: _Seen(stream) for stream in container.streams.video if (index := stream.index) in candidates}
    _survey(container, seen, prominence)
    fullest = max((one.pictures for one in seen.values() if one.decoded), default=0)
    best_face = max(one.face for one in seen.values())
    real = [one for one in seen.values() if one.decoded and one.pictures >= FEW_PICTURES * fullest]
    chosen = max(real or seen.values(), key=lambda one: _rank(one, best_face)).stream
    if len(real) < 2:
        return chosen.index, None
    return chosen.index, (
        f"{len(real)} recordings in one file: only the one in stream {chosen.index} is scored"
        f" ({chosen.codec_context.width} x {chosen.codec_context.height})"
    )


def _rank(one: _Seen, best_face: float) -> tuple[bool, bool, int, int]:
    codec = one.stream.codec_context
    default = bool(one.stream.disposition & Disposition.default)
    return one.face >= CLEAR_FACE * best_face, default, codec.width * codec.height, -one.stream.index


def _survey(container: InputContainer, seen: dict[int, _Seen], prominence: Prominence) -> None:
    """Read the file to its end, decoding a few keyframes of each stream."""
    every_s = (container.duration or LOOKS * LOOK_S * MICROSECONDS) / MICROSECONDS / LOOKS
    try:
        for packet in container.demux([one.stream for one in seen.values()]):
            one = seen[packet.stream.index]
            one.pictures += packet.size > 0
            at_s = float(packet.pts * packet.time_base) if packet.pts is not None else one.next_look_s
            if packet.size and not (packet.is_keyframe and at_s >= one.next_look_s):
                continue
            one.next_look_s = at_s + every_s
            try:
                frames = packet.decode()
            except MemoryError:  # FFmpeg's own error is of both kinds
                raise
            except av.error.FFmpegError:  # what does not decode is skipped; scoring meets it again and reports it
                continue
            one.decoded += len(frames)
            one.prominence += sum(prominence(frame) for frame in frames if isinstance(frame, av.VideoFrame))
    except MemoryError:
        raise
    except av.error.FFmpegError:  # the recording itself is read again, and what is wrong told then
        return


@dataclass(frozen=True)
class Announced:
    """Start and end of the pictures as a file announces them, on its own clock."""

    start_s: float
    end_s: float
    of_stream: bool  # whether it is that of the pictures alone, not that of the file with its sound


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
    if not 0 < file_start_s < end_s:  # Matroska counts from zero, not from the start
        end_s += file_start_s
    return Announced(start_s, end_s, len(container.streams) == 1)


def announced_pictures(container: InputContainer, stream: VideoStream) -> int:
    """How many pictures the file says it shows; 0 if it does not say.

    MP4 and QuickTime count all pictures, even those that an edit list leaves out. The index lacks or marks these.
    """
    if not stream.frames or "mp4" not in container.format.name:
        return stream.frames
    return min(stream.frames, sum(not entry.is_discard for entry in stream.index_entries))


def _tagged_end_s(stream: VideoStream) -> float | None:
    """The end of a Matroska track by its DURATION tag, such as 00:00:02.528000000; None without one."""
    hours, _, rest = stream.metadata.get("DURATION", "").partition(":")
    minutes, _, seconds = rest.partition(":")
    try:
        return 3600 * int(hours) + 60 * int(minutes) + float(seconds)
    except ValueError:
        return None


@dataclass(frozen=True)
class Gap:
    """A stretch of time without a picture that a recording's timestamps passed over."""

    at_s: float  # where it lies, on the clock that leaves it out
    length_s: float


class Clock:
    """Turns timestamps into seconds of recording, never running backwards.

    Zero is the container's own start time, the same zero as in any player; a container without one starts with its
    first frame. A frame without a timestamp follows its predecessor by the nominal frame duration. Counting goes on the
    same way where timestamps jump: back (files joined together, a camera that restarted), or forward (a camera that set
    its clock, a connection that was lost). A time-lapse has long steps; there a jump is what is much longer than usual.
    """

    def __init__(self, start_s: float | None, frame_s: float, usual_step_s: float = 0.0) -> None:
        """Start a clock.

        Args:
            start_s: time of the container's start; None if it states none.
            frame_s: nominal duration of a frame.
            usual_step_s: from one timestamp to the next, as the first ones show it; 0 if unknown.
        """
        self._start_s = start_s
        self._frame_s = frame_s
        self._usual_step_s = usual_step_s
        self._step_s = 0.0  # the last one by the timestamps
        self._last_s: float | None = None
        self.gaps: list[Gap] = []

    def seconds(self, pts: int | None, time_base: Fraction | None) -> float:
        """Seconds of the next frame, given in order of display; `pts` in units of `time_base`."""
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
            if forward:
                self.gaps.append(Gap(now_s, step_s))
        return self._at(now_s)

    def _following(self) -> float:
        return 0.0 if self._last_s is None else self._last_s + self._frame_s

    def _at(self, now_s: float) -> float:
        self._last_s = now_s if self._last_s is None else max(now_s, self._last_s)
        return self._last_s
