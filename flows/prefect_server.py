"""Prefect's server as this facility runs it: it asks for a secret, and no server that does not is trusted.

Whoever may talk to the server can have its workers run anything, as the account that they run as. Listening to this
machine alone keeps other machines out, and no other account of this one.
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
from flows.environment import TIMEOUT_S, is_loopback, server_trouble
from flows.prefect_client import HEARTBEAT_S, QUIET, has_prefect_key, prefect_login, prefect_server
from flows.settings import Settings, change_environment, default_environment, environment_with
from pmfer.errors import ConfigurationError
from warehouse.private_file import write_private

ROOT = Path(__file__).parents[1]  # of the program
USUAL_URL = "http://127.0.0.1:4200/api"
USER = "pmfer"  # before the colon of what a client says
SECRET_BYTES = 32
_LISTENS = "0A"  # state of a socket in /proc/net/tcp


def become_server(data: DataFolder, host: str, port: int) -> NoReturn:
    """Let this process be Prefect's server, which asks for the secret of the data folder.

    Raises:
        ConfigurationError: the data folder cannot be written, or the file of the secret cannot be used.
    """
    data.require_writable()
    default_environment({"PREFECT_HOME": str(data.prefect_home), **QUIET})
    home = Path(environment_with({})["PREFECT_HOME"])
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    # Where the program lies nothing can be written, and Prefect's pages are written before they are served.
    default_environment({"PREFECT_UI_STATIC_DIRECTORY": str(home / "ui")})
    # With an address of its own the server would try to be its own client.
    change_environment({"PREFECT_API_URL": None, "PREFECT_SERVER_API_AUTH_STRING": make_login(data)})
    _become("server", "start", "--host", host, "--port", str(port))


def become_worker(settings: Settings, pool: str, limit: int, name: str | None) -> NoReturn:
    """Let this process be a worker of Prefect.

    Args:
        settings: the settings.
        pool: work pool that it takes runs from.
        limit: runs at the same time.
        name: of the worker; None: by the machine.

    Raises:
        ConfigurationError: there is no server that can be used, see `require_server`.
    """
    login = login_to_server(settings)
    require_server(prefect_server(), login)
    change_environment({"PREFECT_API_AUTH_STRING": login})
    default_environment(
        {
            "PREFECT_HOME": str(DataFolder(settings.data_dir.absolute()).prefect_home),
            "PREFECT_LOGGING_EXTRA_LOGGERS": "pmfer",
            "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
            "PMFER_HOME": str(ROOT),
            **QUIET,
        }
    )
    named = ("--name", name) if name else ()
    _become("worker", "start", "--pool", pool, "--type", "process", "--limit", str(limit), *named)


def make_login(data: DataFolder) -> str:
    """What the server asks of its clients: that of the environment, or of a private file, which is made if need be.

    Raises:
        ConfigurationError: the file cannot be used.
        OSError: it cannot be written.
    """
    known = prefect_login() or _read(data.server_secret)
    if known is not None:
        return known
    path = data.server_secret
    write_private(path, f"{USER}:{secrets.token_urlsafe(SECRET_BYTES)}\n", keep=True)
    made = _read(path)
    assert made is not None
    return made


def login_to_server(settings: Settings) -> str | None:
    """What a client says to the server: as for `make_login`; None if there is nothing to be said.

    Raises:
        ConfigurationError: the file cannot be used.
    """
    return prefect_login() or _read(DataFolder(settings.data_dir.absolute()).server_secret)


def server_fault(url: str, login: str | None) -> str | None:
    """Why the Prefect server at a URL must not or cannot be used; None if it answers its own clients and nobody else.

    Raises:
        ConfigurationError: a proxy stands in between that nothing here can use.
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
    """The URL of a server that can be used.

    Raises:
        ConfigurationError: none is named, or see `server_fault`.
    """
    if not url:
        raise ConfigurationError("no Prefect server is named; set PREFECT_API_URL, as http://127.0.0.1:4200/api")
    if trouble := server_fault(url, login):
        raise ConfigurationError(f"Prefect server {trouble}")
    return url


def usual_server() -> str | None:
    """The URL of a server that this account runs in the usual place, whether it is named or not; None without one."""
    port = urlsplit(USUAL_URL).port
    assert port is not None
    return USUAL_URL if os.geteuid() in _owners(port) else None


def _become(*arguments: str) -> NoReturn:
    """Let this process be one of Prefect's; nothing secret stands among its arguments."""
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
        raise ConfigurationError(f"secret {path}: cannot be read ({reason}); give access") from None
    if stat.S_IMODE(mode) & 0o077:
        raise ConfigurationError(
            f"secret {path}: other accounts can read it; remove it, and start `pmfer server` again"
        )
    if ":" not in text or not text.isprintable():
        raise ConfigurationError(f"secret {path}: damaged; remove it, and start `pmfer server` again")
    return text


def _foreign_owner(url: str) -> int | None:
    """The account, by number, that listens at a URL on this machine, if it is neither this one nor root."""
    parts = urlsplit(url)
    if not is_loopback(parts.hostname or ""):
        return None
    port = parts.port or {"http": 80, "https": 443}.get(parts.scheme, 0)
    return min(_owners(port) - {0, os.geteuid()}, default=None)


def _owners(port: int) -> set[int]:
    """The accounts that listen at a port of this machine, by number."""
    return {owner for table in ("tcp", "tcp6") for owner in _listeners(Path("/proc/net", table), port)}


def _listeners(table: Path, port: int) -> Iterator[int]:
    """The accounts whose sockets listen at a port, by the system's table."""
    with suppress(OSError):
        for line in table.read_text(encoding="ascii").splitlines()[1:]:
            _, address, _, state, _, _, _, owner, *_ = line.split()
            if state == _LISTENS and int(address.rpartition(":")[2], 16) == port:
                yield int(owner)
