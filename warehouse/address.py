"""Where a warehouse is, parsed from one line of text.

    file:PATH                              one DuckDB file with one writer; a bare PATH means the same
    ducklake:sqlite:PATH[?data=FOLDER]     a lake with its catalogue in an SQLite file, for many processes on a machine
    ducklake:postgres:CONNINFO[?data=...]  a lake with its catalogue in PostgreSQL, for many machines

CONNINFO is a PostgreSQL connection string, `host=db dbname=ward` or `postgresql://db/ward`. `?data=` names the folder
of the lake's Parquet files, or `s3://BUCKET/PREFIX`. The repr of an address never shows its password or keys.
"""

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Literal
from urllib.parse import parse_qsl, unquote, urlsplit

from pmfer.errors import WarehouseError

# One NAME=VALUE of a PostgreSQL connection string. A value is a word, or anything in single quotes with backslash
# escapes.
_SETTING = re.compile(r"\s*(\w+)\s*=\s*('(?:[^'\\]|\\.)*'|[^\s']*)")
_SCHEME = re.compile(r"[A-Za-z][\w+.-]*:")  # of an address; a path that begins like this needs file: or ./
_SECRETS = (
    (re.compile(r"(password\s*=\s*)('(?:[^'\\]|\\.)*'?|[^\s&\"]*)", re.IGNORECASE), r"\1***"),
    (re.compile(r"(://[^:/?#\s@]*:)[^/?#\s]*(?=@)"), r"\1***"),
    (re.compile(r"(ENCRYPTION_KEY\s*'?)[^'\s]*", re.IGNORECASE), r"\1***"),
)


@dataclass(frozen=True)
class S3Access:
    """Access to a lake's files in object storage."""

    key_id: str
    secret: str = field(repr=False)
    region: str = "us-east-1"
    endpoint: str | None = None  # host:port of a store other than AWS; with http:// in front, TLS is not used


@dataclass(frozen=True)
class FileAddress:
    """A DuckDB file, and the snapshot of it that readers open."""

    path: Path
    published: Path
    key: str | None = field(default=None, repr=False)  # see warehouse.encryption; None: not encrypted

    def __str__(self) -> str:
        return str(self.path)


@dataclass(frozen=True)
class LakeAddress:
    """A DuckLake: Parquet files and a catalogue that can have many writers."""

    catalogue: Literal["postgres", "sqlite"]
    connection: str  # path of the SQLite file, or PostgreSQL settings without the password
    data: str  # folder, or s3://BUCKET/PREFIX
    password: str | None = field(default=None, repr=False)  # for PostgreSQL; None: not needed, or in ~/.pgpass
    key: str | None = field(default=None, repr=False)  # see warehouse.encryption; None: not encrypted
    s3: S3Access | None = None

    def __str__(self) -> str:
        return f"ducklake:{self.catalogue}:{self.connection}"

    def settings_with_timeout(self, lock_timeout_s: float) -> str:
        """The PostgreSQL settings, with a limit on how long a statement waits for a lock before it fails."""
        settings = _postgres_settings(self.connection, self.connection)
        options = f"{settings.get('options', '')} -c lock_timeout={lock_timeout_s:.0f}s".strip()
        return _connection_string(settings | {"options": options})


Address = FileAddress | LakeAddress


def parse_address(
    text: str, *, published: Path, lake: Path, key: str | None = None, s3: S3Access | None = None
) -> Address:
    """Parse an address; relative paths are resolved against the working directory.

    Args:
        text: in one of the forms in the docstring of this module.
        published: path of the snapshot for readers, if the address is a file.
        lake: folder of a lake's Parquet files if the address does not name one.
        key: encryption key, see warehouse.encryption.
        s3: access to object storage, if a lake's files are there.

    Raises:
        WarehouseError: the text has none of these forms; the message does not repeat passwords.
    """
    kind, colon, rest = text.partition(":")
    if kind == "ducklake" and colon:
        return _lake(text, rest, lake, key, s3)
    path = rest if kind == "file" and colon else text
    other = kind in ("sqlite", "postgres", "postgresql") or (kind != "file" and _SCHEME.match(text))
    if not path or "://" in path or other:
        raise _refusal(text, "not an address; write file:PATH, ducklake:sqlite:PATH or ducklake:postgres:CONNINFO")
    return FileAddress(Path(path).absolute(), published, key)


def as_address(place: Address | Path) -> Address:
    """The address; a path stands for an unencrypted file that writers and readers both open."""
    return FileAddress(place, place) if isinstance(place, Path) else place


def without_secrets(text: str) -> str:
    """Mask the passwords and keys in a message, which may quote an address or a statement."""
    for pattern, replacement in _SECRETS:
        text = pattern.sub(replacement, text)
    return text


def _lake(text: str, rest: str, lake: Path, key: str | None, s3: S3Access | None) -> LakeAddress:
    rest, _, data = rest.partition("?data=")
    catalogue, _, connection = rest.partition(":")
    if not data:
        data = str(lake)
    data = data.rstrip("/") if data.startswith("s3://") else str(Path(data).absolute())
    if catalogue == "sqlite" and connection:
        return LakeAddress("sqlite", str(Path(connection).absolute()), data, None, key, s3)
    if catalogue == "postgres" and connection:
        settings = _postgres_settings(text, connection)
        password = settings.pop("password", None)
        return LakeAddress("postgres", _connection_string(settings), data, password, key, s3)
    raise _refusal(text, "not the address of a lake; write ducklake:sqlite:PATH or ducklake:postgres:CONNINFO")


def _postgres_settings(text: str, connection: str) -> dict[str, str]:
    """Parse a PostgreSQL connection string, in either of its two forms."""
    if connection.startswith(("postgresql://", "postgres://")):
        url = urlsplit(connection)
        parts = {"host": url.hostname, "port": url.port, "user": url.username, "password": url.password}
        settings = {name: unquote(str(value)) for name, value in parts.items() if value is not None}
        if url.path.strip("/"):
            settings["dbname"] = unquote(url.path.strip("/"))
        return settings | dict(parse_qsl(url.query))
    settings = {}
    position = 0
    while connection[position:].strip():
        match = _SETTING.match(connection, position)
        if not match:
            raise _refusal(text, "the PostgreSQL part does not have the form host=... dbname=...; correct it")
        name, value = match.groups()
        settings[name] = re.sub(r"\\(.)", r"\1", value[1:-1] if value.startswith("'") else value)
        position = match.end()
    return settings


def _connection_string(settings: Mapping[str, str]) -> str:
    def quoted(value: str) -> str:
        return value if re.fullmatch(r"[\w./:@-]+", value) else "'" + re.sub(r"(['\\])", r"\\\1", value) + "'"

    return " ".join(f"{name}={quoted(value)}" for name, value in settings.items())


def _refusal(text: str, what: str) -> WarehouseError:
    return WarehouseError(f"warehouse '{without_secrets(text)}': {what}")
