"""What a listing of the source finds: recordings, sessions that cannot be scored, and sessions still being uploaded.

`Digests` remembers the content hashes of recordings that were read before.
"""

import hashlib
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path, PurePosixPath

from flows.sources.sidecar import Sidecar
from flows.sources.source import SourceState
from pmfer.errors import QuarantineReason

_LINE = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{64})")


@dataclass(frozen=True)
class Recording:
    """A video with a valid sidecar."""

    source_uri: str  # relative to the source, in Unicode's composed form (flows.sources.names)
    sidecar: Sidecar
    size: int  # bytes, when it was listed
    version: str  # see Entry.version, when it was listed
    stored_name: str | None = None  # the file's name in the source, if that is in another Unicode form
    source_state: SourceState = field(default=SourceState(), repr=False, compare=False)  # when it was listed
    beside: frozenset[str] = field(default=frozenset(), repr=False, compare=False)  # source_uris in its folder

    @property
    def path(self) -> str:
        """The path by which it is opened, relative to the source."""
        return str(PurePosixPath(self.source_uri).with_name(self.stored_name or self.name))

    @property
    def name(self) -> str:
        """Name of the file."""
        return PurePosixPath(self.source_uri).name


@dataclass(frozen=True)
class QuarantinedSession:
    """A session that cannot be scored, and why."""

    source_uri: str
    reason: QuarantineReason
    message: str
    content_sha256: str | None = None
    session_id: str | None = None
    patient_id: str | None = None


@dataclass(frozen=True)
class Unready:
    """A session that is still being uploaded. Nothing is wrong with it; it is left for next time."""

    source_uri: str
    message: str


@dataclass(frozen=True)
class NightListing:
    """What the source holds for one night."""

    night: date
    recordings: tuple[Recording, ...]
    quarantined: tuple[QuarantinedSession, ...]
    unready: tuple[Unready, ...] = ()
    source_state: SourceState = field(default=SourceState(), repr=False)

    @property
    def is_there(self) -> bool:
        """Whether the source has a folder of the night."""
        return self.night in self.source_state.nights

    @property
    def found(self) -> int:
        """Sessions found, good and bad, but not those that are still being uploaded."""
        return len(self.recordings) + len(self.quarantined)

    def identities(self) -> Iterator[str | None]:
        """Everything that may identify a person: pseudonyms, session ids, and file names, which can hold anything."""
        for recording in self.recordings:
            yield from (recording.sidecar.patient_id, recording.sidecar.session_id)
        for session in self.quarantined:
            yield from (session.patient_id, session.session_id)
        uris = [recording.source_uri for recording in self.recordings]
        uris += [session.source_uri for session in self.quarantined]
        uris += [unready.source_uri for unready in self.unready]
        uris += [recording.path for recording in self.recordings if recording.stored_name]
        for path in map(PurePosixPath, uris):
            yield from (path.name, path.stem)


class Digests:
    """The content hashes of one night's recordings, so that a finished night need not be read again.

    The file has one line per recording. A line says nothing to anybody who does not know the recording's path, size
    and version: it is looked up by one hash of them, and its content hash is masked with another. So the file needs no
    encryption. If it is lost, the recordings are read again. Lines are only appended, so if the process is killed, at
    most one is lost.
    """

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one; skip lines that are incomplete or malformed."""
        self._path = path
        self._known = {match[1]: match[2] for line in _lines(path) if (match := _LINE.fullmatch(line))}

    def of(self, recording: Recording) -> str | None:
        """SHA-256 of a recording's content, 64 hex digits; None if this version of it was never read."""
        masked = self._known.get(_hash("name", recording))
        return None if masked is None else _mask(masked, recording)

    def remember(self, recording: Recording, content_sha256: str) -> None:
        """Add the content hash of a recording.

        Raises:
            OSError: the file cannot be written.
        """
        name, masked = _hash("name", recording), _mask(content_sha256, recording)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for readable in self._path.parent.glob("*.jsonl"):  # from an earlier release, which wrote pseudonyms and paths
            readable.unlink(missing_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            # Begins with a new line, in case a kill left the last line incomplete.
            os.write(handle, f"\n{name} {masked}\n".encode())
        finally:
            os.close(handle)
        self._known[name] = masked


def _hash(purpose: str, recording: Recording) -> str:
    what = "\0".join((purpose, recording.source_uri, str(recording.size), recording.version))
    return hashlib.sha256(what.encode()).hexdigest()


def _mask(sha256: str, recording: Recording) -> str:
    """Mask a hash, or unmask it."""
    return f"{int(sha256, 16) ^ int(_hash('veil', recording), 16):064x}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
