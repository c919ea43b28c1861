"""What a process of ours makes of its environment before it works, whether a command or a worker of Prefect started it.

It has a home folder by name at least. Loopback never goes through a proxy that the environment names, and what fails
behind one says so. Prefect's clients, boto, DuckDB, Apprise and what they rest on all read the same variables, each in
its own way. So the variables themselves are corrected once, for this process and those that it starts (spare_loopback).
"""

import re
import socket
from collections.abc import Iterator, Mapping
from importlib.util import find_spec
from ipaddress import ip_address
from pathlib import Path
from urllib.parse import SplitResult, urlsplit
from urllib.request import proxy_bypass

from flows.logs import require_logs
from flows.prefect_client import prefect_server
from flows.settings import Settings, change_environment, proxy_variables
from pmfer.errors import ConfigurationError

LOOPBACK = ("localhost", "127.0.0.1", "::1")
# An entry of NO_PROXY: a host, a domain with or without a dot, a number, each with or without a port; a range of IPv4.
_NO_PROXY_ENTRY = re.compile(r"[\w.*-]+(:\d+|/\d+)?|[0-9a-f]*:[0-9a-f:.]+", re.ASCII | re.IGNORECASE)
TIMEOUT_S = 5.0  # to connect to a proxy or a server, and to hear from it
NO_HOME = "/nonexistent"  # as Debian has it for accounts without a home folder


def adapt_environment(settings: Settings) -> None:
    """Make good for what the environment lacks: loopback without a proxy, and a home folder by name at least."""
    spare_loopback(prefect_server(), settings.s3_endpoint)
    try:
        Path.home()
    except RuntimeError:  # neither HOME nor an account by name: Prefect and others would not even be imported
        change_environment({"HOME": NO_HOME})


def set_up_worker(settings: Settings) -> None:
    """Adapt the environment and set up logs, in a process that does not come by way of the command line."""
    adapt_environment(settings)
    require_logs(settings)


def spare_loopback(*servers: str | None) -> None:
    """Have nothing on this machine reached through a proxy, by this process and those that it starts.

    Both spellings of NO_PROXY get what stands there, in a form that every library takes, and loopback with it. httpx
    breaks down over an address in brackets or a range of IPv6; urllib knows a star only where it stands alone.

    Args:
        servers: URLs of servers of ours; a number of their own that is this machine's is spared too.
    """
    proxies = proxy_variables()
    if not proxies.keys() - {"no"}:
        return
    given = [entry.strip().strip("[]") for entry in proxies.get("no", "").split(",")]
    numbers = [urlsplit(server).hostname or "" for server in servers if server]
    loopback = [number for number in numbers if is_loopback(number)]
    readable = [entry for entry in given if _NO_PROXY_ENTRY.fullmatch(entry)]
    direct = "*" if "*" in given else ",".join(dict.fromkeys([*readable, *LOOPBACK, *loopback]))
    change_environment({"NO_PROXY": direct, "no_proxy": direct})


def proxy_of(url: str, *, any_kind: bool = True) -> str | None:
    """The proxy that stands between this machine and a server, as it may be shown; None if there is none.

    Args:
        url: the server's.
        any_kind: whether ALL_PROXY counts, which boto does not read.
    """
    found = _proxy(url, any_kind)
    return found and shown(found)


def shown(proxy: str) -> str:
    """A proxy's address without name and password."""
    return re.sub(r"(?<=//)[^/]*@|^[^/]*@", "", proxy)


def require_usable(url: str, *, any_kind: bool = True) -> None:
    """Refuse a server behind a proxy that nothing here can speak to; arguments as for proxy_of.

    Raises:
        ConfigurationError: it is; names the proxy.
    """
    proxy = _proxy(url, any_kind)
    if proxy and (why := fault(proxy)):
        raise ConfigurationError(
            f"proxy {shown(proxy)}: {why}, and {url} is to be reached through it; give an http:// proxy, or name the "
            "host in NO_PROXY"
        )


def fault(proxy: str) -> str | None:
    """Why a proxy cannot be used, by its address alone; None if it can."""
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
    """Proxies that cannot be used: the variable's name in lower case, the address as it may be shown, and why."""
    for kind, proxy in proxy_variables().items():
        if kind != "no" and (why := fault(proxy)):
            yield f"{kind}_proxy", shown(proxy), why


def silent() -> Iterator[str]:
    """Proxies, as they may be shown, at which nothing takes a connection."""
    proxies = {proxy for kind, proxy in proxy_variables().items() if kind in ("http", "https", "all")}
    for proxy in sorted(proxies):
        parts = _split(proxy)
        if fault(proxy) is None and parts.hostname:
            try:
                socket.create_connection((parts.hostname, parts.port or 80), TIMEOUT_S).close()
            except OSError:
                yield shown(proxy)


def server_trouble(url: str) -> str | None:
    """Why the Prefect server at a URL cannot be used, in words that name a proxy in between; None if it answers.

    Raises:
        ConfigurationError: a proxy stands in between that nothing here can use.
    """
    import httpx

    require_usable(url)
    _pass_over_unusable()
    proxy = proxy_of(url)
    try:
        answer = httpx.get(f"{url.rstrip('/')}/health", timeout=TIMEOUT_S)
    except (httpx.HTTPError, httpx.InvalidURL) as error:
        if "CERTIFICATE" in str(error):  # it is there; Prefect has settings of its own for whom it trusts
            return None
        what = f" ({error})" if isinstance(error, httpx.ProxyError) else ""
    else:
        if not (answer.is_server_error or (proxy and answer.is_error)):
            return None
        what = f" ({answer.status_code} {answer.reason_phrase})"
    if proxy is None:
        return f"{url}: does not answer{what}; start it, or unset PREFECT_API_URL"
    return f"{url}: does not answer through the proxy {proxy}{what}; correct the proxy, or name the host in NO_PROXY"


def _pass_over_unusable() -> None:
    """Leave out what breaks httpx down even where it has no need of it."""
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
    """Whether a host is this machine, by its name or number alone."""
    try:
        return ip_address(host).is_loopback
    except ValueError:
        return host.lower() == "localhost" or host.lower().endswith(".localhost")


def _split(proxy: str) -> SplitResult:
    """The parts of a proxy's address; without a scheme it is one that speaks HTTP."""
    return urlsplit(proxy if "://" in proxy else f"http://{proxy}")
