"""Prefect's server as this facility runs it: it asks for a secret, and a server that does not is not trusted.

Whoever may talk to the server can have its workers run anything under their account. Listening only on this machine
keeps other machines out, but not other accounts of this machine.
"""

import os
import secrets
import stat
import sys
from collections.abc import Iterator
from contextlib import suppress
from pathlib import Path
from typing import NoReturn
from urllib.parse import urlsplit

from flows.data_folder import DataFolder
from flows.environment import (
    HEARTBEAT_S,
    QUIET,
    TIMEOUT_S,
    has_prefect_key,
    is_loopback,
    prefect_home,
    prefect_login,
    prefect_server,
    server_trouble,
)
from flows.settings import Settings, change_environment, default_environment, environment_with
from pmfer.errors import ConfigurationError
from warehouse.private_file import write_private

ROOT = Path(__file__).parents[1]  # of the program
USUAL_URL = "http://127.0.0.1:4200/api"
USER = "pmfer"  # user name in the credentials USER:SECRET
SECRET_BYTES = 32
_LISTENS = "0A"  # the state of a listening socket in /proc/net/tcp


def become_server(data: DataFolder, host: str, port: int) -> NoReturn:
    """Replace this process with Prefect's server, which asks for the secret in the data folder.

    Raises:
        ConfigurationError: the data folder cannot be written, or the file of the secret cannot be used.
    """
    data.require_writable()
    home = prefect_home(data)
    # Prefect writes its pages before it serves them, and the program's own folder may be read-only.
    default_environment({"PREFECT_UI_STATIC_DIRECTORY": str(home / "ui"), **QUIET})
    # With the URL of a server in its environment, the server would try to be its own client.
    change_environment(
        {"PREFECT_HOME": str(home), "PREFECT_API_URL": None, "PREFECT_SERVER_API_AUTH_STRING": make_login(data)}
    )
    _become("server", "start", "--host", host, "--port", str(port))


def become_worker(settings: Settings, pool: str, limit: int, name: str | None) -> NoReturn:
    """Replace this process with a Prefect worker.

    Args:
        settings: the settings.
        pool: work pool that it takes runs from.
        limit: number of runs at the same time.
        name: of the worker; None: Prefect's default.

    Raises:
        ConfigurationError: there is no usable server, see `require_server`.
        OSError: the folder for Prefect's state cannot be created.
    """
    login = login_to_server(settings)
    require_server(prefect_server(), login)
    home = prefect_home(settings.data)
    change_environment({"PREFECT_API_AUTH_STRING": login, "PREFECT_HOME": str(home)})
    default_environment(
        {
            "PREFECT_LOGGING_EXTRA_LOGGERS": "pmfer",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
            "PMFER_HOME": str(ROOT),
            **QUIET,
        }
    )
    named = ("--name", name) if name else ()
    _become("worker", "start", "--pool", pool, "--type", "process", "--limit", str(limit), *named)


def make_login(data: DataFolder) -> str:
    """The credentials that the server asks for: from the environment, or from a private file, which is made if missing.

    Raises:
        ConfigurationError: the file cannot be used.
        OSError: the file cannot be written.
    """
    known = prefect_login() or _read(data.server_secret)
    if known is not None:
        return known
    path = data.server_secret
    write_private(path, f"{USER}:{secrets.token_urlsafe(SECRET_BYTES)}\n", keep=True)
    login = _read(path)  # another process may have written it first
    assert login is not None
    return login


def login_to_server(settings: Settings) -> str | None:
    """The credentials of a client, from the same places as in `make_login`; None if there are none.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    return prefect_login() or _read(settings.data.server_secret)


def server_fault(url: str, login: str | None) -> str | None:
    """Why the Prefect server at a URL must not or cannot be used; None if it answers, and only with our secret.

    Raises:
        ConfigurationError: it is behind a proxy that is not supported.
    """
    import httpx

    if trouble := server_trouble(url):
        return trouble
    if (owner := _foreign_owner(url)) is not None:
        return f"{url}: is run by another account of this machine, number {owner}; stop it and start `pmfer server`"
    question = f"{url.rstrip('/')}/admin/version"
    try:
        if httpx.get(question, timeout=TIMEOUT_S).is_success:
            return f"{url}: open, so that anybody can run commands through it; stop it and start `pmfer server`"
        if has_prefect_key():
            return None
        if login is None:
            return f"{url}: asks for a secret; copy `server/secret` from the data folder of the server's machine"
        name, _, password = login.partition(":")
        if httpx.get(question, auth=(name, password), timeout=TIMEOUT_S).is_success:
            return None
    except httpx.HTTPError as error:
        return f"{url}: does not answer ({type(error).__name__}); start it, or unset PREFECT_API_URL"
    return f"{url}: refuses our secret; copy `server/secret` from the data folder of the server's machine"


def require_server(url: str | None, login: str | None) -> str:
    """Return the URL if its server can be used.

    Raises:
        ConfigurationError: no URL is given, or see `server_fault`.
    """
    if not url:
        raise ConfigurationError(
            "no Prefect server is named; set PREFECT_API_URL, for example to http://127.0.0.1:4200/api"
        )
    if trouble := server_fault(url, login):
        raise ConfigurationError(f"Prefect server {trouble}")
    return url


def usual_server() -> str | None:
    """The default URL, if this account has a server listening there; else None."""
    port = urlsplit(USUAL_URL).port
    assert port is not None
    return USUAL_URL if os.geteuid() in _owners(port) else None


def _become(*arguments: str) -> NoReturn:
    """Replace this process with one of Prefect's. No secret is among the arguments, which other accounts can see."""
    os.execve(sys.executable, [sys.executable, "-m", "prefect", *arguments], environment_with({}))


def _read(path: Path) -> str | None:
    try:
        with path.open(encoding="utf-8") as stream:
            mode = os.fstat(stream.fileno()).st_mode
            text = stream.read().strip()
    except FileNotFoundError:
        return None
    except (OSError, UnicodeDecodeError) as error:
        reason = error.strerror if isinstance(error, OSError) else "no text"
        raise ConfigurationError(f"secret {path}: cannot be read ({reason}); grant access") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"secret {path}: other accounts can read it; remove it, and start `pmfer server` again"
        )
    if ":" not in text or not text.isprintable():
        raise ConfigurationError(f"secret {path}: damaged; remove it, and start `pmfer server` again")
    return text


def _foreign_owner(url: str) -> int | None:
    """The number of the account that listens at a URL on this machine, if it is neither this account nor root."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return None
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return min(_owners(port) - {0, os.geteuid()}, default=None)


def _owners(port: int) -> set[int]:
    """The numbers of the accounts that listen on a port of this machine."""
    return {owner for table in ("tcp", "tcp6") for owner in _listeners(Path("/proc/net", table), port)}


def _listeners(table: Path, port: int) -> Iterator[int]:
    """The accounts whose sockets listen on a port, according to the system's table."""
    with suppress(OSError):  # a machine without IPv6 has no such table
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            _, address, _, state, _, _, _, owner, *_ = line.split()
            if state == _LISTENS and int(address.rpartition(":")[2], 16) == port:
                yield int(owner)
