"""Copy recordings into the staging folder, where they stay only while they are scored.

Each run has its own folder within the staging folder and locks it for as long as the process lives. So a run can
remove what a killed run left behind, but never what another run is working on.
"""

import errno
import fcntl
import hashlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path, PurePosixPath
from typing import BinaryIO

from flows.data_folder import MIN_FREE_BYTES
from flows.sources.location import Location, ServerFaultError, SourceReadError
from flows.sources.recordings import Recording
from flows.sources.source import Source, require_there
from pmfer.errors import ConfigurationError

CHUNK_BYTES = 1024 * 1024
# Copies leave a fiftieth of their disk free for the warehouse and reports: at least MIN_FREE_BYTES, at most this.
MAX_RESERVE_BYTES = 1_000_000_000


class ChangedMeanwhileError(Exception):
    """The recording has changed since it was listed: it is still being uploaded."""


class UnreadableRecordingError(Exception):
    """The recording cannot be read, although its source can."""


class TooLargeToCopyError(Exception):
    """The recording would not fit on the disk even if the disk held nothing else."""


class LeftOutError(ConfigurationError):
    """The recording cannot be copied now. Others may."""


class NoRoomError(LeftOutError):
    """It does not fit on the disk now. Smaller ones may."""


class UndeliveredError(LeftOutError):
    """The source is there, but its server or the connection to it failed twice while the recording was read."""


class DiskFullError(ConfigurationError):
    """The disk has no room for any recording now."""


@dataclass(frozen=True)
class Copy:
    """A staged copy."""

    path: Path  # in the run's folder, with the suffix of the recording
    content_sha256: str  # of the bytes copied, 64 hex digits


@contextmanager
def staging_folder(staging: Path) -> Iterator[Path]:
    """Create a folder for the copies of one run and delete it at the end. First clean up after killed runs.

    Raises:
        OSError: it cannot be made.
    """
    staging.mkdir(mode=0o700, parents=True, exist_ok=True)
    clean(staging)
    folder, lock = _locked_folder(staging)
    try:
        yield folder
    finally:
        shutil.rmtree(folder, ignore_errors=True)
        os.close(lock)


def clean(staging: Path) -> None:
    """Remove everything that no running process has locked.

    Raises:
        OSError: one cannot be removed.
    """
    for path in staging.iterdir():
        if not path.is_dir() or path.is_symlink():
            path.unlink(missing_ok=True)  # an earlier release left files here
        elif (lock := _lock(path)) is not None:
            shutil.rmtree(path)
            os.close(lock)


def copy_recording(recording: Recording, source: Source, folder: Path) -> Copy:
    """Copy a recording into the staging folder and hash it while copying, so that it is read only once.

    Raises:
        ChangedMeanwhileError: its size or version, before or after the copy, is not what was listed, or the folder of
            its night is gone or empty.
        UnreadableRecordingError: it cannot be read, but the source is still there.
        UndeliveredError: the server failed, but the source is still there.
        TooLargeToCopyError, NoRoomError, DiskFullError: there is no room for it.
        SourceGoneError: the source is gone, see require_there.
        OSError: the copy cannot be written.
    """
    try:
        try:
            draft, content_sha256 = _fetch(recording, source, folder)
        except ServerFaultError:  # perhaps only this connection
            draft, content_sha256 = _fetch(recording, source, folder)
    except SourceReadError as error:
        require_there(source, recording.source_state)
        with source.open() as location:
            night_is_there = location.holds(recording.path.partition("/")[0])
        if not night_is_there:
            raise ChangedMeanwhileError("the folder of its night is gone or empty since it was listed") from None
        if isinstance(error, ServerFaultError):
            raise UndeliveredError(
                f"source {source}: does not deliver {recording.source_uri} ({error.strerror}); see that the server "
                "answers, then run again"
            ) from None
        raise UnreadableRecordingError(error.strerror or str(error)) from None
    suffix = PurePosixPath(recording.source_uri).suffix.lower()
    # Not named by its content: an identical file may be scored at the same time.
    return Copy(draft.rename(draft.with_name(draft.name.replace("incoming", "recording", 1) + suffix)), content_sha256)


def _fetch(recording: Recording, source: Source, folder: Path) -> tuple[Path, str]:
    """Copy a recording by a new connection; return the copy and the hash of its content."""
    with source.open() as location:
        _require_same(location, recording)
        _require_room(location, recording, folder)
        with location.open(recording.path) as stream:
            fetched = _copy(stream, location, recording, folder)
        _require_same(location, recording)
        return fetched


def _require_room(location: Location, recording: Recording, folder: Path) -> None:
    """Check that a copy fits before anything is copied."""
    disk = shutil.disk_usage(folder)
    reserve = min(max(disk.total // 50, MIN_FREE_BYTES), MAX_RESERVE_BYTES)
    if recording.size <= disk.free - reserve:
        return
    most = max(disk.used + disk.free - reserve, 0)
    if recording.size > most:
        raise TooLargeToCopyError(
            f"has {recording.size:,} bytes, and the disk that it would be copied to holds {most:,} at most; not copied"
        )
    if disk.free <= reserve:
        raise DiskFullError(
            f"staging folder {folder.parent}: the disk is full ({disk.free:,} bytes are free, and {reserve:,} are kept "
            "for the warehouse and reports); make room and run again"
        )
    if location.is_sparse(recording.path):
        raise TooLargeToCopyError(
            f"has {recording.size:,} bytes, most of which were never written (a sparse file), and {disk.free:,} are "
            "free where it would be copied to; not copied"
        )
    raise _no_room(recording, folder)


def _no_room(recording: Recording, folder: Path) -> NoRoomError:
    return NoRoomError(
        f"staging folder {folder.parent}: no room for {recording.source_uri}, which has {recording.size:,} bytes: "
        f"{shutil.disk_usage(folder).free:,} are free; make room and run again"
    )


def _copy(stream: BinaryIO, location: Location, recording: Recording, folder: Path) -> tuple[Path, str]:
    """Copy as many bytes as the listing says into a new file; return the file and the hash of its content."""
    handle, name = tempfile.mkstemp(dir=folder, prefix="incoming-")
    digest, left = hashlib.sha256(), recording.size
    try:
        with os.fdopen(handle, "wb") as target:
            while left > 0:
                with location.reading():
                    chunk = stream.read(min(left, CHUNK_BYTES))
                if not chunk:
                    raise ChangedMeanwhileError("it is shorter than it was listed")
                digest.update(chunk)
                target.write(chunk)
                left -= len(chunk)
    except OSError as error:
        Path(name).unlink()
        if error.errno in (errno.ENOSPC, errno.EDQUOT) and not isinstance(error, SourceReadError):
            # Something else has filled the disk meanwhile, or a quota is used up.
            raise _no_room(recording, folder) from None
        raise
    except BaseException:
        Path(name).unlink()
        raise
    return Path(name), digest.hexdigest()


def _require_same(location: Location, recording: Recording) -> None:
    now = location.look(recording.path)
    if (now.size, now.version) != (recording.size, recording.version):
        raise ChangedMeanwhileError("it changed since it was listed")


def _locked_folder(staging: Path) -> tuple[Path, int]:
    while True:
        folder = Path(tempfile.mkdtemp(dir=staging, prefix="run-"))
        lock = _lock(folder)
        # Before it was locked, another run may have cleaned it up.
        if lock is not None and folder.is_dir():
            return folder, lock
        if lock is not None:
            os.close(lock)


def _lock(folder: Path) -> int | None:
    """Lock a folder until the descriptor is closed or the process ends; None if it is gone or already locked."""
    with suppress(FileNotFoundError):
        handle = os.open(folder, os.O_RDONLY | os.O_DIRECTORY | os.O_CLOEXEC)
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            os.close(handle)
            return None
        return handle
    return None


if __name__ == "__main__":  # run before a worker starts: `python -m flows.staging`
    from flows.settings import read_settings

    staging = read_settings().data.staging
    if staging.is_dir():
        clean(staging)
