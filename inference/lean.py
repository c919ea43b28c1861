"""Find faces that are not upright or fill the picture: people in bed lie on their side, and cameras stand close.

The detector was made for upright faces of moderate size. It finds a face that lies on its side in only some of the
pictures, and the landmarks are then off by up to 50 degrees. So the picture is turned as the faces of the last keyframe
lean. The detector also misses faces that fill the picture. So the picture is halved if a face was large in the last
keyframe. Now and then the detector also looks all round, with the picture turned in all directions, because somebody
may turn over or come in.
"""

from collections.abc import Collection, Sequence
from itertools import groupby
from operator import itemgetter

import numpy as np

from inference.crop import LEANING_DEG
from inference.detect import MAX_OVERLAP, Detector, find_faces, find_faces_in_stills, main_face
from inference.faces import Faces, Floats, Picture, merge, overlaps, roll, sizes
from inference.frame import Frame

QUARTERS = (0, 90, 180, 270)  # degrees clockwise
EIGHTHS = tuple(range(0, 360, 45))
Look = tuple[int, int]  # longer side in pixels of the picture given to the detector; degrees clockwise that faces lean
# A face larger than this in the detector's picture is looked at in half the size. Up to about 250 px it makes no
# difference; at 290 px the box is better in half the size, beyond 350 px faces are missed otherwise, and the box of a
# face that is larger than the picture shrinks to what is visible of it.
LARGE_PX = 220.0
# Up to this lean the detector is as certain as with upright faces. A face may lean up to 45 degrees from the nearest
# quarter turn, so eighth turns are needed as well.
REACH_DEG = 35.0
SURE = 0.6  # lowest score of a face that needs no second look
# Keyframes from one look all round to the next. Counting keyframes, not seconds, keeps its share of the cost the same
# for a time-lapse. ROUND applies while the most prominent face is well seen (about ten seconds at 1.25 keyframes a
# second). While it is not, RETRY applies at first, and doubles after each look that did not help.
ROUND = 12
RETRY = 2


def lean_of(roll_deg: float) -> int:
    """The best turn to look at a face, in whole degrees from 0 to 315: a quarter turn if one is near enough."""
    quarter = 90 * round(roll_deg / 90)
    turn = quarter if abs(roll_deg - quarter) <= REACH_DEG else 45 * round(roll_deg / 45)
    return turn % 360


def is_well_seen(faces: Faces, leans_deg: Collection[int]) -> bool:
    """Whether the most prominent face is seen well in one of the turns `leans_deg`; False without any face."""
    if not len(faces):
        return False
    main = int((sizes(faces.boxes) * faces.scores).argmax())
    face_roll = roll(faces.landmarks[main])
    off = min(abs((face_roll - lean + 180) % 360 - 180) for lean in leans_deg)
    return bool(faces.scores[main] >= SURE and off <= REACH_DEG)


def without_known(faces: Faces, known: Faces) -> Faces:
    """Those of `faces` that overlap none of the known ones.

    The known ones are not replaced by a better score: a look from the side can give a face that was well seen upright
    a higher score, and still a box that is a third smaller.
    """
    new = [overlaps(box, known.boxes).max(initial=0.0) <= MAX_OVERLAP for box in faces.boxes]
    return faces.where(np.array(new, bool))


def find_faces_any_way_up(detector: Detector, pictures: Sequence[Picture], longer_side_px: int) -> list[Faces]:
    """Find the faces in RGB pictures [H, W, 3] of different sizes, however they lean, in pixels of each picture.

    A picture whose most prominent face is not well seen upright is turned in all directions. If that does not help, the
    same is done at half the size: the detector misses faces that fill a picture. Last, the main face is looked at once
    more in the picture turned by its own lean, because landmarks are off by up to 20 degrees in a face that leans.
    """
    found = find_faces_in_stills(detector, pictures, longer_side_px)
    for size_px, leans_deg in ((longer_side_px, (0,)), (longer_side_px // 2, EIGHTHS)):
        doubtful = [n for n, faces in enumerate(found) if not is_well_seen(faces, leans_deg)]
        if not doubtful:
            break
        again = find_faces_in_stills(detector, [pictures[n] for n in doubtful], size_px, EIGHTHS)
        for n, faces in zip(doubtful, again, strict=True):
            found[n] = merge([found[n], faces], MAX_OVERLAP)
    return [
        _looked_at_upright(detector, picture, faces, longer_side_px)
        for picture, faces in zip(pictures, found, strict=True)
    ]


def _looked_at_upright(detector: Detector, picture: Picture, faces: Faces, longer_side_px: int) -> Faces:
    """The faces of a picture, the main one as it is found in the picture turned by its own lean."""
    main = main_face(faces, (picture.shape[1], picture.shape[0]))
    if main is None or abs(lean := round(roll(faces.landmarks[main]))) < LEANING_DEG:
        return faces
    (again,) = find_faces_in_stills(detector, [picture], longer_side_px, (lean,))
    near = overlaps(faces.boxes[main], again.boxes)
    if near.max(initial=0.0) <= MAX_OVERLAP:
        return faces
    boxes, landmarks = faces.boxes.copy(), faces.landmarks.copy()
    boxes[main], landmarks[main] = again.boxes[near.argmax()], again.landmarks[near.argmax()]
    return Faces(boxes, faces.scores, landmarks)


class FaceFinder:
    """Finds the faces in the keyframes of one video, in order, and remembers how to look at them.

    The result for a keyframe depends on it and on those before it, not on how many are processed together.
    """

    def __init__(self, detector: Detector, longer_side_px: int) -> None:
        self._detector = detector
        self._longer_side_px = longer_side_px
        self._looks = frozenset({(longer_side_px, 0)})
        self._since_round = ROUND  # keyframes
        self._retry = RETRY

    def find_in_keyframes(self, keyframes: Sequence[Frame]) -> list[tuple[Faces, frozenset[Look]]]:
        """Find the faces in the next keyframes, all of the same size, in displayed pixels.

        Returns:
            For each keyframe its faces, and how to look at faces from there on.
        """
        assumed = self._looks
        found = self.find(keyframes, assumed)
        return [
            self._settled(frame, faces if self._looks == assumed else self.find([frame], self._looks)[0])
            for frame, faces in zip(keyframes, found, strict=True)
        ]

    def find(
        self, frames: Sequence[Frame], looks: Collection[Look], near: Sequence[Faces] | None = None
    ) -> list[Faces]:
        """As `find_faces`, with this video's detector; an empty list without frames.

        A look at half the size is for large faces only: others are seen less well there, and empty rooms have more that
        looks like a face.
        """
        if not frames:
            return []
        found = []
        for longer_side_px, same_size in groupby(sorted(looks), itemgetter(0)):
            seen = find_faces(self._detector, frames, longer_side_px, [lean for _, lean in same_size], near)
            if longer_side_px < self._longer_side_px:
                seen = [self._large(faces, frames[0]) for faces in seen]
            found.append(seen)
        return [merge(faces, MAX_OVERLAP) for faces in zip(*found, strict=True)]

    def looks_at(self, frame: Frame, *several: Faces) -> frozenset[Look]:
        """The looks that are needed to see all of these faces well, in frames of this one's size."""
        return frozenset(
            (self._longer_side_px // (2 if large else 1), lean_of(roll(landmarks)))
            for faces in several
            for large, landmarks in zip(self._sizes_px(faces, frame) > LARGE_PX, faces.landmarks, strict=True)
        )

    def _sizes_px(self, faces: Faces, frame: Frame) -> Floats:
        """Sizes of faces in the picture of full size that is given to the detector."""
        return sizes(faces.boxes) * np.float32(self._longer_side_px / max(frame.size_px))

    def _large(self, faces: Faces, frame: Frame) -> Faces:
        """Those of `faces` that a look at half the size is for, with a margin for faces that are just large enough."""
        return faces.where(self._sizes_px(faces, frame) > LARGE_PX / 2)

    def _settled(self, frame: Frame, faces: Faces) -> tuple[Faces, frozenset[Look]]:
        """The faces of a keyframe, after a look all round if one is due, and how to look at faces from there on."""
        well_seen = is_well_seen(faces, {lean for _, lean in self._looks})
        self._since_round += 1
        if self._since_round >= (ROUND if well_seen else self._retry):
            all_round = {(self._longer_side_px, lean) for lean in (QUARTERS if well_seen else EIGHTHS)}
            if not well_seen:
                all_round |= {(self._longer_side_px // 2, lean) for lean in QUARTERS}
            if others := all_round - self._looks:
                (more,) = self.find([frame], others)
                faces = merge([faces, without_known(more, faces) if well_seen else more], MAX_OVERLAP)
            well_seen = is_well_seen(faces, EIGHTHS)
            self._since_round = 0
            self._retry = RETRY if well_seen else min(2 * self._retry, ROUND)
        if len(faces):
            self._looks = self.looks_at(frame, faces)
        return faces, self._looks
