"""Find the faces of every sampled frame and run the detector on few of them.

A face moves little in a fraction of a second. So the detector looks at keyframes, and where two of them agree, the
faces of the frames between lie on the straight line between theirs. Where they disagree (a face came, went or moved),
the frame in the middle is looked at as well, and so on by halves, down to every single frame. What is missed is what
begins and ends between two keyframes that agree.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inference.detector import Detector, find_faces
from inference.faces import Faces
from inference.options import ScoringOptions
from inference.timing import Ticks
from inference.track import steps
from inference.video import Frame

Located = tuple[Frame, Faces]
BATCH_BYTES = 48 * 1024 * 1024  # decoded frames of one batch at most: 15 in 1080p, 3 in 4K


class Locator:
    """A detector, and the rule which frames it looks at."""

    def __init__(self, detector: Detector, options: ScoringOptions, batch_size: int) -> None:
        self._detector = detector
        self._options = options
        self._batch_size = batch_size

    def locate(self, frames: Iterable[Frame]) -> Iterator[list[Located]]:
        """Frames with their faces, in order and in batches that end with a keyframe.

        Which frames are keyframes depends on their times alone, so results do not depend on the size of batches.
        """
        rate = self._options.detections_per_second
        ticks = Ticks(rate) if rate else None
        waiting: list[Frame] = []
        keys: list[int] = []
        known: dict[int, Faces] = {}
        for frame in frames:
            if waiting and frame.size_px != waiting[0].size_px:
                yield self._located(waiting, keys, known)
                waiting, keys, known = [], [], {}
            waiting.append(frame)
            if ticks and not ticks.reached(frame.time_s):
                continue
            keys.append(len(waiting) - 1)
            if len(waiting) - len(known) >= min(self._batch_size, BATCH_BYTES // frame.bytes):
                found = self._located(waiting, keys, known)
                yield found
                waiting, keys, known = [frame], [], {0: found[-1][1]}
        if len(waiting) > len(known):
            yield self._located(waiting, keys, known)

    def _located(self, frames: list[Frame], keys: list[int], known: dict[int, Faces]) -> list[Located]:
        """Frames of one size with their faces, without those that were known before."""
        before = len(known)
        faces = dict(known)
        missing = sorted({0, *keys, len(frames) - 1} - set(faces))
        while missing:
            found = find_faces(self._detector, [frames[n] for n in missing], self._options.detector_size_px)
            faces |= dict(zip(missing, found, strict=True))
            missing = [
                (left + right) // 2
                for left, right in pairwise(sorted(faces))
                if right - left > 1 and pairs(faces[left], faces[right], self._options.max_unseen_step) is None
            ]
        for left, right in pairwise(sorted(faces)):
            partners = pairs(faces[left], faces[right], self._options.max_unseen_step)
            if partners is None:  # then they are neighbours
                continue
            for n in range(left + 1, right):
                share = _share(frames[left].time_s, frames[n].time_s, frames[right].time_s)
                faces[n] = between(faces[left], faces[right], partners, share)
        return [(frame, faces[n]) for n, frame in enumerate(frames)][before:]


def pairs(first: Faces, second: Faces, max_step: float) -> NDArray[np.intp] | None:
    """For each of the first faces the second one that it became, [K]; None if the two frames disagree.

    They agree if they have as many faces, and each face lies within `max_step` (as `track.steps` measures it) of its
    nearest one in the other frame, no two having the same.
    """
    if len(first) != len(second):
        return None
    partners = np.zeros(len(first), np.intp)
    for n, box in enumerate(first.boxes):
        distances = steps(box, second.boxes)
        partners[n] = distances.argmin()
        if distances[partners[n]] > max_step:
            return None
    return partners if len(set(partners.tolist())) == len(partners) else None


def between(first: Faces, second: Faces, partners: NDArray[np.intp], share: float) -> Faces:
    """Faces `share` (0..1) of the way from the first ones to their partners among the second."""
    return Faces(
        *(
            (1 - share) * mine + share * their[partners]
            for mine, their in (
                (first.boxes, second.boxes),
                (first.scores, second.scores),
                (first.landmarks, second.landmarks),
            )
        )
    )


def _share(left_s: float, now_s: float, right_s: float) -> float:
    """How much of the time between two keyframes has passed; frames of one time lie in the middle."""
    return (now_s - left_s) / (right_s - left_s) if right_s > left_s else 0.5
