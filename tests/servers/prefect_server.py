"""A Prefect server as `pmfer server` runs it, and workers that ask it: processes on loopback, gone afterwards."""

import base64
import json
import os
import signal
import socket
import subprocess
import sys
import time
import urllib.request
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from urllib.error import URLError

ROOT = Path(__file__).parents[2]
START_S = 120.0


@dataclass(frozen=True)
class PrefectServer:
    """A running server."""

    url: str
    home: Path  # where its state lies, with logs of its own and of workers
    process: "subprocess.Popen[bytes]"

    @property
    def login(self) -> str:
        """What it asks of its clients."""
        return (self.home / "data" / "server" / "secret").read_text().strip()

    def environment(self) -> dict[str, str]:
        """What a process needs to use it."""
        return os.environ | {
            "PREFECT_API_URL": self.url,
            "PREFECT_API_AUTH_STRING": self.login,
            "PREFECT_HOME": str(self.home),
            "PREFECT_SERVER_ANALYTICS_ENABLED": "false",
            "PMFER_HOME": str(ROOT),
        }

    def request(self, path: str, body: object = None, login: str | None = None) -> urllib.request.Request:
        """A request to its API, by those who know the secret or who say something else."""
        said = base64.b64encode((self.login if login is None else login).encode()).decode()
        headers = {"Content-Type": "application/json"} | ({"Authorization": f"Basic {said}"} if login != "" else {})
        return urllib.request.Request(self.url + path, None if body is None else json.dumps(body).encode(), headers)


@contextmanager
def running_server(home: Path, settings: Mapping[str, str]) -> Iterator[PrefectServer]:
    """Start a server, and stop it at the end.

    Args:
        home: folder for its state.
        settings: of the server, as PREFECT_API_DATABASE_CONNECTION_URL.
    """
    port = _free_port()
    command = [sys.executable, "-m", "cli", "server", "--port", str(port), "--data-dir", str(home / "data")]
    environment = os.environ | {"PREFECT_HOME": str(home)} | settings
    with (home / "server.log").open("w") as log:
        process = subprocess.Popen(command, env=environment, stdout=log, stderr=log, start_new_session=True, cwd=ROOT)
    server = PrefectServer(f"http://127.0.0.1:{port}/api", home, process)
    try:
        _wait_until(lambda: _answers(f"{server.url}/health"), process, home / "server.log")
        yield server
    finally:
        kill_all(process)


@contextmanager
def running_worker(
    server: PrefectServer, name: str, settings: Mapping[str, str], pool: str = "pmfer-gpu"
) -> Iterator["subprocess.Popen[bytes]"]:
    """Start a worker that takes one run at a time, wait until the server knows it, and stop it with all it started."""
    command = [sys.executable, "-m", "cli", "worker", pool, "--name", name]
    environment = server.environment() | {"PREFECT_WORKER_QUERY_SECONDS": "1"} | settings
    log = server.home / f"{name}.log"
    with log.open("w") as stream:
        process = subprocess.Popen(command, env=environment, stdout=stream, stderr=stream, start_new_session=True)
    try:
        _wait_until(lambda: name in _workers_online(server, pool), process, log)
        yield process
    finally:
        kill_all(process)


def kill_all(process: "subprocess.Popen[bytes]") -> None:
    """Kill -9 a process with all its descendants at once, as a machine does that loses power."""
    for pid in [process.pid, *descendants(process.pid)]:
        with suppress(ProcessLookupError):
            os.kill(pid, signal.SIGKILL)
    process.wait()


def descendants(pid: int) -> list[int]:
    """All processes below one."""
    children: dict[int, list[int]] = {}
    for stat in Path("/proc").glob("[0-9]*/stat"):
        with suppress(OSError):
            children.setdefault(int(stat.read_text().rpartition(")")[2].split()[1]), []).append(int(stat.parent.name))
    found: list[int] = []
    waiting = [pid]
    while waiting:
        below = children.get(waiting.pop(), [])
        found += below
        waiting += below
    return found


def _free_port() -> int:
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return int(probe.getsockname()[1])


def _answers(url: str) -> bool:
    with suppress(URLError, OSError), urllib.request.urlopen(url, timeout=5):
        return True
    return False


def _workers_online(server: PrefectServer, pool: str) -> set[str]:
    """Names of the workers of a pool that have lately told the server that they live."""
    with urllib.request.urlopen(server.request(f"/work_pools/{pool}/workers/filter", {}), timeout=30) as answer:
        return {worker["name"] for worker in json.load(answer) if worker["status"] == "ONLINE"}


def _wait_until(ready: Callable[[], bool], process: "subprocess.Popen[bytes]", log: Path) -> None:
    deadline = time.monotonic() + START_S
    while process.poll() is None and time.monotonic() < deadline:
        if ready():
            return
        time.sleep(0.2)
    raise RuntimeError(f"it did not start: {log.read_text()}")
