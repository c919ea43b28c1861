"""Follow faces from sampled frame to sampled frame by place and size."""

from dataclasses import dataclass

import numpy as np

from inference.faces import Floats, centres, sizes

MAX_STEP = 1.0  # the farthest a face may have moved, as `steps` measures it: about its own size


@dataclass(frozen=True)
class _Track:
    """A face that is being followed."""

    number: int
    box: Floats  # [4] where it was last seen, pixels
    seen_s: float  # when


def steps(box: Floats, others: Floats) -> Floats:
    """How far other boxes [K, 4] are from one box [4]: [K], 0 for the same box.

    The distance of the centres in face sizes (the geometric mean of both), plus the logarithm of the ratio of sizes: a
    face does not double its size while it moves by half its width. Unlike the overlap of the boxes this still tells
    near from far once they no longer touch, as between samples that lie a fifth of a second apart.
    """
    own, their = sizes(box[None]), sizes(others)
    distance = np.hypot(*(centres(others) - centres(box[None])).T)
    return np.asarray(distance / np.sqrt(own * their) + np.abs(np.log(their / own)), np.float32)


class Tracker:
    """Gives every face of a frame the number of its track; a face that fits no track starts a new one."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._tracks: list[_Track] = []
        self._next_number = 0

    def follow(self, time_s: float, boxes: Floats) -> list[int]:
        """Track numbers of the faces of the next frame, in the order of their boxes [K, 4].

        The nearest pair of track and face is matched first, ties by track number and then by face, so the same video
        always gives the same tracks.
        """
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= self._gap_s]
        pairs = [
            (float(step), row, face)
            for row, track in enumerate(self._tracks)
            for face, step in enumerate(steps(track.box, boxes))
            if step <= MAX_STEP
        ]
        numbers: dict[int, int] = {}
        taken: set[int] = set()
        for _, row, face in sorted(pairs):
            if row not in taken and face not in numbers:
                numbers[face] = self._tracks[row].number
                taken.add(row)
        for face in range(len(boxes)):
            if face not in numbers:
                numbers[face] = self._next_number
                self._next_number += 1
        lost = [track for row, track in enumerate(self._tracks) if row not in taken]
        seen = [_Track(numbers[face], boxes[face], time_s) for face in range(len(boxes))]
        self._tracks = sorted(lost + seen, key=lambda track: track.number)
        return [numbers[face] for face in range(len(boxes))]
