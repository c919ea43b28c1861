"""What a look at the source finds: recordings, sessions that cannot be scored, and sessions still being uploaded."""

from collections.abc import Iterator
from dataclasses import dataclass, field
from datetime import date
from pathlib import PurePosixPath

from flows.sources.location import Location, SourceAccess, open_location
from flows.sources.sidecar import Sidecar
from flows.sources.sighting import Sighting
from pmfer.errors import QuarantineReason


@dataclass(frozen=True)
class Source:
    """Where recordings come from, and when one is ready to be read. Passwords in it are not shown."""

    url: str
    access: SourceAccess = field(default=SourceAccess(), repr=False)
    settle_s: float = 60.0  # a file written more recently than this may still be growing
    done_marker: str | None = None  # suffix of the empty file that says of a recording that it is whole; None: no such
    max_bytes: int = 64 * 1024**3  # of a video

    def open(self) -> Location:
        """Open it, anew each time: a connection that broke must not break the next one.

        Raises:
            ConfigurationError, SourceReadError: see open_location.
        """
        return open_location(self.url, self.access)

    def __str__(self) -> str:
        """The URL."""
        return self.url


@dataclass(frozen=True)
class Recording:
    """A video with a valid sidecar."""

    source_uri: str  # relative to the source, its letters in composed form (flows.sources.names)
    sidecar: Sidecar
    size: int  # bytes, when it was listed
    version: str  # as Entry has it, when it was listed
    stored_name: str | None = None  # of the file, where the source writes its letters in another form of Unicode
    sighting: Sighting = field(default=Sighting(), repr=False, compare=False)  # of the source, when it was listed

    @property
    def path(self) -> str:
        """What to open it by, relative to the source."""
        return str(PurePosixPath(self.source_uri).with_name(self.stored_name or self.name))

    @property
    def name(self) -> str:
        """Name of the file."""
        return PurePosixPath(self.source_uri).name


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
class Unready:
    """A session that is still being uploaded: nothing is wrong with it, it is left for next time."""

    source_uri: str
    message: str


@dataclass(frozen=True)
class NightListing:
    """What lies in the source for one night."""

    night: date
    recordings: tuple[Recording, ...]
    rejections: tuple[Rejection, ...]
    unready: tuple[Unready, ...] = ()
    sighting: Sighting = field(default=Sighting(), repr=False)  # of the source

    @property
    def is_there(self) -> bool:
        """Whether the source has a folder of the night."""
        return self.night in self.sighting.nights

    @property
    def found(self) -> int:
        """Sessions found, good and bad, but not those that are still being uploaded."""
        return len(self.recordings) + len(self.rejections)

    def identities(self) -> Iterator[str | None]:
        """What names somebody: pseudonyms, session ids, and names of files, which the house chooses freely."""
        for recording in self.recordings:
            yield from (recording.sidecar.patient_id, recording.sidecar.session_id)
        for rejection in self.rejections:
            yield from (rejection.patient_id, rejection.session_id)
        uris = [recording.source_uri for recording in self.recordings]
        uris += [rejection.source_uri for rejection in self.rejections]
        uris += [unready.source_uri for unready in self.unready]
        uris += [recording.path for recording in self.recordings if recording.stored_name]
        for path in map(PurePosixPath, uris):
            yield from (path.name, path.stem)
