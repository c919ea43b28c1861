"""Record one planned session: draw it frame by frame and write the video with its sidecar."""

import json
import os
from collections.abc import Iterator
from dataclasses import dataclass, replace
from datetime import datetime
from enum import StrEnum
from fractions import Fraction
from pathlib import Path

import numpy as np
from PIL import Image

from pmfer.pain import ASLEEP_S
from simulator.appearance import Appearance, sample_appearance
from simulator.camera import Picture, Sensor, write_video
from simulator.covers import blanket, hand
from simulator.face import Person
from simulator.pose import Pose
from simulator.scene import SITTING_UP, Cover, Scene, View
from simulator.script import Manner, Script, write_script
from simulator.surroundings import paint_bed, paint_blanket, paint_room

_DARK_SHARE = 0.09  # share of the display values that is left when the lamp is off
_LEFT_SHARE = 0.7  # share of the pictures' bytes that is left of a damaged file
_SLEEP_S = ASLEEP_S + 2.0  # shortest session of somebody asleep


class SessionKind(StrEnum):
    """What a session's file contains. For a file that cannot be read, the name is the reason that PMFER should give."""

    CLEAR = "clear"
    DARK = "dark"  # the lamp is off
    BLANKET = "blanket"  # the face is under a blanket
    HAND = "hand"  # a hand covers the face
    EMPTY_ROOM = "empty_room"  # nobody is in view
    CUT_SHORT = "cut_short"  # the file ends early, but its index is there: the first part can be read
    TRUNCATED = "truncated"  # the file ends before its index: nothing can be read
    NOT_A_VIDEO = "not_a_video"  # text under a video's name
    EMPTY_FILE = "empty_file"  # zero bytes


_COVERS = {SessionKind.BLANKET: Cover.BLANKET, SessionKind.HAND: Cover.HAND}


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
    scene: Scene = SITTING_UP

    @property
    def cover(self) -> Cover:
        """What covers the face."""
        return _COVERS.get(self.kind, self.scene.cover)

    @property
    def folder(self) -> str:
        """Name of the date folder."""
        return self.started_at.date().isoformat()


@dataclass(frozen=True)
class Film:
    """Length, frame rate and size of every session's video."""

    seconds: float
    frames_per_second: Fraction
    size: tuple[int, int]  # width and height, px, even

    @property
    def times_s(self) -> list[float]:
        """Time of every frame after the start."""
        return [float(k / self.frames_per_second) for k in range(round(self.seconds * self.frames_per_second))]


class _Stage:
    """A patient's bed in one scene; what never changes in it is painted once."""

    def __init__(self, appearance: Appearance, pose: Pose, size: tuple[int, int], scene: Scene) -> None:
        look = replace(appearance, light=scene.light_of(appearance.light))
        self._look, self._size, self._pose = look, scene.canvas_size(size), scene.pose_of(pose, size)
        self._blanket: Image.Image | None = None
        if scene.view is View.FRONT:
            self.room = paint_room(look, self._pose, self._size)
        else:
            self.room = paint_bed(look, scene, self._pose, self._size)
            self._blanket = paint_blanket(look, scene, self._pose, self._size)
        self.person = Person(look, self._size, self._pose, scene.cover)

    def draw_body(self, picture: Image.Image) -> None:
        """Draw the parts of the patient that stay still, and what covers them, into `picture` (RGB), in place."""
        self.person.draw_body(picture)
        if self._blanket:
            picture.paste(self._blanket, (0, 0), self._blanket)
        self.person.draw_hose(picture)

    def visitor(self, plan: SessionPlan, film: Film) -> "_Visitor":
        """Somebody who stands behind and beside the bed."""
        return _Visitor(plan, film, self._size, self._pose)

    def laid_over(self, cover: Cover) -> Image.Image | None:
        """A blanket or hand over the face, RGBA; None for other covers, which move with the head."""
        paint = {Cover.BLANKET: blanket, Cover.HAND: hand}.get(cover)
        return paint(self._look, self._pose, self._size) if paint else None


class Bedside:
    """One patient's bed and the camera in front of it."""

    def __init__(self, appearance: Appearance, pose: Pose, film: Film) -> None:
        self._film, self._pose, self._appearance = film, pose, appearance
        self._stages: dict[Scene, _Stage] = {}
        self._sensor = Sensor(appearance.camera, film.size, np.random.default_rng([appearance.seed, 10]))

    def record(self, plan: SessionPlan, folder: Path) -> None:
        """Write the session's video and, once that is complete, its sidecar into `folder`."""
        video, film = folder / f"{plan.session_id}.mp4", session_film(plan, self._film)
        if plan.kind is SessionKind.EMPTY_FILE:
            video.touch()
        elif plan.kind is SessionKind.NOT_A_VIDEO:
            video.write_text(f"{plan.session_id}: the camera was offline\n", encoding="utf-8")
        else:
            index_first = plan.kind is not SessionKind.TRUNCATED
            write_video(video, self._frames(plan, film), film.frames_per_second, index_first=index_first)
        if plan.kind in (SessionKind.CUT_SHORT, SessionKind.TRUNCATED):
            _drop_end(video)
        sidecar = _write_sidecar(plan, folder)
        # Files are as old as the session, as on a real recorder, because a night does not read fresh files.
        ended_s = plan.started_at.timestamp() + film.seconds
        for path in (video, sidecar):
            os.utime(path, (ended_s, ended_s))

    def _frames(self, plan: SessionPlan, film: Film) -> Iterator[Picture]:
        rng = np.random.default_rng([plan.seed, 1])
        script = session_script(plan, film, self._pose)
        stage = self._stage(plan.scene)
        still = stage.room.copy()
        visitor = stage.visitor(plan, film) if plan.visitor else None
        if visitor:
            visitor.person.draw_body(still)
        present = plan.kind is not SessionKind.EMPTY_ROOM
        if present:
            stage.draw_body(still)
        cover = stage.laid_over(plan.cover)
        for time_s in film.times_s:
            frame = still.copy()
            if visitor:
                visitor.draw(frame, time_s)
            if present:
                stage.person.draw_head(frame, script.units(time_s), script.pose_at(time_s))
            if cover:
                frame.paste(cover, (0, 0), cover)
            if plan.kind is SessionKind.DARK:
                frame = frame.point([round(value * _DARK_SHARE) for value in range(256)] * 3)
            yield self._sensor.expose(plan.scene.turned(frame, film.size), rng)

    def _stage(self, scene: Scene) -> _Stage:
        if scene not in self._stages:
            self._stages[scene] = _Stage(self._appearance, self._pose, self._film.size, scene)
        return self._stages[scene]


def session_film(plan: SessionPlan, film: Film) -> Film:
    """The session's own film: like `film`, but long enough for a sleeper not to be mistaken for a long blink."""
    return replace(film, seconds=max(film.seconds, _SLEEP_S)) if plan.manner.asleep else film


def session_script(plan: SessionPlan, film: Film, pose: Pose) -> Script:
    """What the patient does in the session; `pose` is where the head rests when the patient sits up."""
    at = plan.scene.pose_of(pose, film.size)
    return write_script(np.random.default_rng([plan.seed, 0]), plan.manner, film.seconds, at)


class _Visitor:
    """Somebody who stands behind and beside the bed."""

    def __init__(self, plan: SessionPlan, film: Film, size: tuple[int, int], patient: Pose) -> None:
        rng = np.random.default_rng([plan.seed, 2])
        side = 0.86 if patient.x <= 0.5 else 0.14
        pose = Pose(yaw_deg=float(rng.uniform(-8, 8)), x=side, y=0.30, size=0.27)
        self.person = Person(sample_appearance(plan.seed), size, pose)
        self._script = write_script(rng, Manner(), film.seconds, pose)

    def draw(self, picture: Image.Image, time_s: float) -> None:
        self.person.draw_head(picture, self._script.units(time_s), self._script.pose_at(time_s))


def _drop_end(video: Path) -> None:
    """Drop the last pictures and everything after them, as if the camera had lost its network."""
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
