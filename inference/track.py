"""Find the faces of every sampled frame with few runs of the detector, and follow each face from frame to frame.

A face moves little in a fraction of a second. So the detector looks at keyframes and at one frame between two of them,
and where two looks agree, the faces of the frames between lie on the straight line between theirs. Where they disagree
(a face came, went or moved), the frame in the middle is looked at as well, and so on by halves, down to every single
frame. Two may agree and yet not tell what was between them: a face that rocks, or is covered for a moment. So what each
box shows there is compared with what it shows in both of them, and the frame that resembles neither is looked at.

Keyframes are looked at as a whole. Between two that have the same faces, only the part of the picture around these is.
What is missed is an additional face that comes and goes between two keyframes.

The comparison is the normalised cross-correlation of luma, which is blind to brightness and contrast (Lewis, "Fast
Normalized Cross-Correlation", Vision Interface 1995), of few pixels: it costs a thousandth of a look of the detector.
"""

from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator
from dataclasses import dataclass
from itertools import pairwise

import numpy as np
from numpy.typing import NDArray

from inference.detect import NEAR, Detector
from inference.faces import Faces, Floats, box_distances, merge
from inference.frame import Frame, Ticks
from inference.lean import Lookout, leans_of
from inference.options import ScoringOptions

Located = tuple[Frame, Faces]
BATCH_BYTES = 48 * 1024 * 1024  # decoded frames of one batch at most: 15 in 1080p, 3 in 4K
MAX_UNSEEN = 128  # frames between two looks at most: as many as 320 frames a second have at 2.5 looks a second
PATCH_SIDE = 24  # pixels of a patch along each side
WIDE = 2  # looks from one at the whole picture, a keyframe, to the next
ALL = 1.0  # no two boxes overlap by more
_PLACES = (np.arange(PATCH_SIDE) + 0.5) / PATCH_SIDE
MAX_STEP = 1.0  # the farthest a face may have moved, as `box_distances` measures it: about its own size


class Locator:
    """A detector, and the rule for which frames it looks at."""

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
        ticks = Ticks(rate / WIDE) if rate else None
        lookout = Lookout(self._detector, self._options.detector_size_px)
        waiting: list[Frame] = []
        keys: list[int] = []
        known: dict[int, Faces] = {}
        unseen = 0
        for frame in frames:
            if waiting and frame.size_px != waiting[0].size_px:
                yield self._located(lookout, waiting, keys, known)
                waiting, keys, known = [], [], {}
            waiting.append(frame)
            unseen += 1
            if ticks and not ticks.reached(frame.time_s) and unseen < min(MAX_UNSEEN, BATCH_BYTES // frame.bytes):
                continue
            unseen = 0
            keys.append(len(waiting) - 1)
            if len(waiting) - len(known) >= min(self._batch_size, BATCH_BYTES // frame.bytes):
                found = self._located(lookout, waiting, keys, known)
                yield found
                waiting, keys, known = [frame], [], {0: found[-1][1]}
        if len(waiting) > len(known):
            yield self._located(lookout, waiting, keys, known)

    def _located(
        self, lookout: Lookout, frames: list[Frame], keys: list[int], known: dict[int, Faces]
    ) -> list[Located]:
        """Frames of one size with their faces, without those that were known before."""
        due = sorted({0, *keys, len(frames) - 1} - set(known))
        seen = dict(zip(due, lookout.look([frames[n] for n in due]), strict=True))
        faces = known | {n: found for n, (found, _) in seen.items()}
        spans = [span for span in pairwise(sorted(faces)) if span[1] - span[0] > 1]
        filled: dict[int, Faces] = {}
        while spans:
            halves: list[tuple[int, int]] = []
            # By the ways in which faces may lean: the frames to look at, with the faces before and after each.
            middles: defaultdict[frozenset[int], dict[int, tuple[Faces, Faces]]] = defaultdict(dict)
            for left, right in spans:
                found, doubtful = self._between(frames, faces, left, right)
                filled |= found
                if doubtful is not None:
                    leans = leans_of(faces[left], faces[right]) or seen[right][1]
                    middles[leans][doubtful] = faces[left], faces[right]
                    halves += [(left, doubtful), (doubtful, right)]
            for leans, asked in middles.items():
                faces |= _look_between(lookout, frames, leans, asked)
            spans = [span for span in halves if span[1] - span[0] > 1]
        faces = filled | faces
        return [(frame, faces[n]) for n, frame in enumerate(frames)][len(known) :]

    def _between(
        self, frames: list[Frame], faces: dict[int, Faces], left: int, right: int
    ) -> tuple[dict[int, Faces], int | None]:
        """Faces of the frames between two known ones, and None; or none, and the frame that needs a look of its own."""
        rate = self._options.detections_per_second
        partners = pair_faces(faces[left], faces[right], self._options.max_unseen_step)
        # Of the lengths that halves of unequal numbers of frames have, each is nearer to one look's time or to WIDE's.
        is_long = rate is not None and frames[right].time_s - frames[left].time_s > (1 + WIDE) / 2 / rate
        if partners is None or is_long:
            return {}, (left + right) // 2
        found = {}
        for n in range(left + 1, right):
            share = _share(frames[left].time_s, frames[n].time_s, frames[right].time_s)
            found[n] = interpolate(faces[left], faces[right], partners, share)
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


def _look_between(
    lookout: Lookout, frames: list[Frame], leans_deg: Collection[int], asked: dict[int, tuple[Faces, Faces]]
) -> dict[int, Faces]:
    """The faces of some frames, by number, each asked about with the faces of the known frames before and after it.

    Faces that both of these have in about the same place are looked for around it. If they are not there, or others are
    as well, the whole picture is looked at.
    """
    steady = {n: known for n, known in asked.items() if len(known[0]) and pair_faces(*known, NEAR) is not None}
    near = {n: merge(known, ALL) for n, known in steady.items()}
    seen = dict(zip(near, lookout.find([frames[n] for n in near], leans_deg, list(near.values())), strict=True))
    found = {
        n: faces
        for n, faces in seen.items()
        if any(pair_faces(known, faces, NEAR / 2) is not None for known in asked[n])
    }
    others = [n for n in asked if n not in found]
    return found | dict(zip(others, lookout.find([frames[n] for n in others], leans_deg), strict=True))


def pair_faces(first: Faces, second: Faces, max_step: float) -> NDArray[np.intp] | None:
    """For each face of the first frame its index in the second, [K]; None if the two frames disagree.

    They agree if they have as many faces, and each face lies within `max_step` (as `box_distances` measures it) of its
    nearest one in the other frame, no two having the same.
    """
    if len(first) != len(second):
        return None
    partners = np.zeros(len(first), np.intp)
    for n, box in enumerate(first.boxes):
        distances = box_distances(box, second.boxes)
        partners[n] = distances.argmin()
        if distances[partners[n]] > max_step:
            return None
    return partners if len(set(partners.tolist())) == len(partners) else None


def interpolate(first: Faces, second: Faces, partners: NDArray[np.intp], share: float) -> Faces:
    """Faces `share` (0..1) of the way from the first ones to their partners among the second, by number [first]."""
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


def patches(luma: NDArray[np.uint8], boxes: Floats) -> Floats:
    """What boxes [K, 4] show of a grey picture [H, W]: [K, PATCH_SIDE * PATCH_SIDE], each of mean 0 and length 1.

    Single pixels are taken, not means. Beyond the picture's edge the outermost ones count. A box without any contrast
    gives zeros.
    """
    height, width = luma.shape
    columns = np.clip(boxes[:, :1] + boxes[:, 2:3] * _PLACES, 0, width - 1).astype(np.intp)
    rows = np.clip(boxes[:, 1:2] + boxes[:, 3:] * _PLACES, 0, height - 1).astype(np.intp)
    shown = luma[rows[:, :, None], columns[:, None, :]].reshape(len(boxes), PATCH_SIDE * PATCH_SIDE).astype(np.float32)
    shown -= shown.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(shown, axis=1, keepdims=True)
    return np.asarray(np.divide(shown, lengths, out=np.zeros_like(shown), where=lengths > 0), np.float32)


def likeness(one: Floats, other: Floats) -> Floats:
    """How alike patches [K, PATCH_SIDE * PATCH_SIDE] are, pair by pair: [K] in -1..1, 1 for the same picture."""
    return np.asarray(np.einsum("kp,kp->k", one, other), np.float32)


@dataclass(frozen=True)
class _Followed:
    """A face that is being followed."""

    number: int
    box: Floats  # [4] where it was last seen, pixels
    seen_s: float  # when


class Tracker:
    """Gives every face of a frame the number of its track; a face that fits no track starts a new one."""

    def __init__(self, gap_s: float) -> None:
        self._gap_s = gap_s
        self._tracks: list[_Followed] = []
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
            for face, step in enumerate(box_distances(track.box, boxes))
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
        seen = [_Followed(numbers[face], boxes[face], time_s) for face in range(len(boxes))]
        self._tracks = sorted(lost + seen, key=lambda track: track.number)
        return [numbers[face] for face in range(len(boxes))]
