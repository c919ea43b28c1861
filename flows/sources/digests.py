"""What is known of the content of recordings, so that a night that is done is not read again only to find that out.

A file per night, a line per recording, which tells nothing to anybody who does not have the recording: it is found by
a hash of the recording's path, size and version, and what it says is veiled by another one. So it needs no key, and
nothing of it has to be erased on other machines. The file can be lost at any time: then the recordings are read again.
"""

import hashlib
import os
import re
from pathlib import Path

from flows.sources.listing import Recording

_LINE = re.compile(r"([0-9a-f]{64}) ([0-9a-f]{64})")


class Digests:
    """The recordings of one night that were read before. Lines are only appended, so that a kill loses one at most."""

    def __init__(self, path: Path) -> None:
        """Read the file, if there is one; lines that are torn or of another form are passed over."""
        self._path = path
        self._known = {match[1]: match[2] for line in _lines(path) if (match := _LINE.fullmatch(line))}

    def of(self, recording: Recording) -> str | None:
        """SHA-256 of a recording's content, 64 hex digits; None if it was never read as it is now."""
        veiled = self._known.get(_hash("name", recording))
        return None if veiled is None else _veil(veiled, recording)

    def remember(self, recording: Recording, content_sha256: str) -> None:
        """Keep the hash of a recording.

        Raises:
            OSError: the file cannot be written.
        """
        name, veiled = _hash("name", recording), _veil(content_sha256, recording)
        self._path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
        for readable in self._path.parent.glob("*.jsonl"):  # an earlier release wrote pseudonyms and paths
            readable.unlink(missing_ok=True)
        handle = os.open(self._path, os.O_WRONLY | os.O_APPEND | os.O_CREAT | os.O_CLOEXEC, 0o600)
        try:
            os.write(handle, f"\n{name} {veiled}\n".encode())  # a line that a kill has torn must not swallow this one
        finally:
            os.close(handle)
        self._known[name] = veiled


def _hash(purpose: str, recording: Recording) -> str:
    what = "\0".join((purpose, recording.source_uri, str(recording.size), recording.version))
    return hashlib.sha256(what.encode()).hexdigest()


def _veil(sha256: str, recording: Recording) -> str:
    """The hash veiled, or unveiled."""
    return f"{int(sha256, 16) ^ int(_hash('veil', recording), 16):064x}"


def _lines(path: Path) -> list[str]:
    try:
        return path.read_text(encoding="utf-8", errors="replace").split("\n")
    except FileNotFoundError:
        return []
