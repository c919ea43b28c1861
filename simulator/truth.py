"""The truth about a ward: the document `truth.json` beside its date folders."""

import json
from dataclasses import asdict, dataclass
from datetime import date, datetime
from pathlib import Path
from typing import Any

from pmfer.facs import ACTION_UNITS
from pmfer.pain import SMILING, pain_activity
from simulator.patients import Course
from simulator.scene import Cover, View
from simulator.session import SessionKind

TRUTH_FILE = "truth.json"
FORMAT_VERSION = 2


@dataclass(frozen=True)
class PatientTruth:
    """How one patient changes."""

    patient_id: str
    course: Course
    change_on: date | None  # first day of the change; None if there is none


@dataclass(frozen=True)
class SessionTruth:
    """What one session shows."""

    session_id: str
    patient_id: str
    video: str  # relative to the ward's folder
    started_at: datetime
    kind: SessionKind
    consent: bool
    visitor: bool
    view: View  # where the camera looks from
    turn_deg: int  # how far the patient is turned clockwise in the picture, -180..180
    cover: Cover  # what covers the face
    asleep: bool  # the eyes are closed throughout
    frames: int  # drawn and encoded; fewer can be read if the video is cut short
    duration_s: float  # first to last frame
    mean_units: dict[str, float]  # mean intensity of each drawn action unit by column name, `au01` to `au43`, 0..1
    pain_activity: float  # mean over the frames of pmfer.pain.pain_activity, 0..1

    @property
    def shows_face(self) -> bool:
        """Whether the file is whole and shows a lit face that nothing hides, whichever way up."""
        return self.kind is SessionKind.CLEAR and not self.cover.hides


@dataclass(frozen=True)
class WardTruth:
    """The whole ward. `plan` is the plan it was made from, as in the document."""

    plan: dict[str, Any]
    patients: tuple[PatientTruth, ...]
    sessions: tuple[SessionTruth, ...]

    def of_patient(self, patient_id: str) -> tuple[SessionTruth, ...]:
        """One patient's sessions in chronological order."""
        return tuple(session for session in self.sessions if session.patient_id == patient_id)


def drawn_activity(units: dict[int, float], *, asleep: bool = False) -> float:
    """Pain-related facial activity of one frame, 0..1, from the intensities of its action units by number.

    A sleeper's closed eyes count as open.
    """
    if asleep:
        units = {**units, 43: 0.0}
    drawn = {unit.column: units.get(unit.number, 0.0) for unit in ACTION_UNITS}
    return float(pain_activity(drawn | {SMILING: 0.0}))


def write_truth(folder: Path, truth: WardTruth) -> None:
    """Write `truth.json` into the ward's folder, whole or not at all."""
    document = {"format_version": FORMAT_VERSION, **asdict(truth)}
    target = folder / TRUTH_FILE
    temporary = target.with_name(target.name + ".part")
    temporary.write_text(json.dumps(document, indent=1, default=_as_text) + "\n", encoding="utf-8")
    temporary.replace(target)


def read_truth(folder: Path) -> WardTruth:
    """Read a ward's `truth.json`.

    Raises:
        FileNotFoundError: the file does not exist.
        ValueError: it has another format version.
    """
    path = folder / TRUTH_FILE
    document = json.loads(path.read_text(encoding="utf-8"))
    if document.get("format_version") != FORMAT_VERSION:
        raise ValueError(f"{path}: format {document.get('format_version')}, not {FORMAT_VERSION}; write the ward again")
    return WardTruth(
        plan=document["plan"],
        patients=tuple(_read_patient(entry) for entry in document["patients"]),
        sessions=tuple(_read_session(entry) for entry in document["sessions"]),
    )


def _read_patient(entry: dict[str, Any]) -> PatientTruth:
    changed = entry["change_on"]
    return PatientTruth(entry["patient_id"], Course(entry["course"]), date.fromisoformat(changed) if changed else None)


def _read_session(entry: dict[str, Any]) -> SessionTruth:
    started, kind = datetime.fromisoformat(entry["started_at"]), SessionKind(entry["kind"])
    view, cover = View(entry["view"]), Cover(entry["cover"])
    return SessionTruth(**{**entry, "started_at": started, "kind": kind, "view": view, "cover": cover})


def _as_text(value: object) -> str:
    if isinstance(value, date):  # a datetime is one too
        return value.isoformat()
    raise TypeError(f"{value!r} cannot be written to {TRUTH_FILE}")
