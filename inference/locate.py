"""Find the faces of every sampled frame and run the detector on few of them.

A face moves little in a fraction of a second. So the detector looks at keyframes, and where two of them agree, the
faces of the frames between lie on the straight line between theirs. Where they disagree (a face came, went or moved),
the frame in the middle is looked at as well, and so on by halves, down to every single frame. Two may agree and yet not
tell what was between them: a face that rocks, or is covered for a moment. So what each box shows there is compared with
what it shows in both of them (inference.likeness), and the frame that resembles neither is looked at. What is missed is
a face more that comes and goes between two looks.
"""

from collections.abc import Iterable, Iterator
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inference.detector import Detector, find_faces
from inference.faces import Faces
from inference.frame import Frame
from inference.likeness import likeness, patches
from inference.options import ScoringOptions
from inference.timing import Ticks
from inference.track import steps

Located = tuple[Frame, Faces]
BATCH_BYTES = 48 * 1024 * 1024  # decoded frames of one batch at most: 15 in 1080p, 3 in 4K
MAX_UNSEEN = 128  # frames between two looks at most: as many as 320 frames a second have at 2.5 looks a second


class Locator:
    """A detector, and the rule which frames it looks at."""

    def __init__(self, detector: Detector, options: ScoringOptions, batch_size: int) -> None:
        self._detector = detector
        self._options = options
        self._batch_size = batch_size

    def locate(self, frames: Iterable[Frame]) -> Iterator[list[Located]]:
        """Frames with their faces, in order and in batches that end with a keyframe.

        Which frames are keyframes depends on the video alone, so results do not depend on the size of batches. A
        keyframe is due at a tick, and before the frames since the last one become too many: the times of a video may
        stand still, or its rate may be very high.
        """
        rate = self._options.detections_per_second
        ticks = Ticks(rate) if rate else None
        waiting: list[Frame] = []
        keys: list[int] = []
        known: dict[int, Faces] = {}
        unseen = 0
        for frame in frames:
            if waiting and frame.size_px != waiting[0].size_px:
                yield self._located(waiting, keys, known)
                waiting, keys, known = [], [], {}
            waiting.append(frame)
            unseen += 1
            if ticks and not ticks.reached(frame.time_s) and unseen < min(MAX_UNSEEN, BATCH_BYTES // frame.bytes):
                continue
            unseen = 0
            keys.append(len(waiting) - 1)
            if len(waiting) - len(known) >= min(self._batch_size, BATCH_BYTES // frame.bytes):
                found = self._located(waiting, keys, known)
                yield found
                waiting, keys, known = [frame], [], {0: found[-1][1]}
        if len(waiting) > len(known):
            yield self._located(waiting, keys, known)

    def _located(self, frames: list[Frame], keys: list[int], known: dict[int, Faces]) -> list[Located]:
        """Frames of one size with their faces, without those that were known before."""
        faces = dict(known)
        self._look(frames, sorted({0, *keys, len(frames) - 1} - set(faces)), faces)
        spans = [span for span in pairwise(sorted(faces)) if span[1] - span[0] > 1]
        filled: dict[int, Faces] = {}
        while spans:
            halves: list[tuple[int, int]] = []
            middles: list[int] = []
            for left, right in spans:
                found, doubtful = self._between(frames, faces, left, right)
                filled |= found
                if doubtful is not None:
                    middles.append(doubtful)
                    halves += [(left, doubtful), (doubtful, right)]
            self._look(frames, middles, faces)
            spans = [span for span in halves if span[1] - span[0] > 1]
        faces = filled | faces
        return [(frame, faces[n]) for n, frame in enumerate(frames)][len(known) :]

    def _look(self, frames: list[Frame], numbers: list[int], faces: dict[int, Faces]) -> None:
        """Have the detector find the faces of some frames."""
        if numbers:
            found = find_faces(self._detector, [frames[n] for n in numbers], self._options.detector_size_px)
            faces |= dict(zip(numbers, found, strict=True))

    def _between(
        self, frames: list[Frame], faces: dict[int, Faces], left: int, right: int
    ) -> tuple[dict[int, Faces], int | None]:
        """Faces of the frames between two that were looked at, and None; or the frame that has to be looked at, too."""
        partners = pairs(faces[left], faces[right], self._options.max_unseen_step)
        if partners is None:
            return {}, (left + right) // 2
        found = {}
        for n in range(left + 1, right):
            share = _share(frames[left].time_s, frames[n].time_s, frames[right].time_s)
            found[n] = between(faces[left], faces[right], partners, share)
        if not len(partners):
            return found, None
        before = patches(frames[left].luma(), faces[left].boxes)
        after = patches(frames[right].luma(), faces[right].boxes[partners])
        alike = []
        for n, now in found.items():
            shown = patches(frames[n].luma(), now.boxes)
            alike.append(np.maximum(likeness(shown, before), likeness(shown, after)).min())
        worst = int(np.argmin(alike))
        return (found, None) if alike[worst] >= self._options.min_likeness else ({}, left + 1 + worst)


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
