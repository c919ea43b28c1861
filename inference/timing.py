"""From a container's timestamps to seconds, and which frames to sample."""

import math
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from typing import Protocol, TypeVar

JUMP_S = 1.0  # a timestamp that lies back by more than this starts a new count; by less, it is jitter
GAP_S = 60.0  # a step forward by more than this, and by more than GAP_STEPS usual steps, starts a new count as well
GAP_STEPS = 10
ROUNDING_S = 1e-6  # containers round timestamps: a frame this little before a tick is on it


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


class Ticks:
    """Ticks of a fixed rate, and whether a new one was reached.

    A tick that passes without a frame (variable frame rate, a pause) is gone, so no frame stands for two of them.
    """

    def __init__(self, per_second: float) -> None:
        self._per_second = per_second
        self._last: int | None = None

    def reached(self, time_s: float) -> bool:
        """Whether this is the first time, of times given in order, at or after a tick."""
        tick = math.floor((time_s + ROUNDING_S) * self._per_second)
        new = self._last is None or tick > self._last
        if new:
            self._last = tick
        return new


class Timed(Protocol):
    """Anything that happens at a time."""

    @property
    def time_s(self) -> float:
        """Seconds since the start of the recording."""


AnyTimed = TypeVar("AnyTimed", bound=Timed)


def sample(frames: Iterable[AnyTimed], frames_per_second: float | None) -> Iterator[AnyTimed]:
    """Of frames in time order, the first at or after each tick of 1 / `frames_per_second` s; all of them if None."""
    if frames_per_second is None:
        yield from frames
        return
    ticks = Ticks(frames_per_second)
    yield from (frame for frame in frames if ticks.reached(frame.time_s))
