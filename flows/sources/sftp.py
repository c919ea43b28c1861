"""Sources on an SFTP server: authenticated by key, and only on a host whose own key is known."""

import getpass
import os
from dataclasses import dataclass
from pathlib import Path
from typing import Any
from urllib.parse import SplitResult, unquote

import paramiko
from fsspec.implementations.sftp import SFTPFileSystem

from flows.sources.location import Location, SourceAccess, SourceReadError
from pmfer.errors import ConfigurationError

PORT = 22
TIMEOUT_S = 30.0  # for each of: connecting, the banner, authentication, and an answer
REQUESTS_AHEAD = 64  # concurrent read requests of 32 KiB each
KNOWN_HOSTS = Path("~/.ssh/known_hosts")


class _AnyNames(paramiko.SFTPClient):  # type: ignore[misc]  # paramiko has no types
    """An SFTP client that accepts names which are not UTF-8; with one such name, paramiko's cannot list the folder."""

    def _request(self, kind: Any, *arguments: Any) -> Any:
        kind, reply = super()._request(kind, *arguments)
        reply.get_text = lambda: os.fsdecode(reply.get_string())
        return kind, reply


class KnownHostFileSystem(SFTPFileSystem):  # type: ignore[misc]  # fsspec has no types
    """fsspec's SFTP file system, restricted to known hosts; fsspec's own would trust any host."""

    cachable = False

    def __init__(self, host: str, known_hosts: Path, **ssh_options: Any) -> None:
        """Connect to `host`, whose key must be in the file `known_hosts`."""
        self._known_hosts = known_hosts
        super().__init__(host, host_key_policy="reject", **ssh_options)

    def _connect(self) -> None:
        self.client = paramiko.SSHClient()
        self.client.load_host_keys(str(self._known_hosts))
        self.client.set_missing_host_key_policy(self.host_key_policy)
        try:
            self.client.connect(self.host, **self.ssh_kwargs)
            self.ftp = _AnyNames.from_transport(self.client.get_transport())
        except BaseException:
            self.client.close()
            raise
        self.ftp.get_channel().settimeout(TIMEOUT_S)

    def ls(self, path: str, detail: bool = False) -> Any:
        """List a folder."""
        found = [self._decode_stat(entry, path) for entry in self.ftp.listdir_attr(path)]
        return found if detail else sorted(info["name"] for info in found)

    def _open(self, path: str, mode: str = "rb", block_size: int | None = None, **options: Any) -> Any:
        stream = super()._open(path, mode, block_size, **options)
        # Reading 32 KiB at a time, one request after the other, would be slow from a distant server.
        stream.prefetch(max_concurrent_requests=REQUESTS_AHEAD)
        return stream


@dataclass(frozen=True)
class SftpLocation(Location):
    """A folder on an SFTP server, with a connection of its own."""

    def close(self) -> None:
        """Close the connection: paramiko's thread would otherwise keep it open until the process ends."""
        self.filesystem.client.close()


def _account(url: str) -> str:
    try:
        return getpass.getuser()
    except (OSError, KeyError):
        raise ConfigurationError(f"source {url}: names no user, and the account has no name; write USER@HOST") from None


def open_sftp(url: str, parts: SplitResult, access: SourceAccess) -> Location:
    """Connect to an SFTP server.

    Raises:
        ConfigurationError: the key file or known_hosts is missing, or the host's key is unknown or has changed.
        SourceReadError: the server cannot be reached, or refuses the key.
    """
    known_hosts = (access.sftp_known_hosts or KNOWN_HOSTS).expanduser()
    for name, path in (("known_hosts", known_hosts), ("key file", access.sftp_key_file)):
        if path is not None and not path.expanduser().is_file():
            raise ConfigurationError(f"source {url}: {name} {path}: no such file; see docs/source.md")
    key_file = access.sftp_key_file
    try:
        filesystem = KnownHostFileSystem(
            str(parts.hostname),
            known_hosts,
            port=parts.port or PORT,
            username=unquote(parts.username) if parts.username else _account(url),
            key_filename=str(key_file.expanduser()) if key_file else None,
            look_for_keys=key_file is None,
            allow_agent=key_file is None,
            timeout=TIMEOUT_S,
            banner_timeout=TIMEOUT_S,
            auth_timeout=TIMEOUT_S,
        )
    except paramiko.BadHostKeyException:
        raise ConfigurationError(
            f"source {url}: the host's key differs from the one in {known_hosts}; find out why before you replace it"
        ) from None
    except paramiko.AuthenticationException as error:
        raise SourceReadError(0, f"the host refuses the key ({error})") from None
    except paramiko.SSHException as error:
        if "not found in known_hosts" in str(error):
            raise ConfigurationError(
                f"source {url}: {known_hosts} does not know the host; verify its key, then add it with ssh-keyscan"
            ) from None
        raise SourceReadError(0, f"no SSH with the host ({error})") from None
    except OSError as error:
        raise SourceReadError(error.errno or 0, error.strerror or str(error)) from None
    faults = (ConnectionError, TimeoutError, EOFError, paramiko.SSHException, paramiko.SFTPError)
    return SftpLocation(url, filesystem, unquote(parts.path) or "/", (OSError, *faults), faults)
