"""Which way up to look for faces: people in bed lie on their side, and cameras hang from ceilings.

The detector was made for upright faces. It finds one that lies on its side in a part of the pictures only, and its
landmarks are then off by up to 50 degrees. So it looks at the picture turned as the faces of the last keyframe lean,
and now and then all round: for a face that leans in another way, as somebody does who turns over or comes in.
"""

from collections.abc import Collection, Sequence

from inference.detect import MAX_OVERLAP, Detector, find_faces, find_faces_in_stills
from inference.faces import Faces, Picture, merge, overlaps, roll, sizes
from inference.frame import Frame

QUARTERS = (0, 90, 180, 270)  # degrees clockwise
EIGHTHS = tuple(range(0, 360, 45))
# Within it, the detector is as sure as of upright faces. A quarter turn reaches faces up to 45 degrees from it.
REACH_DEG = 35.0
SURE = 0.6  # least certainty of a face that needs no second look
# Keyframes from one look all round to the next, so that its share of the cost is the same for a time-lapse: while the
# most prominent face is well seen (ten seconds at 1.25 keyframes a second), and at first while it is not; then twice as
# many after each look that was in vain.
ROUND = 12
RETRY = 2


def lean_of(roll_deg: float) -> int:
    """The turn, in whole degrees from 0 to 315, in which a face is best looked at: a quarter turn if one reaches it."""
    quarter = 90 * round(roll_deg / 90)
    turn = quarter if abs(roll_deg - quarter) <= REACH_DEG else 45 * round(roll_deg / 45)
    return turn % 360


def leans_of(*several: Faces) -> frozenset[int]:
    """The turns that all of these faces are best looked at in."""
    return frozenset(lean_of(roll(landmarks)) for faces in several for landmarks in faces.landmarks)


def is_well_seen(faces: Faces, leans_deg: Collection[int]) -> bool:
    """Whether the most prominent face needs no other look than those in `leans_deg`; False without any."""
    if not len(faces):
        return False
    first = int((sizes(faces.boxes) * faces.scores).argmax())
    own = roll(faces.landmarks[first])
    off = min(abs((own - lean + 180) % 360 - 180) for lean in leans_deg)
    return bool(faces.scores[first] >= SURE and off <= REACH_DEG)


def besides(faces: Faces, known: Faces) -> Faces:
    """Those of some faces that are none of the known ones.

    A look from the side can be surer of a face that was well seen upright, and still draw a box a third smaller.
    """
    other = [overlaps(box, known.boxes).max(initial=0.0) <= MAX_OVERLAP for box in faces.boxes]
    return Faces(faces.boxes[other], faces.scores[other], faces.landmarks[other])


def find_faces_any_way_up(detector: Detector, pictures: Sequence[Picture], longer_side_px: int) -> list[Faces]:
    """The faces of RGB pictures [H, W, 3] of different sizes, however they lean, in pixels of each."""
    found = find_faces_in_stills(detector, pictures, longer_side_px)
    doubtful = [n for n, faces in enumerate(found) if not is_well_seen(faces, [0])]
    if doubtful:
        again = find_faces_in_stills(detector, [pictures[n] for n in doubtful], longer_side_px, EIGHTHS)
        for n, faces in zip(doubtful, again, strict=True):
            found[n] = faces
    return found


class Lookout:
    """Looks at the keyframes of one video, in order, and remembers how their faces lean.

    What is found in a keyframe depends on it and on those before, not on how many are looked at together.
    """

    def __init__(self, detector: Detector, longer_side_px: int) -> None:
        self._detector = detector
        self._longer_side_px = longer_side_px
        self._leans: frozenset[int] = frozenset({0})
        self._since_round = ROUND  # keyframes
        self._retry = RETRY

    def look(self, keyframes: Sequence[Frame]) -> list[tuple[Faces, frozenset[int]]]:
        """The faces of the next keyframes, which have one size, in displayed pixels, and how faces lean after each."""
        assumed = self._leans
        found = self.find(keyframes, assumed)
        return [
            self._settled(frame, faces if self._leans == assumed else self.find([frame], self._leans)[0])
            for frame, faces in zip(keyframes, found, strict=True)
        ]

    def find(
        self, frames: Sequence[Frame], leans_deg: Collection[int], near: Sequence[Faces] | None = None
    ) -> list[Faces]:
        """The faces of frames of one size that lean in these ways, in displayed pixels; with `near`, around those."""
        return find_faces(self._detector, frames, self._longer_side_px, sorted(leans_deg), near) if frames else []

    def _settled(self, frame: Frame, faces: Faces) -> tuple[Faces, frozenset[int]]:
        """The faces of a keyframe after a look all round, if one is due, and how faces lean after it."""
        well_seen = is_well_seen(faces, self._leans)
        self._since_round += 1
        if self._since_round >= (ROUND if well_seen else self._retry):
            others = set(QUARTERS if well_seen else EIGHTHS) - self._leans
            if others:
                (more,) = self.find([frame], others)
                faces = merge([faces, besides(more, faces) if well_seen else more], MAX_OVERLAP)
            well_seen = is_well_seen(faces, EIGHTHS)
            self._since_round = 0
            self._retry = RETRY if well_seen else min(2 * self._retry, ROUND)
        if len(faces):
            self._leans = leans_of(faces)
        return faces, self._leans
