"""Where recordings come from: opened by its URL, and told from an empty mount point or another disk in its place.

/srv/recordings, file:///srv/recordings    a local or mounted folder
s3://BUCKET/PREFIX                         any store that speaks S3
sftp://USER@HOST:PORT/FOLDER               by key, to a host that known_hosts knows
"""

import re
from collections.abc import Collection
from dataclasses import dataclass, field
from datetime import date
from pathlib import Path
from urllib.parse import SplitResult, urlsplit

from flows.sources.location import FolderLocation, Location, SourceAccess, SourceReadError
from flows.sources.names import is_hidden
from pmfer.errors import ConfigurationError

S3_TIMEOUT_S = 30  # to connect and to wait for an answer
_NIGHT = re.compile(r"\d{4}-\d{2}-\d{2}")


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


def open_location(url: str, access: SourceAccess) -> Location:
    """Open a source by its URL; only SFTP connects at once.

    Raises:
        ConfigurationError: the URL has another form, or holds a password.
        SourceReadError: the server cannot be reached or refuses.
    """
    if "://" not in url:
        return _folder(url, url)
    parts = urlsplit(url)
    if parts.password is not None:
        raise ConfigurationError(
            f"source {parts.scheme}://...@{parts.hostname}: holds a password, which others could read; use a key"
        )
    if parts.query or parts.fragment:
        raise ConfigurationError(f"source {url}: nothing may follow the path; leave out what stands after ? or #")
    if parts.scheme == "file" and parts.netloc in ("", "localhost"):
        return _folder(url, parts.path)
    if parts.scheme == "s3" and parts.netloc:
        return _bucket(url, parts, access)
    if parts.scheme == "sftp" and parts.hostname:
        from flows.sources.sftp import open_sftp

        return open_sftp(url, parts, access)
    raise ConfigurationError(
        f"source {url}: no folder and no URL that is known; write a path, s3://BUCKET/PREFIX or sftp://USER@HOST/FOLDER"
    )


def _folder(url: str, path: str) -> Location:
    from fsspec.implementations.local import LocalFileSystem

    return FolderLocation(url, LocalFileSystem(skip_instance_cache=True), str(Path(path).absolute()))


def _bucket(url: str, parts: SplitResult, access: SourceAccess) -> Location:
    from botocore.exceptions import BotoCoreError, ClientError
    from s3fs import S3FileSystem

    endpoint = access.s3_endpoint
    filesystem = S3FileSystem(
        key=access.s3.key_id if access.s3 else None,
        secret=access.s3.secret if access.s3 else None,
        endpoint_url=endpoint if endpoint is None or "://" in endpoint else f"https://{endpoint}",
        client_kwargs={"region_name": access.s3.region} if access.s3 else {},
        config_kwargs={"connect_timeout": S3_TIMEOUT_S, "read_timeout": S3_TIMEOUT_S},
        use_listings_cache=False,
        skip_instance_cache=True,
    )
    root = f"{parts.netloc}{parts.path}".rstrip("/")
    return Location(url, filesystem, root, (OSError, BotoCoreError, ClientError), access.proxy)


class SourceGoneError(ConfigurationError):
    """The source is not there, or something else is in its place; it may come back."""


@dataclass(frozen=True)
class SourceState:
    """What a source was when it was looked at."""

    device: int | None = None  # number of a folder's file system; None: on a server, which has none, or never looked at
    nights: frozenset[date] = frozenset()  # those that it holds

    def lost(self, now: "SourceState") -> str | None:
        """Why a later state is not one of the same source, in words; None if it may be."""
        if self.device is not None and now.device != self.device:
            return "another file system is in its place"
        if self.nights and not self.nights & now.nights:
            return "it holds none of the nights that it held"
        return None

    def require_nights_of(self, known: Collection[date], source: object, night: date) -> None:
        """Refuse an empty mount point, or another folder in the place of the source.

        A house that removes old recordings has a source without the nights that are known, but with later ones. One
        that nothing is known of, because it is new, may be empty.

        Args:
            known: nights that recordings were taken from, as the warehouse knows them.
            source: what to call it.
            night: that a folder may be made of, to say that the source is meant to be empty.

        Raises:
            SourceGoneError: it holds none of the nights that are known, and no later one.
        """
        if known and not any(held in known or held > max(known) for held in self.nights):
            what = "is empty" if not self.nights else "holds none of the nights that were scored, nor a later one"
            raise SourceGoneError(
                f"source {source}: {what}, and the warehouse has recordings up to {max(known)}; mount it, or if it is "
                f"meant to be so, make the folder {night} in it"
            )


def list_nights(source: Source) -> list[date]:
    """Nights that the source holds, in order; see `look_at`."""
    return sorted(look_at(source).nights)


def look_at(source: Source) -> SourceState:
    """What the source is now, see `open_and_look`."""
    return open_and_look(source)[1]


def open_and_look(source: Source) -> tuple[Location, SourceState]:
    """The open source, and what it is now.

    It may be empty: that is a new house, or a mount point that nothing is mounted on.

    Raises:
        ConfigurationError: the source is missing, no folder, unreadable, or holds something, but no folder named after
            a date.
    """
    try:
        location = source.open()
    except SourceReadError as error:
        raise ConfigurationError(f"source {source}: {error.strerror}; see that the server answers") from None
    try:
        state, holds_anything = _look(location)
    except SourceReadError as error:
        raise ConfigurationError(
            f"source {source}: {error.strerror}; give the folder that holds one folder per day with --source"
        ) from None
    if holds_anything and not state.nights:
        raise ConfigurationError(f"source {source}: holds no folder named YYYY-MM-DD; see docs/source.md")
    return location, state


def require_there(source: Source, before: SourceState) -> None:
    """Tell a file that cannot be read from a source that is gone.

    Raises:
        SourceGoneError: the source cannot be listed any more, or is not what it was when it was seen before.
    """
    try:
        gone = before.lost(_look(source.open())[0])
    except SourceReadError as error:
        gone = error.strerror
    if gone:
        raise SourceGoneError(
            f"source {source}: {gone}; it went away in mid-run, what was scored is stored: bring it back and run again"
        )


def _look(location: Location) -> tuple[SourceState, bool]:
    """What a source is now, and whether it holds anything at all."""
    entries = [entry for entry in location.entries() if not is_hidden(entry.name)]
    nights = (_as_night(entry.name) for entry in entries if entry.is_folder)
    return SourceState(location.device(), frozenset(filter(None, nights))), bool(entries)


def _as_night(name: str) -> date | None:
    """The night that a folder is named after, as YYYY-MM-DD; None if it is not."""
    try:
        return date.fromisoformat(name) if _NIGHT.fullmatch(name) else None
    except ValueError:
        return None
