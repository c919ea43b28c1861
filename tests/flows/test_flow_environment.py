"""Loopback is never reached through a proxy, whatever the environment says, and errors name the proxy in between.

A process also works without a home folder.
"""

import os
import subprocess
import sys
import urllib.request
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest
import requests
from notice_server import notice_server

from flows import doctor
from flows.doctor import Grade
from flows.environment import faulty_proxies, proxy_of, server_trouble, spare_loopback
from flows.job import source_of
from flows.monitoring import notify_test
from flows.settings import Settings
from flows.sources.source import list_nights
from pmfer.errors import ConfigurationError

pytestmark = pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # one of Apprise's many services uses it
DEAD = "http://127.0.0.1:9"
WITHOUT_NAME = ["unshare", "--user", "--map-user=12345"]  # an account without an entry on the system
PROGRAM = """
from flows.environment import adapt_environment
from flows.settings import Settings
adapt_environment(Settings())
import prefect.main
from flows.doctor import check_account
print(*check_account(Settings()))
"""


@pytest.fixture(autouse=True)
def no_proxies(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("http_proxy", "https_proxy", "all_proxy", "no_proxy"):
        monkeypatch.delenv(name, raising=False)
        monkeypatch.delenv(name.upper(), raising=False)


@pytest.fixture(scope="module")
def here() -> Iterator[str]:
    """A server on loopback that answers GET with 501; what counts is that it answers."""
    with notice_server() as server:
        yield server.url.replace("json://", "http://")


@pytest.mark.parametrize(
    "variables",
    [
        {"http_proxy": DEAD},
        {"HTTP_PROXY": DEAD, "NO_PROXY": "intranet.house,.house"},
        {"HTTP_PROXY": DEAD, "NO_PROXY": "127.0.0.1", "no_proxy": "elsewhere.house"},  # the lower-case variable wins
        {"HTTP_PROXY": DEAD, "NO_PROXY": "127.0.0.1", "no_proxy": ""},
        {
            "http_proxy": DEAD,
            "no_proxy": "[::1], fe80::/10, ::1/128, localhost:*, Süd.house",
        },  # httpx would fail on these
        {"http_proxy": DEAD, "no_proxy": "*, house"},
        {"ALL_PROXY": "socks5h://127.0.0.1:9"},
        {"all_proxy": "socks4://127.0.0.1:9"},
        {"http_proxy": "http://proxy:port", "HTTPS_PROXY": "ftp://proxy"},
        {"http_proxy": "proxy.house:3128", "all_proxy": "://"},
    ],
)
def test_loopback_is_reached_directly(variables: dict[str, str], here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in variables.items():
        monkeypatch.setenv(name, value)
    spare_loopback()
    assert "501" in (server_trouble(here) or "")  # it was reached; Prefect's server would have answered properly
    assert httpx.get(here).status_code == 501
    assert requests.get(here, timeout=5).status_code == 501
    with pytest.raises(urllib.request.HTTPError, match="501"):
        urllib.request.urlopen(here)


def test_what_the_house_excepts_stays_excepted_and_the_rest_goes_through(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", "http://anna:secret@proxy.house:3128")
    monkeypatch.setenv("NO_PROXY", "intranet.house, 10.0.0.0/8")
    spare_loopback("http://127.0.1.1:4200/api")
    for url in ("http://intranet.house/", "http://127.0.1.1:4200/api", "http://[::1]:4200", "http://localhost/"):
        assert proxy_of(url) is None, url
    assert proxy_of("http://prefect.house:4200/api") == "http://proxy.house:3128"
    assert proxy_of("https://prefect.house/api") is None


@pytest.mark.parametrize("url", ["http://prefect.house:4200/api", "https://prefect.house/api"])
def test_a_server_behind_a_proxy_that_refuses_is_one_line_that_names_the_proxy(
    url: str, here: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("http_proxy", here.rstrip("/"))
    monkeypatch.setenv("https_proxy", here.rstrip("/"))
    said = server_trouble(url)
    assert said is not None
    assert said.startswith(f"{url}: does not answer through the proxy {here.rstrip('/')}")
    assert len(said.splitlines()) == 1
    monkeypatch.setenv("PREFECT_API_URL", url)
    assert doctor.check_prefect(Settings())[0] is Grade.BROKEN


def test_a_proxy_that_cannot_be_used_refuses_what_needs_it(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("ALL_PROXY", "gopher://anna:secret@proxy.house:1")
    assert [name for name, _, _ in faulty_proxies()] == ["all_proxy"]
    state, text = doctor.check_proxies(Settings())
    assert (state, "secret" in text) == (Grade.WARNING, False)
    with pytest.raises(ConfigurationError, match=r"^proxy gopher://proxy\.house:1: "):
        server_trouble("http://prefect.house:4200/api")


def test_doctor_tries_the_proxy(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    assert doctor.check_proxies(Settings())[0] is Grade.OK
    monkeypatch.setenv("https_proxy", here)
    assert doctor.check_proxies(Settings())[0] is Grade.OK
    monkeypatch.setenv("http_proxy", DEAD)
    state, text = doctor.check_proxies(Settings())
    assert (state, DEAD in text) == (Grade.WARNING, True)


def test_an_object_store_behind_a_proxy_names_the_proxy(here: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("http_proxy", here)
    settings = Settings(s3_key_id="key", s3_secret="secret", s3_endpoint="http://s3.house:9000")
    with pytest.raises(ConfigurationError, match=f"through the proxy {here}"):
        list_nights(source_of(settings, "s3://ward/recordings"))


def test_notices_on_this_machine_arrive(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("HTTP_PROXY", DEAD)
    spare_loopback()
    with notice_server() as server:
        assert notify_test(Settings(notify_urls=(server.url,)))
        assert server.titles == ["PMFER: a test"]


def test_an_account_without_a_name_and_a_home_folder_will_do_and_doctor_tells() -> None:
    try:
        subprocess.run([*WITHOUT_NAME, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody be another account")
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    command = [*WITHOUT_NAME, sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("warning account number 12345, which has no name on this system: no home folder")
