"""Which sessions a night holds, what is wrong with the others, and which are still being uploaded.

SOURCE/YYYY-MM-DD/NAME.mp4     a recording
SOURCE/YYYY-MM-DD/NAME.json    its sidecar
SOURCE/YYYY-MM-DD/manifest.csv instead of sidecars, a line per recording
SOURCE/YYYY-MM-DD/NAME.done    says that the recording is whole, where the source is set up so
"""

import re
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from pathlib import PurePosixPath
from typing import Any

from flows.sources.listing import NightListing, Recording, Rejection, Source, Unready
from flows.sources.location import Entry, Location, SourceReadError
from flows.sources.manifest import MANIFEST, read_manifest
from flows.sources.printable import is_plain, printable
from flows.sources.sidecar import Sidecar, checked, read_sidecar
from pmfer.errors import ConfigurationError, QuarantineReason, SessionError

VIDEO_SUFFIXES = frozenset({".mp4", ".m4v", ".mov", ".mkv", ".webm", ".avi", ".mpg", ".mpeg", ".ts"})
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")

Found = tuple[str, dict[str, Any] | SessionError]  # a recording's name with its fields, or what is wrong with it


@dataclass(frozen=True)
class _Folder:
    """A night's folder, listed."""

    source: Source
    location: Location
    name: str
    files: Mapping[str, Entry]
    now_s: float  # when it was listed, seconds since 1970

    def path(self, name: str) -> str:
        return f"{self.name}/{name}"

    def by_stem(self, suffixes: frozenset[str]) -> dict[str, str]:
        """Names of the files with these suffixes, by stem."""
        return {_stem(name): name for name in self.files if _suffix(name) in suffixes}


def list_nights(source: Source) -> list[date]:
    """Nights that the source holds, in order.

    Raises:
        ConfigurationError: the source is missing, no folder, unreadable, or holds no folder named after a date.
    """
    return _nights(source, _opened(source))


def list_night(source: Source, night: date, wanted: Callable[[str], bool] = lambda uri: True) -> NightListing:
    """Recordings, rejections and unready sessions of one night, by name. A night without a folder is an empty listing.

    Args:
        source: where to look.
        night: the day.
        wanted: by source_uri, which sessions to look at; the sidecars of others are not read.

    Raises:
        ConfigurationError: the source or the night's folder cannot be read.
    """
    location = _opened(source)
    if night not in _nights(source, location):
        return NightListing(night, (), (), is_there=False)
    try:
        entries = location.entries(night.isoformat())
    except SourceReadError as error:
        raise ConfigurationError(f"source {source}/{night}: {error.strerror}; make it readable") from None
    files = {entry.name: entry for entry in entries if not entry.is_folder}
    folder = _Folder(source, location, night.isoformat(), files, time.time())
    recordings: list[Recording] = []
    rejections: list[Rejection] = []
    unready: list[Unready] = []
    for name, raw in _found(folder, lambda name: wanted(folder.path(printable(name)))):
        outcome = _examine(folder, name, raw)
        if isinstance(outcome, Recording):
            recordings.append(outcome)
        elif isinstance(outcome, Rejection):
            rejections.append(outcome)
        else:
            unready.append(outcome)
    return NightListing(night, tuple(recordings), tuple(rejections), tuple(unready))


def _opened(source: Source) -> Location:
    try:
        return source.open()
    except SourceReadError as error:
        raise ConfigurationError(f"source {source}: {error.strerror}; see that the server answers") from None


def _nights(source: Source, location: Location) -> list[date]:
    try:
        names = [entry.name for entry in location.entries() if entry.is_folder and _NIGHT.fullmatch(entry.name)]
    except SourceReadError as error:
        raise ConfigurationError(
            f"source {source}: {error.strerror}; give the folder that holds one folder per day with --source"
        ) from None
    nights = sorted(night for name in names if (night := _as_date(name)) is not None)
    if not nights:
        raise ConfigurationError(f"source {source}: holds no folder named YYYY-MM-DD; see docs/source.md")
    return nights


def _found(folder: _Folder, wanted: Callable[[str], bool]) -> Iterator[Found]:
    """Every session of a night that is wanted, in the order of the names."""
    videos = [name for name in folder.files if _suffix(name) in VIDEO_SUFFIXES]
    if MANIFEST not in folder.files:
        yield from _by_sidecars(folder, videos, wanted)
        return
    listed = set()
    for name, raw in read_manifest(folder.location, folder.path(MANIFEST)):
        listed.add(name)
        if wanted(name):
            yield name, raw
    for name in videos:
        if name not in listed and wanted(name):
            yield name, _missing(f"{printable(name)}: not listed in {MANIFEST}; see docs/source.md")


def _by_sidecars(folder: _Folder, videos: list[str], wanted: Callable[[str], bool]) -> Iterator[Found]:
    """Each video's name with what its sidecar says, and each sidecar that lacks its video."""
    sidecars = folder.by_stem(frozenset({".json"}))
    stems = {_stem(name) for name in videos}
    for name in filter(wanted, folder.files):
        stem = _stem(name)
        if _suffix(name) in VIDEO_SUFFIXES:
            if stem in sidecars:
                sidecar = sidecars[stem]
                yield name, read_sidecar(folder.location, folder.path(sidecar), printable(sidecar))
            else:
                yield name, _missing(f"{printable(name)}: no sidecar {printable(stem)}.json beside it")
        elif _suffix(name) == ".json" and stem not in stems:
            message = f"{printable(name)}: no video of that name beside it"
            yield name, SessionError(QuarantineReason.VIDEO_MISSING, message)


def _examine(folder: _Folder, name: str, raw: dict[str, Any] | SessionError) -> Recording | Rejection | Unready:
    shown = printable(name)
    uri = folder.path(shown)
    waiting = _why_unready(folder, name)
    if waiting is not None:
        return Unready(uri, f"{shown}: {waiting}; left for next time")
    if not is_plain(name):
        message = f"{shown}: a name with characters that cannot be shown, or too long; rename it"
        return Rejection(uri, QuarantineReason.SIDECAR_INVALID, message)
    if isinstance(raw, SessionError):
        return Rejection(uri, raw.reason, str(raw))
    try:
        sidecar = checked(raw)
    except ValueError as error:
        return Rejection(uri, QuarantineReason.SIDECAR_INVALID, f"{name}: {error}; see docs/source.md")
    fault = _fault(folder, name, sidecar)
    if fault is not None:
        reason, message = fault
        return Rejection(uri, reason, f"{name}: {message}", None, sidecar.session_id, sidecar.patient_id)
    entry = folder.files[name]
    return Recording(uri, sidecar, entry.size, entry.version)


def _why_unready(folder: _Folder, name: str) -> str | None:
    """What shows that a session is still being uploaded; None if nothing does."""
    marker = folder.source.done_marker
    stem = _stem(name)
    if marker is not None and name != MANIFEST:
        return None if f"{stem}{marker}" in folder.files else f"its marker {printable(stem)}{marker} is not there yet"
    for part in (name, f"{stem}.json", MANIFEST):
        entry = folder.files.get(part)
        # A time ahead of ours is from another clock and says nothing; a file that grows is found out when it is copied.
        if entry and entry.modified_s is not None and abs(folder.now_s - entry.modified_s) < folder.source.settle_s:
            return f"{printable(part)} was written less than {folder.source.settle_s:g} s ago"
    return None


def _fault(folder: _Folder, name: str, sidecar: Sidecar) -> tuple[QuarantineReason, str] | None:
    """Why a session with a valid sidecar cannot be scored, if it cannot."""
    entry = folder.files.get(name)
    if sidecar.started_at.date().isoformat() != folder.name:
        started = sidecar.started_at.isoformat()
        return (
            QuarantineReason.SIDECAR_DATE_MISMATCH,
            f"started_at {started} is not on the day of the folder {folder.name}",
        )
    if not sidecar.consent:
        return QuarantineReason.NO_CONSENT, "no consent; not decoded"
    if entry is None:
        return QuarantineReason.VIDEO_MISSING, "the manifest lists it, the folder does not hold it"
    if folder.location.leads_out(folder.path(name), entry):
        return QuarantineReason.SIDECAR_INVALID, "is a link that leads out of the source"
    if _suffix(name) not in VIDEO_SUFFIXES:
        return (
            QuarantineReason.SIDECAR_INVALID,
            f"not a recording by its suffix; one of {', '.join(sorted(VIDEO_SUFFIXES))}",
        )
    if entry.size == 0 and entry.is_link:
        return (
            QuarantineReason.UNREADABLE,
            "no file, but a pipe, a device or a link to nothing; put the recording there",
        )
    if entry.size == 0:
        return QuarantineReason.EMPTY_FILE, "holds no bytes; copy it again from the camera"
    if entry.size > folder.source.max_bytes:
        return QuarantineReason.TOO_LARGE, f"{entry.size} bytes are more than PMFER_VIDEO_MAX_BYTES allows; not copied"
    return None


def _missing(message: str) -> SessionError:
    return SessionError(QuarantineReason.SIDECAR_MISSING, message)


def _stem(name: str) -> str:
    return PurePosixPath(name).stem


def _suffix(name: str) -> str:
    return PurePosixPath(name).suffix.lower()


def _as_date(name: str) -> date | None:
    try:
        return date.fromisoformat(name)
    except ValueError:
        return None
