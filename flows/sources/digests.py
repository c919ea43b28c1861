"""What is known of the content of recordings, so that a night that is done is not read again only to find that out.

A file per night, a JSON object per line: which recording, its size and version when it was read, and the hash of that.
A recording whose size or version differs is unknown. The pseudonym in every line is what an erasure finds it by. The
file can be lost at any time: then the recordings are read once more.
"""

import json
import os
from dataclasses import asdict, dataclass
from pathlib import Path

from flows.sources.listing import Recording


@dataclass(frozen=True)
class Digest:
    """One recording that was read to its end."""

    source_uri: str
    size: int  # bytes
    version: str
    patient_id: str
    content_sha256: str  # 64 hex digits


class Digests:
    """The recordings of one night that were read before. Lines are only appended, so that a kill loses one at most."""

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one; lines that are torn or of another form are passed over."""
        self._path = path
        self._known: dict[str, Digest] = {}
        for line in _lines(path):
            try:
                digest = Digest(**json.loads(line))
            except (ValueError, TypeError):
                continue
            self._known[digest.source_uri] = digest

    def of(self, recording: Recording) -> str | None:
        """SHA-256 of a recording's content, 64 hex digits; None if it was never read as it is now."""
        known = self._known.get(recording.source_uri)
        same = known is not None and (known.size, known.version) == (recording.size, recording.version)
        return known.content_sha256 if known is not None and same else None

    def remember(self, recording: Recording, content_sha256: str) -> None:
        """Keep the hash of a recording.

        Raises:
            OSError: the file cannot be written.
        """
        digest = Digest(
            recording.source_uri, recording.size, recording.version, recording.sidecar.patient_id, content_sha256
        )
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        # A line that a kill has torn must not swallow this one.
        line = ("\n" + json.dumps(asdict(digest)) + "\n").encode()
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, line)
        finally:
            os.close(handle)
        self._known[digest.source_uri] = digest


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
