"""Prepare a process's environment before it works, whether it was started by a command or by a Prefect worker.

`HOME` is set to a placeholder if there is no home folder. Loopback addresses are never reached through a proxy, and
errors name the proxy in between. Prefect's clients, boto, DuckDB, Apprise and the libraries below them read the same
proxy variables, each in its own way, so the variables themselves are corrected once, for this process and its child
processes (spare_loopback). Prefect reads its settings when it is imported, so they are set before (prepare_prefect).
"""

import re
import socket
from collections.abc import Iterator, Mapping
from datetime import datetime
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass
from zoneinfo import TZPATH

from flows.data_folder import DataFolder
from flows.logs import require_logs
from flows.plain_text import printable
from flows.settings import (
    Settings,
    change_environment,
    default_environment,
    environment_with,
    proxy_variables,
    variable,
)
from pmfer.errors import ConfigurationError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# An entry of NO_PROXY: a host, a domain with or without leading dot, or an address, each with or without a port; or a
# range of IPv4 addresses.
_NO_PROXY_ENTRY = re.compile(r"[\w.*-]+(:\d+|/\d+)?|[0-9a-f]*:[0-9a-f:.]+", re.ASCII | re.IGNORECASE)
# A time zone that is written out, such as CET-1CEST,M3.5.0,M10.5.0/3, so that the system needs no file of it.
_WRITTEN_OUT_ZONE = re.compile(r"(<[A-Z0-9+-]{3,}>|[A-Z]{3,})[+-]?\d|(UTC|GMT)$", re.IGNORECASE)
TIMEOUT_S = 5.0  # to connect to a proxy or a server, and to wait for its answer
NO_HOME = "/nonexistent"  # Debian's entry for accounts without a home folder
# Prefect sends no telemetry, and its server deletes old runs.
QUIET = {
    "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
    "DO_NOT_TRACK": "1",
    # The server deletes runs after three months, with their logs and tables.
    "PREFECT_SERVER_SERVICES_DB_VACUUM_ENABLED": "events,flow_runs",
}
HEARTBEAT_S = 30  # seconds between two heartbeats of a run, the minimum in Prefect; repeated in prefect.yaml


def adapt_environment(settings: Settings) -> None:
    """Exempt loopback from proxies, set HOME if there is no home folder, and check the time zone.

    Raises:
        ConfigurationError: TZ is not a time zone.
    """
    _require_time_zone()
    spare_loopback(prefect_server(), settings.s3_endpoint)
    try:
        Path.home()
    except RuntimeError:  # neither HOME nor an account name: importing Prefect and other libraries would fail
        change_environment({"HOME": NO_HOME})


def _require_time_zone() -> None:
    """Check that the system knows the zone: for one that it does not know, it would silently take UTC."""
    zone = environment_with({}).get("TZ", "")
    name = zone.removeprefix(":")
    try:
        datetime.now().astimezone()
        if Path(name).exists():  # Babel, which writes the reports' dates, reads this file even if the system does not
            valid = not zone or _begins_with(Path(name), b"TZif")
        else:
            valid = any(Path(folder, name).is_file() for folder in TZPATH) or bool(_WRITTEN_OUT_ZONE.match(name))
    except (ValueError, OSError):
        valid = False
    if not valid:
        raise ConfigurationError(
            f"TZ {printable(zone)}: not a time zone of this system; set it to a name such as Europe/Berlin, or install "
            "tzdata"
        )


def _begins_with(file: Path, start: bytes) -> bool:
    with file.open("rb") as stream:
        return stream.read(len(start)) == start


def set_up_worker(settings: Settings) -> None:
    """Adapt the environment and set up logs, in a process that the command line did not start.

    Raises:
        ConfigurationError: as for adapt_environment, or logs cannot be written.
    """
    adapt_environment(settings)
    require_logs(settings)


def prefect_server() -> str | None:
    """The URL of the Prefect server, if the environment names one."""
    return variable("PREFECT_API_URL")


def prefect_login() -> str | None:
    """The credentials for Prefect's server (`USER:SECRET`), if the environment holds them."""
    return variable("PREFECT_API_AUTH_STRING")


def has_prefect_key() -> bool:
    """Whether the environment has an API key for Prefect Cloud."""
    return bool(variable("PREFECT_API_KEY"))


def prefect_home(data: DataFolder) -> Path:
    """The folder of Prefect's state: the one that PREFECT_HOME names, else one in the data folder; made if missing."""
    home = Path(variable("PREFECT_HOME") or data.prefect_home).expanduser().absolute()
    home.mkdir(mode=0o700, parents=True, exist_ok=True)
    return home


def prepare_prefect(settings: Settings, login: str | None = None) -> None:
    """Configure Prefect as a client, before it is imported.

    Args:
        settings: for the data folder, where Prefect keeps its state, and the log format.
        login: the credentials for the server that the environment names.

    Raises:
        OSError: the folder for its state cannot be created.
    """
    change_environment({"PREFECT_HOME": str(prefect_home(settings.data))})
    if login:
        change_environment({"PREFECT_API_AUTH_STRING": login})
    defaults = {
        # Never start a temporary server, which anybody on this machine could control.
        "PREFECT_SERVER_ALLOW_EPHEMERAL_MODE": "false",
        # In seconds, and number of retries: a server that is down must not delay a night that only shows itself there.
        "PREFECT_API_REQUEST_TIMEOUT": "20",
        "PREFECT_CLIENT_MAX_RETRIES": "2",
        # Prefect would log a traceback for every failed task. The error itself reaches the command line, which prints
        # it in one line.
        "PREFECT_LOGGING_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_ROOT_LEVEL": "CRITICAL",
        "PREFECT_LOGGING_INTERNAL_LEVEL": "CRITICAL",
        "PREFECT_FLOWS_HEARTBEAT_FREQUENCY": str(HEARTBEAT_S),
        **QUIET,
    }
    if settings.log_format == "json":
        defaults["PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER"] = "json"
        defaults["PREFECT_LOGGING_FORMATTERS_JSON_CLASS"] = "flows.logs.JsonFormatter"
    default_environment(defaults)


def spare_loopback(*servers: str | None) -> None:
    """Exempt this machine's own addresses from proxies, for this process and its child processes.

    Both spellings of NO_PROXY are set to the entries given there plus loopback, in a form that every library accepts:
    httpx fails on an address in brackets or an IPv6 range, and urllib understands a star only if it is the sole entry.

    Args:
        servers: URLs of our servers; if one has a loopback address, that address is exempted too.
    """
    proxies = proxy_variables()
    if not proxies.keys() - {"no"}:
        return
    given = [entry.strip().strip("[]") for entry in proxies.get("no", "").split(",")]
    hosts = [urlsplit(server).hostname or "" for server in servers if server]
    loopback = [host for host in hosts if is_loopback(host)]
    readable = [entry for entry in given if _NO_PROXY_ENTRY.fullmatch(entry)]
    direct = "*" if "*" in given else ",".join(dict.fromkeys([*readable, *LOOPBACK, *loopback]))
    change_environment({"NO_PROXY": direct, "no_proxy": direct})


def proxy_of(url: str, *, any_kind: bool = True) -> str | None:
    """The proxy between this machine and a server, without name and password; None if there is none.

    Args:
        url: of the server.
        any_kind: whether ALL_PROXY counts; boto ignores it.
    """
    found = _proxy(url, any_kind)
    return found and shown(found)


def shown(proxy: str) -> str:
    """A proxy's address without name and password."""
    return re.sub(r"(?<=//)[^/]*@|^[^/]*@", "", proxy)


def require_usable(url: str, *, any_kind: bool = True) -> None:
    """Refuse a server that is behind a proxy which is not supported; arguments as for proxy_of.

    Raises:
        ConfigurationError: it is behind such a proxy, which the message names.
    """
    proxy = _proxy(url, any_kind)
    if proxy and (why := fault(proxy)):
        raise ConfigurationError(
            f"proxy {shown(proxy)}: {why}, and {url} is to be reached through it; give an http:// proxy, or name the "
            "host in NO_PROXY"
        )


def fault(proxy: str) -> str | None:
    """Why a proxy cannot be used, judged by its address alone; None if it can."""
    scheme, separator, _ = proxy.partition("://")
    try:
        parts = _split(proxy)
        port = parts.port
    except ValueError:
        return "is not a valid address"
    if not parts.hostname or port == 0:
        return "is not a valid address"
    if separator and scheme.lower() in ("socks5", "socks5h"):
        return None if find_spec("socksio") else "SOCKS needs the package socksio, which is not installed"
    return None if parts.scheme in ("http", "https") else f"{parts.scheme}:// proxies are not supported"


def faulty_proxies() -> Iterator[tuple[str, str, str]]:
    """Proxies that cannot be used: the variable's name in lower case, the address without credentials, and why."""
    for kind, proxy in proxy_variables().items():
        if kind != "no" and (why := fault(proxy)):
            yield f"{kind}_proxy", shown(proxy), why


def unreachable_proxies() -> Iterator[str]:
    """Proxies that accept no connection, without name and password."""
    proxies = {proxy for kind, proxy in proxy_variables().items() if kind in ("http", "https", "all")}
    for proxy in sorted(proxies):
        parts = _split(proxy)
        if fault(proxy) is None and parts.hostname:
            try:
                socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT_S).close()
            except OSError:
                yield shown(proxy)


def server_trouble(url: str) -> str | None:
    """Why the Prefect server at a URL cannot be reached, naming the proxy in between if any; None if it answers.

    Raises:
        ConfigurationError: it is behind a proxy that is not supported.
    """
    import httpx

    require_usable(url)
    _unset_unusable_proxies()
    proxy = proxy_of(url)
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if "CERTIFICATE" in str(error):  # the server is there; Prefect has its own settings for certificates
            return None
        what = f" ({error})" if isinstance(error, httpx.ProxyError) else ""
    else:
        if not (answer.is_server_error or (proxy and answer.is_error)):
            return None
        what = f" ({answer.status_code} {answer.reason_phrase})"
    if proxy is None:
        return f"{url}: does not answer{what}; start it, or unset PREFECT_API_URL"
    return f"{url}: does not answer through the proxy {proxy}{what}; correct the proxy, or name the host in NO_PROXY"


def _unset_unusable_proxies() -> None:
    """Unset proxies that would make httpx fail even where it does not need them."""
    for name, _, _ in list(faulty_proxies()):
        change_environment({name: None, name.upper(): None})


def _proxy(url: str, any_kind: bool) -> str | None:
    proxies, parts = proxy_variables(), urlsplit(url)
    proxy = proxies.get(parts.scheme) or (proxies.get("all") if any_kind else None)
    return None if proxy is None or _bypassed(parts, proxies) else proxy


def _bypassed(parts: SplitResult, proxies: Mapping[str, str]) -> bool:
    host = parts.hostname or ""
    return is_loopback(host) or bool(proxy_bypass(f"{host}:{parts.port or ''}", dict(proxies)))


def is_loopback(host: str) -> bool:
    """Whether a host's name or address alone says that it is this machine."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _split(proxy: str) -> SplitResult:
    """The parts of a proxy's address, which has the scheme http if it names none."""
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")
