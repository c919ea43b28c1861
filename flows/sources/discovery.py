"""List the sessions of a night: those that can be scored, those that cannot and why, and those still being uploaded.

SOURCE/YYYY-MM-DD/NAME.mp4     a recording
SOURCE/YYYY-MM-DD/NAME.json    its sidecar
SOURCE/YYYY-MM-DD/manifest.csv instead of sidecars, a line per recording
SOURCE/YYYY-MM-DD/NAME.done    marks the recording as complete, if PMFER_SOURCE_DONE_MARKER is set

Hidden files are skipped. flows.sources.names says how names are compared, flows.plain_text how they are shown.
"""

import time
from collections import defaultdict
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass
from datetime import date
from functools import cached_property
from typing import Any

from flows.plain_text import is_plain, printable
from flows.sources.location import Entry, Location, SourceReadError
from flows.sources.names import SIDECAR_SUFFIX, is_hidden, is_video, same_name, stem, suffix
from flows.sources.recordings import NightListing, QuarantinedSession, Recording, Unready
from flows.sources.sidecar import MANIFEST, Sidecar, checked, read_manifest, read_sidecar
from flows.sources.source import Source, SourceGoneError, SourceState, open_and_look, require_there
from pmfer.errors import ConfigurationError, QuarantineReason, SessionError

LEVELS_BELOW = 4  # so deep below a night's folder, recordings that were misplaced are looked for
Found = tuple[str, dict[str, Any] | SessionError]  # a recording's name with its fields, or what is wrong with it


@dataclass(frozen=True)
class _Folder:
    """A night's folder, listed. Names are in composed form."""

    source: Source
    location: Location
    source_state: SourceState
    night: str
    files: Mapping[str, list[Entry]]  # by name; several entries if names differ only in their Unicode form
    sidecars: Mapping[str, list[str]]  # names by stem; several if they differ in the case of their suffix
    now_s: float  # when it was listed, seconds since 1970

    @cached_property
    def uris(self) -> frozenset[str]:
        """The name in messages and tables of every file."""
        return frozenset(map(self.uri, self.files))

    def uri(self, name: str) -> str:
        """The name of a file in messages and tables."""
        return f"{self.night}/{printable(name)}"

    def path(self, name: str) -> str:
        """The path by which a file is opened."""
        return f"{self.night}/{self.files[name][0].name if name in self.files else name}"

    def entry(self, name: str) -> Entry | None:
        """The entry of a file; None if it was not listed."""
        return self.files[name][0] if name in self.files else None


def list_night(source: Source, night: date, wanted: Callable[[str], bool] = lambda uri: True) -> NightListing:
    """List the recordings, quarantined sessions and unready sessions of a night, in the order of `_found`.

    If the night has no folder, the listing is empty.

    Args:
        source: where to look.
        night: the day.
        wanted: says by source_uri which sessions to look at; the sidecars of others are not read.

    Raises:
        ConfigurationError: the source or the night's folder cannot be read.
        SourceGoneError: the source disappeared while it was listed.
    """
    with open_and_look(source) as (location, state):
        if night not in state.nights:
            return NightListing(night, (), (), source_state=state)
        try:
            entries = location.entries(night.isoformat())
        except SourceReadError as error:
            require_there(source, state)
            raise ConfigurationError(f"source {source}/{night}: {error.strerror}; make it readable") from None
        files = _by_name(entries)
        folder = _Folder(source, location, state, night.isoformat(), files, _by_stem(files), time.time())
        misplaced = filter(None, (_misplaced(folder, entry) for entry in entries if wanted(folder.uri(entry.name))))
        return _list_folder(folder, night, wanted, misplaced)


def _list_folder(
    folder: _Folder, night: date, wanted: Callable[[str], bool], misplaced: Iterable[QuarantinedSession]
) -> NightListing:
    source, state = folder.source, folder.source_state
    recordings: list[Recording] = []
    quarantined = list(misplaced)
    unready: list[Unready] = []
    for name, raw in _found(folder, lambda name: wanted(folder.uri(name))):
        outcome = _examine(folder, name, raw)
        if isinstance(outcome, Recording):
            recordings.append(outcome)
        elif isinstance(outcome, QuarantinedSession):
            quarantined.append(outcome)
        else:
            unready.append(outcome)
    if quarantined:  # perhaps only because the source disappeared while their sidecars were read
        require_there(source, state)
        if not folder.location.holds(folder.night):
            raise SourceGoneError(f"source {source}/{night}: disappeared while it was read; run again")
    return NightListing(night, tuple(recordings), tuple(quarantined), tuple(unready), state)


def _misplaced(folder: _Folder, entry: Entry) -> QuarantinedSession | None:
    """Recordings in a folder below the night's, which would otherwise go unnoticed; None if it holds none."""
    path = f"{folder.night}/{entry.name}"
    holder = _holder_of_recordings(folder.location, path, entry, LEVELS_BELOW) if entry.is_folder else None
    if holder is None:
        return None
    shown = printable(holder.removeprefix(f"{folder.night}/"))
    message = f"{shown}: a folder with recordings, which are not read; move them into {folder.night}"
    return QuarantinedSession(folder.uri(entry.name), QuarantineReason.UNREADABLE, message)


def _holder_of_recordings(location: Location, path: str, folder: Entry, levels: int) -> str | None:
    """The first folder with recordings among a folder and so many levels below it; None if there is none."""
    if is_hidden(folder.name) or location.leads_out(path, folder):
        return None
    try:
        within = location.entries(path)
    except SourceReadError:
        return None
    if any(map(is_video, _by_name(within))):
        return path
    inner = [entry for entry in within if entry.is_folder] if levels > 1 else []
    found = (_holder_of_recordings(location, f"{path}/{entry.name}", entry, levels - 1) for entry in inner)
    return next(filter(None, found), None)


def _by_name(entries: Iterable[Entry]) -> dict[str, list[Entry]]:
    """The files that are not hidden, ordered by name."""
    files: defaultdict[str, list[Entry]] = defaultdict(list)
    for entry in entries:
        if not entry.is_folder and not is_hidden(entry.name):
            files[same_name(entry.name)].append(entry)
    return dict(sorted(files.items()))


def _by_stem(files: Iterable[str]) -> dict[str, list[str]]:
    sidecars: defaultdict[str, list[str]] = defaultdict(list)
    for name in files:
        if suffix(name) == SIDECAR_SUFFIX:
            sidecars[stem(name)].append(name)
    return dict(sidecars)


def _found(folder: _Folder, wanted: Callable[[str], bool]) -> Iterator[Found]:
    """Yield the wanted sessions of a night: in the order of its manifest, or without one ordered by name."""
    if MANIFEST not in folder.files:
        yield from _by_sidecars(folder, wanted)
        return
    listed = set()
    for name, raw in read_manifest(folder.location, folder.path(MANIFEST)):
        listed.add(name)
        if wanted(name):
            yield name, raw
    for name in filter(is_video, folder.files):
        if name not in listed and wanted(name):
            yield name, _missing(f"{printable(name)}: not listed in {MANIFEST}; see docs/source.md")


def _by_sidecars(folder: _Folder, wanted: Callable[[str], bool]) -> Iterator[Found]:
    """Yield each video with the fields of its sidecar, and each sidecar without a video."""
    with_video = {stem(name) for name in folder.files if is_video(name)}
    for name in filter(wanted, folder.files):
        if is_video(name):
            yield name, _stated(folder, name)
        elif suffix(name) == SIDECAR_SUFFIX and stem(name) not in with_video:
            yield name, SessionError(QuarantineReason.VIDEO_MISSING, _no_video(folder, name))


def _stated(folder: _Folder, video: str) -> dict[str, Any] | SessionError:
    """The fields of a video's sidecar. Several sidecars are refused: they may not agree on the patient's consent."""
    sidecars = folder.sidecars.get(stem(video), [])
    if not sidecars:
        return _missing(f"{printable(video)}: no sidecar {printable(stem(video))}.json beside it")
    if len(sidecars) > 1:
        names = ", ".join(printable(name) for name in sidecars)
        message = f"{printable(video)}: has several sidecars ({names}); keep the right one"
        return SessionError(QuarantineReason.SIDECAR_INVALID, message)
    (sidecar,) = sidecars
    if len(folder.files[sidecar]) > 1:
        return SessionError(QuarantineReason.SIDECAR_INVALID, _twice(sidecar))
    return read_sidecar(folder.location, folder.path(sidecar), printable(sidecar))


def _no_video(folder: _Folder, sidecar: str) -> str:
    """Say that a sidecar's video is missing, and which file of that name may be the video despite its suffix."""
    others = [name for name in folder.files if stem(name) == stem(sidecar) and suffix(name) != SIDECAR_SUFFIX]
    candidates = [name for name in others if suffix(name) != folder.source.done_marker]
    hint = f"; {printable(candidates[0])}: {_not_a_video(candidates[0])}" if candidates else ""
    return f"{printable(sidecar)}: no video of that name beside it{hint}"


def _not_a_video(name: str) -> str:
    kind = f"{printable(suffix(name))} is not a suffix of videos" if suffix(name) else "has no suffix of a video"
    return f"{kind}; convert or rename the file, see docs/source.md"


def _twice(name: str) -> str:
    return f"{printable(name)}: two files have this name, in two forms of Unicode (NFC and NFD); keep one of them"


def _examine(
    folder: _Folder, name: str, raw: dict[str, Any] | SessionError
) -> Recording | QuarantinedSession | Unready:
    shown = printable(name)
    uri = folder.uri(name)
    waiting = _why_unready(folder, name)
    if waiting is not None:
        return Unready(uri, f"{shown}: {waiting}; left for next time")
    if not is_plain(name):
        message = f"{shown}: a name with characters that cannot be shown, or too long; rename it"
        return QuarantinedSession(uri, QuarantineReason.SIDECAR_INVALID, message)
    if len(folder.files.get(name, ())) > 1:
        return QuarantinedSession(uri, QuarantineReason.SIDECAR_INVALID, _twice(name))
    if isinstance(raw, SessionError):
        return QuarantinedSession(uri, raw.reason, str(raw))
    try:
        sidecar = checked(raw)
    except ValueError as error:
        return QuarantinedSession(uri, QuarantineReason.SIDECAR_INVALID, f"{name}: {error}; see docs/source.md")
    fault = _fault(folder, name, sidecar)
    if fault is not None:
        reason, message = fault
        return QuarantinedSession(uri, reason, f"{name}: {message}", None, sidecar.session_id, sidecar.patient_id)
    (entry,) = folder.files[name]
    stored_name = None if entry.name == name else entry.name
    return Recording(uri, sidecar, entry.size, entry.version, stored_name, folder.source_state, folder.uris)


def _why_unready(folder: _Folder, name: str) -> str | None:
    """Why a session seems to be still uploading, in words; None if it is complete."""
    marker = folder.source.done_marker
    if marker is not None and name != MANIFEST:
        expected = f"{stem(name)}{marker}"
        return None if expected in folder.files else f"its marker {printable(expected)} is not there yet"
    for part in (name, *folder.sidecars.get(stem(name), ()), MANIFEST):
        entry = folder.entry(part)
        # A time far in the future comes from another clock and says nothing. Copying notices a file that still grows.
        if entry and entry.modified_s is not None and abs(folder.now_s - entry.modified_s) < folder.source.settle_s:
            return f"{printable(part)} was written less than {folder.source.settle_s:g} s ago"
    return None


def _fault(folder: _Folder, name: str, sidecar: Sidecar) -> tuple[QuarantineReason, str] | None:
    """Why a session with a valid sidecar cannot be scored, if it cannot."""
    entry = folder.entry(name)
    if sidecar.started_at.date().isoformat() != folder.night:
        started = sidecar.started_at.isoformat()
        return (
            QuarantineReason.SIDECAR_DATE_MISMATCH,
            f"started_at {started} is not on the day of the folder {folder.night}",
        )
    if not sidecar.consent:
        return QuarantineReason.NO_CONSENT, "no consent; not decoded"
    if entry is None:
        return QuarantineReason.VIDEO_MISSING, "the manifest lists it, the folder does not hold it"
    if folder.location.leads_out(folder.path(name), entry):
        return QuarantineReason.SIDECAR_INVALID, "is a link that leads out of the source; put the file itself there"
    if not is_video(name):
        return QuarantineReason.SIDECAR_INVALID, _not_a_video(name)
    if entry.size == 0 and entry.is_link:
        return (
            QuarantineReason.UNREADABLE,
            "no file, but a pipe, a device or a link to nothing; put the recording there",
        )
    if entry.size == 0:
        return QuarantineReason.EMPTY_FILE, "holds no bytes; copy it again from the camera"
    if entry.size > folder.source.max_bytes:
        limit = f"more than the {folder.source.max_bytes:,} of PMFER_VIDEO_MAX_BYTES"
        return QuarantineReason.TOO_LARGE, f"has {entry.size:,} bytes, {limit}; not copied"
    return None


def _missing(message: str) -> SessionError:
    return SessionError(QuarantineReason.SIDECAR_MISSING, message)
