"""Record one session: what is planned for it, drawn frame by frame and written with its sidecar."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from simulator.appearance import Appearance, sample_appearance
from simulator.body import paint_room
from simulator.cover import blanket, hand
from simulator.face import Person
from simulator.pose import Pose
from simulator.script import Manner, Script, write_script
from simulator.sensor import Picture, Sensor
from simulator.video import write_video

_DARK_SHARE = 0.09  # of the display values that are left when the lamp is off
_LEFT_SHARE = 0.7  # of the pictures' bytes that are left of a file cut short


class SessionKind(StrEnum):
    """What a session's file holds. Where a file is damaged, the name is the reason a reader should find."""

    CLEAR = "clear"
    DARK = "dark"  # the lamp is off
    BLANKET = "blanket"  # the face is under a blanket
    HAND = "hand"  # a hand lies over the face
    EMPTY_ROOM = "empty_room"  # nobody is in view
    CUT_SHORT = "cut_short"  # the file ends early, but its index is there: the first part can be read
    TRUNCATED = "truncated"  # the file ends before its index: nothing can be read
    NOT_A_VIDEO = "not_a_video"  # text under a video's name
    EMPTY_FILE = "empty_file"  # zero bytes


@dataclass(frozen=True)
class SessionPlan:
    """One session before it is recorded."""

    session_id: str
    patient_id: str
    started_at: datetime  # with time zone
    kind: SessionKind
    consent: bool
    visitor: bool  # a second, smaller face at the side
    manner: Manner
    seed: int

    @property
    def folder(self) -> str:
        """Name of the date folder."""
        return self.started_at.date().isoformat()


@dataclass(frozen=True)
class Film:
    """Length and raster of every session."""

    seconds: float
    frames_per_second: Fraction
    size: tuple[int, int]  # width and height, px, even

    @property
    def times_s(self) -> list[float]:
        """Time of every frame after the start."""
        return [float(k / self.frames_per_second) for k in range(round(self.seconds * self.frames_per_second))]


class Bedside:
    """One patient's bed and the camera before it; what never changes there is painted once."""

    def __init__(self, appearance: Appearance, pose: Pose, film: Film) -> None:
        self._film, self._pose, self._appearance = film, pose, appearance
        self._room = paint_room(appearance, pose, film.size)
        self._person = Person(appearance, film.size, pose)
        self._sensor = Sensor(appearance.camera, film.size, np.random.default_rng([appearance.seed, 10]))

    def record(self, plan: SessionPlan, folder: Path) -> None:
        """Write the session's video and, once that is complete, its sidecar into `folder`."""
        video = folder / f"{plan.session_id}.mp4"
        if plan.kind is SessionKind.EMPTY_FILE:
            video.touch()
        elif plan.kind is SessionKind.NOT_A_VIDEO:
            video.write_text(f"{plan.session_id}: the camera was offline\n", encoding="utf-8")
        else:
            index_first = plan.kind is not SessionKind.TRUNCATED
            write_video(video, self._frames(plan), self._film.frames_per_second, index_first=index_first)
        if plan.kind in (SessionKind.CUT_SHORT, SessionKind.TRUNCATED):
            _drop_end(video)
        sidecar = _write_sidecar(plan, folder)
        # Files are as old as the session, as on a real recorder: the night leaves fresh ones for the next time.
        ended_s = plan.started_at.timestamp() + self._film.seconds
        for path in (video, sidecar):
            os.utime(path, (ended_s, ended_s))

    def _frames(self, plan: SessionPlan) -> Iterator[Picture]:
        rng = np.random.default_rng([plan.seed, 1])
        script = session_script(plan, self._film, self._pose)
        scene = self._room.copy()
        visitor = _Visitor(plan, self._film, self._pose) if plan.visitor else None
        if visitor:
            visitor.person.draw_body(scene)
        present = plan.kind is not SessionKind.EMPTY_ROOM
        if present:
            self._person.draw_body(scene)
        cover = self._cover(plan.kind)
        for time_s in self._film.times_s:
            frame = scene.copy()
            if visitor:
                visitor.draw(frame, time_s)
            if present:
                self._person.draw_head(frame, script.units(time_s), script.pose_at(time_s))
            if cover:
                frame.paste(cover, (0, 0), cover)
            if plan.kind is SessionKind.DARK:
                frame = frame.point([round(value * _DARK_SHARE) for value in range(256)] * 3)
            yield self._sensor.expose(frame, rng)

    def _cover(self, kind: SessionKind) -> Image.Image | None:
        paint = {SessionKind.BLANKET: blanket, SessionKind.HAND: hand}.get(kind)
        return paint(self._appearance, self._pose, self._film.size) if paint else None


def session_script(plan: SessionPlan, film: Film, pose: Pose) -> Script:
    """What the patient does in the session, around `pose`."""
    return write_script(np.random.default_rng([plan.seed, 0]), plan.manner, film.seconds, pose)


class _Visitor:
    """Somebody who stands behind and beside the bed."""

    def __init__(self, plan: SessionPlan, film: Film, patient: Pose) -> None:
        rng = np.random.default_rng([plan.seed, 2])
        side = 0.86 if patient.x <= 0.5 else 0.14
        pose = Pose(yaw_deg=float(rng.uniform(-8, 8)), x=side, y=0.30, size=0.27)
        self.person = Person(sample_appearance(plan.seed), film.size, pose)
        self._script = write_script(rng, Manner(), film.seconds, pose)

    def draw(self, picture: Image.Image, time_s: float) -> None:
        self.person.draw_head(picture, self._script.units(time_s), self._script.pose_at(time_s))


def _drop_end(video: Path) -> None:
    """Drop the last pictures and what follows them, as when a camera loses its network."""
    content = video.read_bytes()
    start = content.index(b"mdat")
    video.write_bytes(content[: start + int((len(content) - start) * _LEFT_SHARE)])


def _write_sidecar(plan: SessionPlan, folder: Path) -> Path:
    sidecar = folder / f"{plan.session_id}.json"
    document = {
        "session_id": plan.session_id,
        "patient_id": plan.patient_id,
        "started_at": plan.started_at.isoformat(),
        "consent": plan.consent,
    }
    temporary = sidecar.with_name(sidecar.name + ".part")
    temporary.write_text(json.dumps(document, indent=2) + "\n", encoding="utf-8")
    return temporary.replace(sidecar)
