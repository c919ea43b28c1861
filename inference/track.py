"""Find the faces of every sampled frame with few runs of the detector, and follow each face from frame to frame.

A face moves little in a fraction of a second. So the detector runs on keyframes and on one frame between two of them.
Where two detections agree, the faces of the frames between them are interpolated linearly. Where they disagree (a face
came, went or moved), the detector also runs on the frame in the middle, and so on by bisection, down to every single
frame. Two detections may agree although something happened between them: a face rocks, or is covered for a moment. So
the content of each interpolated box is compared with the content of the boxes on both sides, and the detector runs on
the frame that resembles neither.

Keyframes are searched as a whole. Between two keyframes that have the same faces, only the part of the picture around
these faces is searched. So an additional face that comes and goes between two keyframes is missed.

The comparison is the normalised cross-correlation of luma, which ignores brightness and contrast (Lewis, "Fast
Normalized Cross-Correlation", Vision Interface 1995). It uses few pixels and costs a thousandth of a detector run.
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
from inference.lean import FaceFinder, Look
from inference.options import ScoringOptions
from inference.prefetch import prefetch

Located = tuple[Frame, Faces]
BATCH_BYTES = 48 * 1024 * 1024  # most memory for the decoded frames of one batch: 15 in 1080p, 3 in 4K
MAX_UNSEEN = 128  # most frames between two detections: the number at 320 frames and 2.5 detections a second
PATCH_SIDE = 24  # pixels of a patch along each side
DETECTIONS_PER_KEYFRAME = 2
KEEP_ALL = 1.0  # an overlap that no two boxes exceed
_PLACES = (np.arange(PATCH_SIDE) + 0.5) / PATCH_SIDE
# An absence of this many steps between sampled frames is always bridged. So a face may be missed in one frame of a
# time-lapse, which makes two steps, and steps may vary a little.
BRIDGED_STEPS = 2.5
MAX_STEP = 1.0  # the farthest a face may have moved, as `box_distances` measures it: about its own size
# A track without a face in the frame before must be this much nearer to a face than a track with one. Otherwise
# somebody who bends over the patient and hides the patient's face would take over the patient's track.
HIDDEN_STEP = 0.5


@dataclass(frozen=True)
class _Batch:
    """Successive frames of one size, with the faces of the keyframes among them, by the index of the frame."""

    frames: list[Frame]
    faces: dict[int, Faces]
    looks: dict[int, frozenset[Look]]  # needed from there on, for the keyframes that are new in this batch
    done: int  # number of frames at the beginning that the batch before has located

    def looks_around(self, frame: int) -> frozenset[Look]:
        """How to look at faces at the next of this batch's own keyframes, which may be the frame itself."""
        return self.looks[min(key for key in self.looks if key >= frame)]


class Locator:
    """Locates the faces in all frames of a video, running the detector on some of them."""

    def __init__(self, detector: Detector, options: ScoringOptions, batch_size: int) -> None:
        self._detector = detector
        self._options = options
        self._batch_size = batch_size

    def locate(self, frames: Iterable[Frame]) -> Iterator[list[Located]]:
        """Yield the frames with their faces, in order and in batches that end with a keyframe. No batch is empty.

        While the frames between keyframes are filled in, the detector already runs on the next keyframes.
        """
        finder = FaceFinder(self._detector, self._options.detector_size_px)
        with prefetch(self._keyframes_seen(finder, frames), 1) as batches:
            for batch in batches:
                yield self._filled_in(finder, batch)

    def _keyframes_seen(self, finder: FaceFinder, frames: Iterable[Frame]) -> Iterator[_Batch]:
        """Divide the frames into batches of one size, and find the faces in their keyframes.

        Which frames are keyframes depends on the video alone, so results do not depend on the batch size. A keyframe
        is due at every tick, and also when too many frames have passed since the last one: the timestamps of a video
        may stand still, or its frame rate may be very high.
        """
        rate = self._options.detections_per_second
        ticks = Ticks(rate / DETECTIONS_PER_KEYFRAME) if rate else None
        waiting: list[Frame] = []
        keys: list[int] = []
        known: dict[int, Faces] = {}
        unseen = 0
        for frame in frames:
            if waiting and frame.size_px != waiting[0].size_px:
                if len(waiting) > len(known):
                    yield _seen(finder, waiting, keys, known)
                waiting, keys, known = [], [], {}
            waiting.append(frame)
            unseen += 1
            if ticks and not ticks.reached(frame.time_s) and unseen < min(MAX_UNSEEN, BATCH_BYTES // frame.bytes):
                continue
            unseen = 0
            keys.append(len(waiting) - 1)
            if len(waiting) - len(known) >= min(self._batch_size, BATCH_BYTES // frame.bytes):
                batch = _seen(finder, waiting, keys, known)
                yield batch
                waiting, keys, known = [frame], [], {0: batch.faces[len(waiting) - 1]}
        if len(waiting) > len(known):
            yield _seen(finder, waiting, keys, known)

    def _filled_in(self, finder: FaceFinder, batch: _Batch) -> list[Located]:
        """Locate the faces in all frames of a batch."""
        frames, faces = batch.frames, dict(batch.faces)  # a copy: the thread of the next batch reads the batch's own
        spans = [span for span in pairwise(sorted(faces)) if span[1] - span[0] > 1]
        interpolated: dict[int, Faces] = {}
        while spans:
            halves: list[tuple[int, int]] = []
            # The frames to run the detector on, by the looks they need, with the faces before and after each frame.
            middles: defaultdict[frozenset[Look], dict[int, tuple[Faces, Faces]]] = defaultdict(dict)
            for left, right in spans:
                found, doubtful = self._between(frames, faces, left, right)
                interpolated |= found
                if doubtful is not None:
                    looks = finder.looks_at(frames[left], faces[left], faces[right]) or batch.looks_around(right)
                    middles[looks][doubtful] = faces[left], faces[right]
                    halves += [(left, doubtful), (doubtful, right)]
            for looks, neighbours in middles.items():
                faces |= _look_between(finder, frames, looks, neighbours)
            spans = [span for span in halves if span[1] - span[0] > 1]
        faces = interpolated | faces
        return [(frame, faces[n]) for n, frame in enumerate(frames)][batch.done :]

    def _between(
        self, frames: list[Frame], faces: dict[int, Faces], left: int, right: int
    ) -> tuple[dict[int, Faces], int | None]:
        """Interpolate the faces of the frames between two known ones.

        Returns:
            The faces by frame, and None; or no faces, and the frame on which the detector has to run.
        """
        rate = self._options.detections_per_second
        partners = pair_faces(faces[left], faces[right], self._options.max_unseen_step)
        # A span between keyframes covers DETECTIONS_PER_KEYFRAME detection intervals and is always halved. Its halves
        # cover about one interval each, but may differ by a frame, so the threshold lies midway.
        is_long = (
            rate is not None and frames[right].time_s - frames[left].time_s > (1 + DETECTIONS_PER_KEYFRAME) / 2 / rate
        )
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
        similarities = []
        for n, now in found.items():
            shown = patches(frames[n].luma(), now.boxes)
            similarities.append(np.maximum(likeness(shown, before), likeness(shown, after)).min())
        worst = int(np.argmin(similarities))
        return (found, None) if similarities[worst] >= self._options.min_likeness else ({}, left + 1 + worst)


def _seen(finder: FaceFinder, frames: list[Frame], keys: list[int], known: dict[int, Faces]) -> _Batch:
    """Find the faces in the keyframes `keys`, the first and the last of some frames, except those `known`."""
    due = sorted({0, *keys, len(frames) - 1} - set(known))
    seen = dict(zip(due, finder.find_in_keyframes([frames[n] for n in due]), strict=True))
    faces = known | {n: found for n, (found, _) in seen.items()}
    return _Batch(frames, faces, {n: looks for n, (_, looks) in seen.items()}, len(known))


def _look_between(
    finder: FaceFinder,
    frames: list[Frame],
    looks: Collection[Look],
    neighbours: dict[int, tuple[Faces, Faces]],
) -> dict[int, Faces]:
    """Run the detector on the frames in `neighbours`, which gives the faces of the known frames before and after each.

    If both neighbours have the same faces in about the same places, only these places are searched. If the faces are
    not found there, or others are found as well, the whole picture is searched.
    """
    steady = {n: known for n, known in neighbours.items() if len(known[0]) and pair_faces(*known, NEAR) is not None}
    near = {n: merge(known, KEEP_ALL) for n, known in steady.items()}
    seen = dict(zip(near, finder.find([frames[n] for n in near], looks, list(near.values())), strict=True))
    found = {
        n: faces
        for n, faces in seen.items()
        if any(pair_faces(known, faces, NEAR / 2) is not None for known in neighbours[n])
    }
    remaining = [n for n in neighbours if n not in found]
    return found | dict(zip(remaining, finder.find([frames[n] for n in remaining], looks), strict=True))


def pair_faces(first: Faces, second: Faces, max_step: float) -> NDArray[np.intp] | None:
    """For each face of the first frame, the index of the same face in the second, [K]; None if the frames disagree.

    They agree if they have the same number of faces, and each face lies within `max_step` (as `box_distances` measures
    it) of a different nearest face in the other frame.
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
    """Faces at a `share` (0..1) of the way from each first face to its partner among the second ones.

    `partners` holds the index of each first face's partner, as `pair_faces` returns it.
    """
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
    """Share of the time between two frames that has passed, 0..1; 0.5 if both have the same time."""
    return (now_s - left_s) / (right_s - left_s) if right_s > left_s else 0.5


def patches(luma: NDArray[np.uint8], boxes: Floats) -> Floats:
    """Patches of a grey picture [H, W] inside boxes [K, 4]: [K, PATCH_SIDE * PATCH_SIDE], each of mean 0 and length 1.

    A patch samples single pixels, without averaging. Beyond the picture's edge the outermost pixels are repeated. A
    box without any contrast gives zeros.
    """
    height, width = luma.shape
    columns = np.clip(boxes[:, :1] + boxes[:, 2:3] * _PLACES, 0, width - 1).astype(np.intp)
    rows = np.clip(boxes[:, 1:2] + boxes[:, 3:] * _PLACES, 0, height - 1).astype(np.intp)
    shown = luma[rows[:, :, None], columns[:, None, :]].reshape(len(boxes), PATCH_SIDE * PATCH_SIDE).astype(np.float32)
    shown -= shown.mean(axis=1, keepdims=True)
    lengths = np.linalg.norm(shown, axis=1, keepdims=True)
    return np.asarray(np.divide(shown, lengths, out=np.zeros_like(shown), where=lengths > 0), np.float32)


def likeness(one: Floats, other: Floats) -> Floats:
    """Correlation of patches [K, PATCH_SIDE * PATCH_SIDE], pair by pair: [K] in -1..1, 1 for identical patches."""
    return np.asarray(np.einsum("kp,kp->k", one, other), np.float32)


@dataclass(frozen=True)
class _Followed:
    """A face that is being followed."""

    number: int
    box: Floats  # [4] where it was last seen, pixels
    seen_s: float  # when it was last seen


class Tracker:
    """Assigns a track number to every face of a frame. A face that fits no track starts a new one."""

    def __init__(self, gap_s: float) -> None:
        """Start without tracks. A face that is not seen for longer than `gap_s` and BRIDGED_STEPS steps is lost."""
        self._gap_s = gap_s
        self._last_s: float | None = None
        self._step_s = 0.0  # between the last two frames
        self._tracks: list[_Followed] = []
        self._next_number = 0

    def follow(self, time_s: float, boxes: Floats) -> list[int]:
        """Track numbers of the faces of the next frame, in the order of their boxes [K, 4].

        The nearest pair of track and face is matched first, those that were hidden in the frame before later. Ties are
        broken by track number and then by face, so the same video always gives the same tracks.
        """
        # The step to this frame does not count: it may be a pause, after which anybody may be in the picture.
        gap_s = max(self._gap_s, BRIDGED_STEPS * self._step_s)
        self._step_s = 0.0 if self._last_s is None else time_s - self._last_s
        self._last_s = time_s
        self._tracks = [track for track in self._tracks if time_s - track.seen_s <= gap_s]
        newest_s = max((track.seen_s for track in self._tracks), default=time_s)
        pairs = [
            (float(step) + HIDDEN_STEP * (track.seen_s < newest_s), row, face)
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
