"""Videos of drawn patients to measure with: a clear view of one face, 640 x 360 at 24 frames a second."""

from datetime import UTC, datetime
from fractions import Fraction
from pathlib import Path

import numpy as np

from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face
from simulator.patients import bedside_pose
from simulator.script import Manner
from simulator.session import Bedside, Film, SessionKind, SessionPlan

STARTED_AT = datetime(2026, 3, 2, 9, tzinfo=UTC)


def simulated_video(seed: int, seconds: float, folder: Path) -> Path:
    """The video of one patient, drawn if it is not in the folder yet, which takes about a third of its length."""
    name = f"simulated-{seed}-{seconds:g}s"
    video = folder / f"{name}.mp4"
    if not video.is_file():
        print(f"drawing {video}")
        film = Film(seconds, Fraction(24), (640, 360))
        plan = SessionPlan(name, "birch-01", STARTED_AT, SessionKind.CLEAR, True, False, Manner(), seed)
        Bedside(sample_appearance(seed), bedside_pose(np.random.default_rng(seed)), film).record(plan, folder)
    return video


def tiny_video(folder: Path) -> Path:
    """A video of two frames, drawn once; so short that only the time to start and end counts."""
    video = folder / "tiny.mp4"
    if not video.is_file():
        write_video(video, [draw_face(sample_appearance(32), {}, size=(640, 360))] * 2, Fraction(24))
    return video.absolute()
