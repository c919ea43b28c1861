"""A ward of synthetic patients over some weeks, written as a source folder with the truth beside it.

The folder has one sub-folder per day, with `SESSION.mp4` and `SESSION.json`, and `truth.json` above them.
"""

import json
import multiprocessing
from collections.abc import Callable, Iterator
from concurrent.futures import ProcessPoolExecutor, as_completed
from dataclasses import asdict, dataclass, replace
from datetime import date, datetime, time, timedelta
from fractions import Fraction
from pathlib import Path
from typing import Any
from zoneinfo import ZoneInfo

import numpy as np

from pmfer.facs import AU_BY_NUMBER
from simulator.appearance import Appearance, Camera, Light, sample_appearance
from simulator.patients import PATIENTS, Course, Patient, bedside_pose
from simulator.pose import Pose
from simulator.script import mean_units
from simulator.session import Bedside, Film, SessionKind, SessionPlan, session_film, session_script
from simulator.truth import TRUTH_FILE, PatientTruth, SessionTruth, WardTruth, drawn_activity, read_truth, write_truth

_BATCH = 6  # sessions of one patient that a worker records together, so that beds are rarely painted twice


@dataclass(frozen=True)
class WardPlan:
    """What to write; the same plan always gives the same pictures and the same truth."""

    first_day: date
    days: int = 21
    seed: int = 1
    sessions_per_day: int = 2
    seconds_per_session: float = 8.0
    frames_per_second: float = 10.0
    size: tuple[int, int] = (480, 360)  # width and height, px, even
    change_share: float = 0.62  # share of the days after which pain rises and the face flattens
    time_zone: str = "Europe/Berlin"  # of the ward's clock
    patients: tuple[str, ...] = tuple(patient.patient_id for patient in PATIENTS)  # by default the whole ward

    def __post_init__(self) -> None:
        if self.days < 1 or not 1 <= self.sessions_per_day <= 12:
            raise ValueError(
                f"ward of {self.days} days, {self.sessions_per_day} sessions a day: at least 1 day, 1 to 12"
            )
        if self.seconds_per_session * self.frames_per_second < 1:
            raise ValueError("sessions without a frame: raise seconds_per_session or frames_per_second")
        if any(side < 64 or side % 2 for side in self.size):
            raise ValueError(f"size {self.size}: H.264 needs even sides, and a face at least 64 px")
        unknown = sorted(set(self.patients) - {patient.patient_id for patient in PATIENTS})
        if unknown:
            raise ValueError(f"patients {', '.join(unknown)}: not on the simulated ward; see simulator/patients.py")

    @property
    def film(self) -> Film:
        """Length, frame rate and size of every session's video."""
        rate = Fraction(self.frames_per_second).limit_denominator(1001)
        return Film(self.seconds_per_session, rate, self.size)

    @property
    def change_day(self) -> int:
        """The first day of the changes, counted from 0."""
        return round(self.days * self.change_share)

    def as_dict(self) -> dict[str, Any]:
        """The plan as it is written in `truth.json`."""
        document: dict[str, Any] = json.loads(json.dumps(asdict(self), default=str))
        return document


@dataclass(frozen=True)
class _Bed:
    """Everything needed to set up one patient's bedside in a worker."""

    appearance: Appearance
    pose: Pose


def write_ward(
    folder: Path, plan: WardPlan, workers: int = 2, on_progress: Callable[[int, int], None] | None = None
) -> WardTruth:
    """Write those sessions of a ward that are not there yet, then `truth.json`.

    Args:
        folder: The source folder; created if absent.
        plan: What to write.
        workers: Number of processes; with 1, everything is done in this process.
        on_progress: Called after each batch with the number of sessions done so far and the total.

    Returns:
        The truth, as `read_truth(folder)` gives it.

    Raises:
        ValueError: the folder contains a ward with another plan.
    """
    if (folder / TRUTH_FILE).is_file() and read_truth(folder).plan != plan.as_dict():
        raise ValueError(f"{folder} contains a ward with another plan; name another folder or delete this one")
    present = [patient for patient in PATIENTS if patient.patient_id in plan.patients]
    sessions = {patient: _patient_sessions(plan, patient) for patient in present}
    batches = [
        (_bed(plan, patient), plan.film, batch, folder)
        for patient, planned in sessions.items()
        for batch in _batches([session for session in planned if not _is_written(folder, session)])
    ]
    _record(batches, workers, on_progress or (lambda done, total: None))
    if not (folder / TRUTH_FILE).is_file():
        write_truth(folder, _truth(plan, sessions))
    return read_truth(folder)


def _record(
    batches: list[tuple[_Bed, Film, list[SessionPlan], Path]], workers: int, on_progress: Callable[[int, int], None]
) -> None:
    total, done = sum(len(batch[2]) for batch in batches), 0
    if workers <= 1 or len(batches) <= 1:
        for batch in batches:
            done += _record_batch(*batch)
            on_progress(done, total)
        return
    # Fresh interpreters, because a forked child would inherit locks held by the caller's other threads.
    with ProcessPoolExecutor(workers, mp_context=multiprocessing.get_context("spawn")) as pool:
        for finished in as_completed([pool.submit(_record_batch, *batch) for batch in batches]):
            done += finished.result()
            on_progress(done, total)


def _record_batch(bed: _Bed, film: Film, sessions: list[SessionPlan], folder: Path) -> int:
    bedside = Bedside(bed.appearance, bed.pose, film)
    for session in sessions:
        day = folder / session.folder
        day.mkdir(parents=True, exist_ok=True)
        bedside.record(session, day)
    return len(sessions)


def _batches(sessions: list[SessionPlan]) -> Iterator[list[SessionPlan]]:
    return (sessions[first : first + _BATCH] for first in range(0, len(sessions), _BATCH))


def _is_written(folder: Path, session: SessionPlan) -> bool:
    """The sidecar is written last, so if it is there, so is the video."""
    return (folder / session.folder / f"{session.session_id}.json").is_file()


def _bed(plan: WardPlan, patient: Patient) -> _Bed:
    seed = plan.seed * 1000 + patient.face_seed
    rng = np.random.default_rng([seed, 0])
    look = sample_appearance(seed, age=patient.age, female=patient.female)
    light = Light(float(rng.uniform(-35, 35)), float(rng.uniform(25, 45)), float(rng.uniform(0.45, 0.6)))
    camera = Camera(exposure=1.15, blur_px=0.0, noise=1.3)
    return _Bed(replace(look, light=light, camera=camera), bedside_pose(rng))


def _patient_sessions(plan: WardPlan, patient: Patient) -> list[SessionPlan]:
    rng = np.random.default_rng([plan.seed, patient.face_seed, 1])
    absent, refused = (
        None if share is None else int(share * plan.days) for share in (patient.absent_day, patient.refusal_day)
    )
    zone = ZoneInfo(plan.time_zone)
    sessions = []
    for day in range(plan.days):
        for k in range(plan.sessions_per_day):
            number = day * plan.sessions_per_day + k
            local = plan.first_day + timedelta(days=day)
            clock = time(hour=8 + 12 * k // plan.sessions_per_day, minute=int(rng.integers(60)))
            session = SessionPlan(
                session_id=f"{patient.patient_id}-{local.isoformat()}-{k + 1}",
                patient_id=patient.patient_id,
                started_at=datetime.combine(local, clock, zone),
                kind=patient.kind(number),
                consent=not (day == refused and k == 0),
                visitor=k == plan.sessions_per_day - 1
                and patient.visited_every > 0
                and (day + 1) % patient.visited_every == 0,
                manner=patient.manner(day, number, plan.change_day, rng),
                seed=int(rng.integers(2**31)),
                scene=patient.scene(number),
            )
            if day != absent or plan.days == 1:
                sessions.append(session)
    return sessions


def _truth(plan: WardPlan, sessions: dict[Patient, list[SessionPlan]]) -> WardTruth:
    changed_on = plan.first_day + timedelta(days=plan.change_day)
    patients = tuple(
        PatientTruth(p.patient_id, p.course, changed_on if p.course in (Course.PAIN, Course.FLATTENING) else None)
        for p in sessions
    )
    found = (
        _session_truth(plan, _bed(plan, patient), session)
        for patient, planned in sessions.items()
        for session in planned
    )
    return WardTruth(plan.as_dict(), patients, tuple(found))


def _session_truth(plan: WardPlan, bed: _Bed, session: SessionPlan) -> SessionTruth:
    film = session_film(session, plan.film)
    times = [] if session.kind in (SessionKind.NOT_A_VIDEO, SessionKind.EMPTY_FILE) else film.times_s
    script = session_script(session, film, bed.pose)
    present = session.kind is not SessionKind.EMPTY_ROOM and times
    means = mean_units(script, times) if present else dict.fromkeys(AU_BY_NUMBER, 0.0)
    activity = [drawn_activity(script.units(time), asleep=session.manner.asleep) for time in times]
    return SessionTruth(
        session_id=session.session_id,
        patient_id=session.patient_id,
        video=f"{session.folder}/{session.session_id}.mp4",
        started_at=session.started_at,
        kind=session.kind,
        consent=session.consent,
        visitor=session.visitor,
        view=session.scene.view,
        turn_deg=session.scene.turn_deg,
        cover=session.cover,
        asleep=session.manner.asleep,
        frames=len(times),
        duration_s=times[-1] if times else 0.0,
        mean_units={AU_BY_NUMBER[number].column: round(mean, 4) for number, mean in means.items()},
        pain_activity=round(float(np.mean(activity)), 4) if present else 0.0,
    )
