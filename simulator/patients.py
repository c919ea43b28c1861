"""Six patients whose course over the weeks is known."""

from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from simulator.fields import smoothstep
from simulator.pose import Pose
from simulator.scene import SITTING_UP, Cover, Scene, View
from simulator.script import Manner
from simulator.session import SessionKind

ONSET_DAYS = 4  # days until a change has reached its full size


class Course(StrEnum):
    """How a patient changes over the weeks."""

    STABLE = "stable"
    PAIN = "pain"  # pain-related action units rise from some day on
    FLATTENING = "flattening"  # the face moves less from some day on
    DIFFICULT = "difficult"  # stable, but most of the sessions are dark, covered, empty or damaged
    BEDRIDDEN = "bedridden"  # stable, but in bed in every session: on the back, on a side, with a mask, asleep


@dataclass(frozen=True)
class Patient:
    """One patient, by pseudonym."""

    patient_id: str
    course: Course
    age: float  # years
    female: bool
    face_seed: int  # added to the ward's seed
    visited_every: int = 0  # a visitor is there in the last session of every n-th day; 0: never
    absent_day: float | None = None  # share of the plan's days after which one day has no session
    refusal_day: float | None = None  # share of the plan's days after which one session lacks consent

    def manner(self, day: int, session: int, change_day: int, rng: np.random.Generator) -> Manner:
        """How the patient behaves in a session; a change begins on `change_day`.

        Days, and sessions over all days, are counted from 0.
        """
        progress = float(smoothstep(-0.5, ONSET_DAYS - 0.5, day - change_day))
        vary = float(rng.uniform(0.9, 1.1))
        usual = Manner(smiling=0.30 * vary, interest=0.12 / vary, talking=0.18 * float(rng.uniform(0.8, 1.2)))
        if self.course is Course.PAIN:
            return Manner(
                smiling=(0.26 - 0.20 * progress) * vary,
                interest=0.10,
                talking=0.15 - 0.08 * progress,
                grimacing=(0.06 + 0.42 * progress) * vary,
                grimace=0.35 + 0.6 * progress,
                tension=0.45 * progress,
                unrest_deg=5.0 + 3.0 * progress,
            )
        if self.course is Course.FLATTENING:
            return Manner(
                smiling=(0.34 - 0.22 * progress) * vary,
                interest=0.14 - 0.10 * progress,
                talking=0.20 - 0.14 * progress,
                grimacing=0.05 * (1 - progress),
                expressivity=0.85 - 0.65 * progress,
                unrest_deg=5.0 - 3.0 * progress,
                blinks_per_minute=14.0 - 7.0 * progress,
            )
        if self.course is Course.BEDRIDDEN:
            return _LYING[session % len(_LYING)][1] or usual
        return usual

    def kind(self, session: int) -> SessionKind:
        """What the file of a session contains; sessions are counted from 0 over all days."""
        return _KINDS[session % len(_KINDS)] if self.course is Course.DIFFICULT else SessionKind.CLEAR

    def scene(self, session: int) -> Scene:
        """How the patient lies in a session; sessions are counted from 0 over all days."""
        return _LYING[session % len(_LYING)][0] if self.course is Course.BEDRIDDEN else SITTING_UP


_KINDS = (  # of the sessions of a difficult patient, in turn
    SessionKind.CLEAR,
    SessionKind.DARK,
    SessionKind.BLANKET,
    SessionKind.CLEAR,
    SessionKind.EMPTY_ROOM,
    SessionKind.TRUNCATED,
    SessionKind.CLEAR,
    SessionKind.HAND,
    SessionKind.NOT_A_VIDEO,
    SessionKind.CLEAR,
    SessionKind.EMPTY_FILE,
    SessionKind.CUT_SHORT,
)

_ASLEEP = Manner(unrest_deg=0.5, asleep=True)
_SLIGHT_SMILES = Manner(smiling=0.0, interest=0.05, talking=0.05, slight_smiling=0.45)
_TIGHT_LIPS = Manner(smiling=0.10, interest=0.05, talking=0.05, tight_lips=0.5)

_LYING: tuple[tuple[Scene, Manner | None], ...] = (  # None: the usual manner
    (Scene(View.SIDE, 90), None),
    (Scene(View.FOOT), None),
    (Scene(View.ABOVE, 180), None),
    (Scene(View.ABOVE, 0, Cover.OXYGEN_MASK), None),
    (Scene(View.ABOVE, -90), None),
    (Scene(View.SIDE, -90), _ASLEEP),
    (Scene(View.ABOVE, 45), None),
    (Scene(View.SIDE, 90), _SLIGHT_SMILES),
    (Scene(View.FOOT, 0, Cover.NASAL_TUBE), None),
    (Scene(View.ABOVE, 0), _TIGHT_LIPS),
    (Scene(View.SIDE, -90, Cover.NASAL_TUBE), None),
    (Scene(View.ABOVE, 180), _ASLEEP),
)

PATIENTS: tuple[Patient, ...] = (
    Patient("birch-01", Course.STABLE, age=78, female=True, face_seed=32, visited_every=6, absent_day=0.4),
    Patient("cedar-02", Course.STABLE, age=69, female=False, face_seed=1, refusal_day=0.25),
    Patient("maple-03", Course.PAIN, age=83, female=True, face_seed=4),
    Patient("willow-04", Course.FLATTENING, age=74, female=False, face_seed=26),
    Patient("hazel-05", Course.DIFFICULT, age=88, female=False, face_seed=33),
    Patient("aspen-06", Course.BEDRIDDEN, age=81, female=True, face_seed=18),
)


def bedside_pose(rng: np.random.Generator) -> Pose:
    """Where a patient's head rests in front of the camera at their bed."""
    return Pose(
        yaw_deg=float(rng.uniform(-8, 8)),
        pitch_deg=float(rng.uniform(-5, 5)),
        roll_deg=float(rng.uniform(-5, 5)),
        x=float(rng.uniform(0.44, 0.56)),
        y=float(rng.uniform(0.40, 0.45)),
        size=float(rng.uniform(0.46, 0.56)),
    )
