"""Open the source of recordings by its URL, and notice when an empty mount point or another disk has taken its place.

/srv/recordings, file:///srv/recordings    a local or mounted folder
s3://BUCKET/PREFIX                         any S3-compatible store
sftp://USER@HOST:PORT/FOLDER               with a key, on a host listed in known_hosts
"""

import re
from collections.abc import Collection, Iterator
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from datetime import date
from functools import cache
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, urlsplit

from flows.sources.location import FolderLocation, Location, ServerFaultError, SourceAccess, SourceReadError
from flows.sources.names import is_hidden
from pmfer.errors import ConfigurationError

S3_TIMEOUT_S = 30  # to connect and to wait for an answer
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")
_DIGITS_OF_A_DATE = 6  # at least, in a name such as 2.3.2026 or 260302


@dataclass(frozen=True)
class Source:
    """Where recordings come from, and when one is ready to be read. Its repr hides passwords."""

    url: str
    access: SourceAccess = field(default=SourceAccess(), repr=False)
    settle_s: float = 60.0  # a file written more recently than this may still be growing
    done_marker: str | None = None  # suffix of the empty file that marks a recording as complete; None: not used
    max_bytes: int = 64 * 1024**3  # size limit of a video

    @contextmanager
    def open(self) -> Iterator[Location]:
        """Open a new connection, so that a broken one does not affect the next, and close it when the block ends.

        Raises:
            ConfigurationError, SourceReadError: see open_location.
        """
        location = open_location(self.url, self.access)
        try:
            yield location
        finally:
            location.close()

    def __str__(self) -> str:
        """The URL."""
        return self.url


def open_location(url: str, access: SourceAccess) -> Location:
    """Open a source by its URL. Only SFTP connects at once.

    Raises:
        ConfigurationError: the URL is of no supported form, or contains a password.
        SourceReadError: the server cannot be reached, or refuses the connection.
    """
    if "://" not in url:
        return _folder(url, url)
    parts = urlsplit(url)
    if parts.password is not None:
        raise ConfigurationError(
            f"source {parts.scheme}://...@{parts.hostname}: holds a password, which others could read; use a key"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(f"source {url}: nothing may follow the path; remove everything from ? or # on")
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return _folder(url, parts.path)
    if parts.scheme == "s3" and parts.netloc:
        return _bucket(url, parts, access)
    if parts.scheme == "sftp" and parts.hostname:
        from flows.sources.sftp import open_sftp

        return open_sftp(url, parts, access)
    raise ConfigurationError(
        f"source {url}: neither a folder nor a supported URL; write a path, s3://BUCKET/PREFIX or sftp://USER@HOST/FOLDER"
    )


def _folder(url: str, path: str) -> Location:
    from fsspec.implementations.local import LocalFileSystem

    return FolderLocation(url, LocalFileSystem(skip_instance_cache=True), str(Path(path).absolute()))


def _bucket(url: str, parts: SplitResult, access: SourceAccess) -> Location:
    from aiohttp import ClientError as HttpError
    from botocore.exceptions import BotoCoreError, ClientError, HTTPClientError
    from s3fs import S3FileSystem

    endpoint = access.s3_endpoint
    filesystem = S3FileSystem(
        key=access.s3.key_id if access.s3 else None,
        secret=access.s3.secret if access.s3 else None,
        endpoint_url=endpoint if endpoint is None or "://" in endpoint else f"https://{endpoint}",
        client_kwargs={"region_name": access.s3.region} if access.s3 else {},
        config_kwargs={"connect_timeout": S3_TIMEOUT_S, "read_timeout": S3_TIMEOUT_S},
        session=_s3_session() if access.s3 else None,  # without a key, a shared session would keep old credentials
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    root = f"{parts.netloc}{parts.path}".rstrip("/")
    faults = (ConnectionError, TimeoutError, HttpError, HTTPClientError)
    return Location(url, filesystem, root, (OSError, BotoCoreError, ClientError, HttpError), faults, access.proxy)


@cache
def _s3_session() -> Any:
    """The session that S3 connections share: loading botocore's description of S3 takes longer than a request."""
    from aiobotocore.session import get_session

    return get_session()


class SourceGoneError(ConfigurationError):
    """The source is gone, or something else has taken its place. It may come back."""


@dataclass(frozen=True)
class SourceState:
    """What identified a source when it was last inspected."""

    device: int | None = None  # number of the folder's file system; None: a server, or never inspected
    nights: frozenset[date] = frozenset()  # the nights that it held
    misnamed: frozenset[str] = frozenset()  # folders that seem to be of a night but are not named YYYY-MM-DD

    def lost(self, now: "SourceState") -> str | None:
        """Why a later state cannot belong to the same source, in words; None if it can."""
        if self.device is not None and now.device != self.device:
            return "another file system is in its place"
        if self.nights and not self.nights & now.nights:
            return "it holds none of the nights that it held"
        return None

    def require_nights_of(self, known: Collection[date], source: object, night: date) -> None:
        """Check that this is the source that earlier nights came from, not an empty mount point or another folder.

        In a facility that deletes old recordings, the source lacks the known nights but has later ones. In a new
        facility no night is known, and the source may be empty.

        Args:
            known: nights of which the warehouse knows recordings.
            source: its name for the message.
            night: the night whose folder the operator can create to say that the source is meant to be empty.

        Raises:
            SourceGoneError: it holds neither a known night nor a later one.
        """
        if known and not any(held in known or held > max(known) for held in self.nights):
            what = "is empty" if not self.nights else "holds none of the nights that were scored, nor a later one"
            raise SourceGoneError(
                f"source {source}: {what}, and the warehouse has recordings up to {max(known)}; mount it, or if that "
                f"is intended, make the folder {night} in it"
            )


def list_nights(source: Source) -> list[date]:
    """The nights that the source holds, in order; see `open_and_look`."""
    return sorted(look_at(source).nights)


def look_at(source: Source) -> SourceState:
    """The current state of the source; see `open_and_look`."""
    with open_and_look(source) as (_, state):
        return state


@contextmanager
def open_and_look(source: Source) -> Iterator[tuple[Location, SourceState]]:
    """Open the source, look at its state, and close it when the block ends.

    An empty source is not an error here: it may be that of a new facility, or a mount point with nothing mounted.

    Raises:
        ConfigurationError: the source is missing, is not a folder, cannot be read, or holds files but no folder named
            after a date.
    """
    with ExitStack() as stack:
        try:
            location = stack.enter_context(source.open())
        except SourceReadError as error:
            raise ConfigurationError(f"source {source}: {error.strerror}; see that the server answers") from None
        try:
            state, holds_anything = _look(location)
        except SourceReadError as error:
            advice = "give the folder that holds one folder per day with --source"
            if isinstance(error, ServerFaultError):
                advice = "see that the server answers"
            raise ConfigurationError(f"source {source}: {error.strerror}; {advice}") from None
        if holds_anything and not state.nights:
            raise ConfigurationError(f"source {source}: holds no folder named YYYY-MM-DD; see docs/source.md")
        yield location, state


def require_there(source: Source, before: SourceState) -> None:
    """After a file could not be read, check that the source itself is still there.

    Raises:
        SourceGoneError: the source can no longer be listed, or its state is not that of the same source.
    """
    try:
        with source.open() as location:
            fault = before.lost(_look(location)[0])
    except SourceReadError as error:
        fault = error.strerror
    if fault:
        raise SourceGoneError(
            f"source {source}: {fault}; it disappeared during the run; what was scored is stored, so bring it back and "
            "run again"
        )


def _look(location: Location) -> tuple[SourceState, bool]:
    """The state of a source, and whether it holds any file or folder that is not hidden."""
    entries = [entry for entry in location.entries() if not is_hidden(entry.name)]
    folders = {entry.name: _as_night(entry.name) for entry in entries if entry.is_folder}
    misnamed = frozenset(
        name for name, night in folders.items() if not night and sum(map(str.isdigit, name)) >= _DIGITS_OF_A_DATE
    )
    return SourceState(location.device(), frozenset(filter(None, folders.values())), misnamed), bool(entries)


def _as_night(name: str) -> date | None:
    """The night that a folder's name YYYY-MM-DD stands for; None if the name is not a date."""
    try:
        return date.fromisoformat(name) if _NIGHT.fullmatch(name) else None
    except ValueError:
        return None
