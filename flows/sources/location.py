"""An open source: a folder, a bucket on S3 or a folder on an SFTP server, all read through one class.

All errors of the underlying libraries become SourceReadError, so that callers need not know three error trees.
"""

import errno
import os
import stat
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from dataclasses import dataclass, field, replace
from datetime import datetime
from pathlib import Path
from typing import Any, BinaryIO, cast

from fsspec import AbstractFileSystem

from warehouse.address import S3Access

READ_BLOCK_BYTES = 8 * 1024 * 1024  # per request to a server
STAT_BLOCK_BYTES = 512  # the unit of st_blocks, whatever the file system's block size is
MODIFIED_FIELDS = ("mtime", "LastModified")  # in which fsspec gives the time a file was written
# How fsspec numbers the answers of a server that is too busy (503), has failed (500) or is too slow.
_SERVER_FAULTS = (errno.EBUSY, errno.EREMOTEIO, errno.ETIMEDOUT)


class SourceReadError(OSError):
    """The source, or a file in it, cannot be read at the moment."""


class ServerFaultError(SourceReadError):
    """The server or the connection to it failed, which says nothing about the file that was read."""


@dataclass(frozen=True)
class SourceAccess:
    """How to reach sources that are not folders."""

    proxy: str | None = None  # in front of an object store, without its password; None: no proxy
    s3: S3Access | None = None  # None: the machine's own credentials, or anonymous access
    s3_endpoint: str | None = None  # of a store other than AWS
    sftp_key_file: Path | None = None  # private key; None: the agent's and the account's keys
    sftp_known_hosts: Path | None = None  # None: the account's ~/.ssh/known_hosts


@dataclass(frozen=True)
class Entry:
    """A file or folder as it was listed."""

    name: str
    is_folder: bool
    size: int  # bytes
    modified_s: float | None  # seconds since 1970; None if the source does not say
    version: str  # changes with the content: an ETag, or the time it was written
    is_link: bool = False  # a link, pipe or device: anything but a file or folder


@dataclass(frozen=True)
class Location:
    """An open source. Paths are relative to it and use `/`; the empty path is the source itself."""

    url: str
    filesystem: AbstractFileSystem = field(repr=False)
    root: str
    errors: tuple[type[Exception], ...] = (OSError,)  # that its library raises
    faults: tuple[type[Exception], ...] = (ConnectionError, TimeoutError)  # those of them that are a ServerFaultError
    proxy: str | None = None  # in front of the source, without its password

    def close(self) -> None:
        """Close the connection, if the source keeps one open."""

    def entries(self, folder: str = "") -> list[Entry]:
        """List a folder, ordered by name.

        Raises:
            SourceReadError: it is not there, or cannot be listed.
        """
        with self.reading():
            found = self.filesystem.ls(self._path(folder), detail=True)
        entries = (self._entry(info) for info in found)
        # An object store may list the folder itself, as an empty object.
        own = self._path(folder).rstrip("/").rpartition("/")[2]
        kept = [entry for entry in entries if entry.name and not (entry.name == own and not entry.size)]
        return sorted(kept, key=lambda entry: entry.name)

    def holds(self, folder: str) -> bool:
        """Whether a folder exists and is not empty."""
        try:
            return bool(self.entries(folder))
        except SourceReadError:
            return False

    def look(self, path: str) -> Entry:
        """The current entry of one file.

        Raises:
            SourceReadError: it is not there.
        """
        with self.reading():
            return self._entry(self.filesystem.info(self._path(path)))

    def device(self) -> int | None:
        """Number of the file system that holds the source; None for a server.

        Raises:
            SourceReadError: it is not there.
        """
        return None

    def is_sparse(self, path: str) -> bool:
        """Whether most of a file was never written, so that it holds no recording. A server cannot tell: always False.

        Raises:
            SourceReadError: it is not there.
        """
        return False

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a file for reading from its start.

        Raises:
            SourceReadError: it cannot be opened.
        """
        with self.reading():
            stream = self.filesystem.open(self._path(path), "rb", block_size=READ_BLOCK_BYTES)
        with stream:
            yield cast("BinaryIO", stream)

    def read(self, path: str, limit: int) -> bytes:
        """Read a small file as a whole.

        Raises:
            SourceReadError: it cannot be read.
            ValueError: it has more than `limit` bytes.
        """
        with self.open(path) as stream, self.reading():
            content = stream.read(limit + 1)
        if len(content) > limit:
            raise ValueError(f"larger than {limit} bytes")
        return content

    def leads_out(self, path: str, entry: Entry) -> bool:
        """Whether an entry is a link to something outside the source."""
        return entry.is_link  # only the server knows where a link leads, so every link is refused

    @contextmanager
    def reading(self) -> Iterator[None]:
        """Turn the library's errors in the body into a one-line SourceReadError."""
        try:
            yield
        except SourceReadError:
            raise
        except self.errors as error:
            reason = (isinstance(error, OSError) and error.strerror) or (str(error).splitlines() or [""])[0]
            reason = reason.rstrip(".: ") or type(error).__name__
            through = f", through the proxy {self.proxy}" if self.proxy else ""
            number = getattr(error, "errno", None) or 0
            kind = ServerFaultError if isinstance(error, self.faults) or number in _SERVER_FAULTS else SourceReadError
            raise kind(number, reason + through) from None

    def _path(self, path: str) -> str:
        return f"{self.root.rstrip('/')}/{path}" if path else self.root

    def _entry(self, info: Mapping[str, Any]) -> Entry:
        modified = next((info[name] for name in MODIFIED_FIELDS if info.get(name) is not None), None)
        seconds = modified.timestamp() if isinstance(modified, datetime) else modified
        return Entry(
            name=str(info["name"]).rstrip("/").rpartition("/")[2],
            is_folder=info["type"] == "directory",
            size=int(info["size"] or 0),
            modified_s=None if seconds is None else float(seconds),
            version=str(info.get("ETag") or seconds).strip('"'),
            is_link=info["type"] not in ("directory", "file"),
        )


@dataclass(frozen=True)
class FolderLocation(Location):
    """A local or mounted folder. Links must not lead out of it, and special files are not opened."""

    def leads_out(self, path: str, entry: Entry) -> bool:
        """Whether a path leads out of the source once all links are followed."""
        return not self._real(path).is_relative_to(self._real())

    def device(self) -> int | None:
        """Number of the file system that holds the source.

        Raises:
            SourceReadError: it is not there.
        """
        with self.reading():
            return Path(self.root).stat().st_dev

    def is_sparse(self, path: str) -> bool:
        """Whether less than half of the file occupies space on disk: it was made long and never filled.

        Raises:
            SourceReadError: it is not there.
        """
        with self.reading():
            status = self._real(path).stat()
        return status.st_blocks * STAT_BLOCK_BYTES < status.st_size // 2

    @contextmanager
    def open(self, path: str) -> Iterator[BinaryIO]:
        """Open a regular file within the source. A link out of the source, a pipe or a device is refused.

        Raises:
            SourceReadError: it is not such a file, or cannot be opened.
        """
        with self.reading():
            real = self._real(path)
            if not real.is_relative_to(self._real()):
                raise SourceReadError(0, "is a link that leads out of the source")
            # Links are resolved above; a link that has appeared since is refused.
            handle = os.open(real, os.O_RDONLY | os.O_NOFOLLOW | os.O_NONBLOCK | os.O_CLOEXEC)
        with os.fdopen(handle, "rb") as stream:
            if not stat.S_ISREG(os.fstat(stream.fileno()).st_mode):
                raise SourceReadError(0, "is not a regular file")
            yield stream

    def _real(self, path: str = "") -> Path:
        """A path with all links followed. A loop of links is left as it is, whereas Path.resolve would raise."""
        return Path(os.path.realpath(self._path(path)))

    def _entry(self, info: Mapping[str, Any]) -> Entry:
        entry = super()._entry(info)
        if not info["islink"]:
            return entry
        try:
            behind = Path(str(info["name"])).stat()
        except OSError:  # a dangling link
            return entry
        is_folder = stat.S_ISDIR(behind.st_mode)
        return replace(entry, is_folder=is_folder, modified_s=behind.st_mtime, version=str(behind.st_mtime))
