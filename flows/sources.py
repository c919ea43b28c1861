"""The source folder: which sessions a night holds, and what is wrong with the others. Layout: docs/source.md.

SOURCE/YYYY-MM-DD/NAME.mp4     a recording
SOURCE/YYYY-MM-DD/NAME.json    its sidecar
SOURCE/YYYY-MM-DD/manifest.csv instead of sidecars, a line per recording
"""

import csv
import json
import re
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path
from typing import Annotated, Any

from pydantic import AwareDatetime, BaseModel, ConfigDict, StringConstraints, ValidationError

from pmfer.errors import ConfigurationError, QuarantineReason, SessionError

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts"})
MANIFEST = "manifest.csv"
MAX_SIDECAR_BYTES = 64 * 1024  # a sidecar is a few hundred bytes; whatever is larger is something else
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")

# No separators, no leading dot: an id becomes a file's name.
Identifier = Annotated[str, StringConstraints(pattern=r"^[A-Za-z0-9][A-Za-z0-9._-]{0,63}$")]


class Sidecar(BaseModel):
    """What the recorder states about a session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: Identifier
    patient_id: Identifier  # a pseudonym
    started_at: AwareDatetime  # ISO 8601 with offset; its day is the day in the patient's place
    consent: bool


@dataclass(frozen=True)
class Recording:
    """A video with a valid sidecar."""

    video: Path
    source_uri: str  # relative to the source
    sidecar: Sidecar


@dataclass(frozen=True)
class Rejection:
    """A session that cannot be scored, and why."""

    source_uri: str
    reason: QuarantineReason
    message: str
    content_sha256: str | None = None
    session_id: str | None = None
    patient_id: str | None = None


@dataclass(frozen=True)
class NightListing:
    """What lies in the source for one night."""

    night: date
    recordings: tuple[Recording, ...]
    rejections: tuple[Rejection, ...]

    @property
    def found(self) -> int:
        """Sessions found, good and bad."""
        return len(self.recordings) + len(self.rejections)


def list_nights(source: Path) -> list[date]:
    """Nights that the source holds, in order.

    Raises:
        ConfigurationError: the source is missing, no folder, unreadable, or holds no folder named after a date.
    """
    try:
        names = [entry.name for entry in source.iterdir() if entry.is_dir() and _NIGHT.fullmatch(entry.name)]
    except OSError as error:
        raise ConfigurationError(
            f"source {source}: {_plain(error)}; give the folder that holds one folder per day with --source"
        ) from None
    nights = sorted(night for name in names if (night := _as_date(name)) is not None)
    if not nights:
        raise ConfigurationError(f"source {source}: holds no folder named YYYY-MM-DD; see docs/source.md")
    return nights


def list_night(source: Path, night: date) -> NightListing:
    """Recordings and rejections of one night, by name. A night without a folder is an empty listing.

    Raises:
        ConfigurationError: the source or the night's folder cannot be read.
    """
    list_nights(source)
    folder = source / night.isoformat()
    if not folder.is_dir():
        return NightListing(night, (), ())
    try:
        names = sorted(entry.name for entry in folder.iterdir() if entry.is_file())
    except OSError as error:
        raise ConfigurationError(f"source {folder}: {_plain(error)}; make it readable") from None
    entries = _from_manifest(folder) if MANIFEST in names else _from_sidecars(folder, names)
    recordings: list[Recording] = []
    rejections: list[Rejection] = []
    for name, raw in entries:
        outcome = _examine(source, folder, name, raw)
        (recordings if isinstance(outcome, Recording) else rejections).append(outcome)  # type: ignore[arg-type]
    return NightListing(night, tuple(recordings), tuple(rejections))


def _from_sidecars(folder: Path, names: list[str]) -> Iterator[tuple[str, dict[str, Any] | SessionError]]:
    """Each video's name with what its sidecar says, and each sidecar that lacks its video."""
    videos = {Path(name).stem: name for name in names if Path(name).suffix.lower() in VIDEO_SUFFIXES}
    sidecars = {Path(name).stem: name for name in names if Path(name).suffix.lower() == ".json"}
    for name in names:
        stem, suffix = Path(name).stem, Path(name).suffix.lower()
        if suffix in VIDEO_SUFFIXES:
            yield (
                name,
                _read_sidecar(folder / sidecars[stem])
                if stem in sidecars
                else SessionError(
                    QuarantineReason.SIDECAR_MISSING, f"{name}: no sidecar {stem}.json beside it; see docs/source.md"
                ),
            )
        elif suffix == ".json" and stem not in videos:
            yield name, SessionError(QuarantineReason.VIDEO_MISSING, f"{name}: no video of that name beside it")


def _read_sidecar(path: Path) -> dict[str, Any] | SessionError:
    try:
        if path.stat().st_size > MAX_SIDECAR_BYTES:
            raise ValueError(f"larger than {MAX_SIDECAR_BYTES} bytes")
        content = json.loads(path.read_text(encoding="utf-8"))
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except (OSError, ValueError, RecursionError) as error:
        return SessionError(QuarantineReason.SIDECAR_INVALID, f"{path.name}: not a readable sidecar ({_plain(error)})")
    return content


def _from_manifest(folder: Path) -> Iterator[tuple[str, dict[str, Any] | SessionError]]:
    """Each line of the manifest. `consent` is written true or false."""
    try:
        with (folder / MANIFEST).open(encoding="utf-8-sig", newline="") as stream:
            lines = list(csv.DictReader(stream, strict=True))
    except (OSError, ValueError, csv.Error) as error:
        yield MANIFEST, SessionError(QuarantineReason.SIDECAR_INVALID, f"{MANIFEST}: {_plain(error)}")
        return
    listed = set()
    for line in lines:
        row: dict[str, Any] = {key: value for key, value in line.items() if key is not None}
        name = row.pop("file", None) or ""
        listed.add(name)
        if not name or Path(name).name != name:
            yield (
                MANIFEST,
                SessionError(QuarantineReason.SIDECAR_INVALID, f"{MANIFEST}: file '{name}' is not a plain file name"),
            )
        else:
            yield name, row
    for path in sorted(folder.iterdir()):
        if path.suffix.lower() in VIDEO_SUFFIXES and path.name not in listed:
            yield (
                path.name,
                SessionError(
                    QuarantineReason.SIDECAR_MISSING, f"{path.name}: not listed in {MANIFEST}; see docs/source.md"
                ),
            )


def _examine(source: Path, folder: Path, name: str, raw: dict[str, Any] | SessionError) -> Recording | Rejection:
    video = folder / name
    uri = video.relative_to(source).as_posix()
    if isinstance(raw, SessionError):
        return Rejection(uri, raw.reason, str(raw))
    try:
        sidecar = Sidecar.model_validate(raw)
    except ValidationError as error:
        return Rejection(uri, QuarantineReason.SIDECAR_INVALID, f"{name}: {_first_problem(error)}")

    def reject(reason: QuarantineReason, message: str) -> Rejection:
        return Rejection(uri, reason, f"{name}: {message}", None, sidecar.session_id, sidecar.patient_id)

    if sidecar.started_at.date().isoformat() != folder.name:
        return reject(
            QuarantineReason.SIDECAR_DATE_MISMATCH,
            f"started_at {sidecar.started_at.isoformat()} is not on the day of the folder {folder.name}",
        )
    if not sidecar.consent:
        return reject(QuarantineReason.NO_CONSENT, "no consent; not decoded")
    if not video.is_file():
        return reject(QuarantineReason.VIDEO_MISSING, "the manifest lists it, the folder does not hold it")
    if not video.resolve().is_relative_to(source.resolve()):
        return reject(QuarantineReason.SIDECAR_INVALID, "is a link that leads out of the source")
    return Recording(video, uri, sidecar)


def _first_problem(error: ValidationError) -> str:
    first = error.errors(include_url=False)[0]
    field = ".".join(str(part) for part in first["loc"]) or "sidecar"
    return f"{field}: {first['msg']}"


def _as_date(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None


def _plain(error: Exception) -> str:
    """The reason of an error in one line, without the path, which the message names already."""
    return (isinstance(error, OSError) and error.strerror) or str(error).splitlines()[0]
