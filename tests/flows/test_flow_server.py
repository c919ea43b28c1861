"""Prefect's server answers only clients that know its secret, and no night depends on it."""

import json
import os
import shutil
import stat
import subprocess
import sys
import time
import tomllib
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import date
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from threading import Thread
from urllib.error import HTTPError

import pytest
from command import exit_code
from prefect_server import ROOT, PrefectServer, kill_all, running_server
from privacy_folder import file_of

from flows import doctor
from flows.data_folder import DataFolder
from flows.deploy import require_variables
from flows.doctor import Grade
from flows.prefect_runs import as_flow, as_task, telling
from flows.prefect_server import make_login, server_fault
from flows.settings import Settings
from pmfer.errors import ConfigurationError
from simulator.ward import WardPlan, write_ward
from warehouse.connection import open_reader

NIGHT = date(2026, 3, 2)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[PrefectServer]:
    with running_server(tmp_path_factory.mktemp("prefect"), {}) as server:
        yield server


@contextmanager
def open_server() -> Iterator[str]:
    """A server that asks for no secret, like an attacker's, or one started by `prefect server start`."""

    class Open(BaseHTTPRequestHandler):
        def do_GET(self) -> None:
            self.send_response(200)
            self.end_headers()
            self.wfile.write(b"true")

        def log_message(self, *arguments: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Open) as http:
        Thread(target=http.serve_forever, daemon=True).start()
        yield f"http://127.0.0.1:{http.server_port}/api"
        http.shutdown()


def status_of(request: urllib.request.Request) -> int:
    try:
        with urllib.request.urlopen(request, timeout=60) as answer:
            return int(answer.status)
    except HTTPError as error:
        return error.code


def test_the_secret_is_made_once_for_its_owner_alone(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    login = make_login(data)
    assert make_login(data) == login
    assert len(login) > 40
    assert stat.S_IMODE(data.server_secret.stat().st_mode) == 0o600
    assert stat.S_IMODE(data.server_secret.parent.stat().st_mode) == 0o700
    assert list(data.server_secret.parent.iterdir()) == [data.server_secret]
    data.server_secret.chmod(0o640)
    with pytest.raises(ConfigurationError, match="other accounts can read it"):
        make_login(data)


def test_no_command_works_for_an_open_server_and_doctor_calls_it_broken(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with open_server() as url:
        monkeypatch.setenv("PREFECT_API_URL", url)
        state, text = doctor.check_prefect(Settings(data_dir=tmp_path))
        assert (state, "open, so that anybody can run commands through it" in text) == (Grade.BROKEN, True)
        monkeypatch.setattr("flows.prefect_server.USUAL_URL", url)
        monkeypatch.delenv("PREFECT_API_URL")
        assert doctor.check_prefect(Settings(data_dir=tmp_path))[0] is Grade.BROKEN, "ours, though nobody names it"
        monkeypatch.setenv("PREFECT_API_URL", url)
        for command in (["worker", "pmfer"], ["deploy", "--source", str(tmp_path)]):
            assert exit_code(*command, "--data-dir", str(tmp_path / "data")) == 1
            assert "open, so that anybody" in capsys.readouterr().err


def test_a_server_of_another_account_is_not_trusted(monkeypatch: pytest.MonkeyPatch) -> None:
    us, nobody = os.geteuid(), 65534
    if us == 0:  # the socket belongs to another account
        os.seteuid(nobody)
    else:  # its owner stays the same, and this process pretends to be another account
        monkeypatch.setattr(os, "geteuid", lambda: us + 1)
    try:
        listening = open_server()
        url = listening.__enter__()
    finally:
        os.seteuid(us)
    fault = server_fault(url, "pmfer:secret")
    listening.__exit__(None, None, None)
    assert fault is not None
    assert f"is run by another account of this machine, number {us or nobody}; " in fault


def test_deploying_without_a_source_or_a_data_folder_is_refused() -> None:
    require_variables(PMFER_SOURCE="/srv/recordings", PMFER_DATA_DIR="/srv/pmfer")
    for given in ({}, {"PMFER_SOURCE": "/srv/recordings"}, {"PMFER_SOURCE": "", "PMFER_DATA_DIR": "/srv/pmfer"}):
        with pytest.raises(ConfigurationError, match="is not set; use `pmfer deploy`"):
            require_variables(**given)


def test_an_installation_without_prefect_yaml_says_so_and_a_wheel_has_it(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from flows import deploy

    monkeypatch.setattr(deploy, "ROOT", tmp_path)
    monkeypatch.setattr("sysconfig.get_path", lambda name: str(tmp_path / name))
    with pytest.raises(ConfigurationError, match=r"^prefect\.yaml: neither in .* install this release again$"):
        deploy.definitions()
    installed = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["data-files"]
    for folder, files in installed.items():
        (tmp_path / "data" / folder).mkdir(parents=True)
        for file in files:
            shutil.copy(ROOT / file, tmp_path / "data" / folder)
    assert deploy.definitions().read_text() == (ROOT / "prefect.yaml").read_text()


def test_what_cannot_be_told_is_done_once_and_fails_by_its_own_errors_alone() -> None:
    from prefect.settings import PREFECT_API_URL, PREFECT_CLIENT_MAX_RETRIES, temporary_settings

    done: list[str] = []

    def work() -> str:
        as_task("step", lambda: done.append("step"))
        done.append("flow")
        return "result"

    def fail() -> None:
        done.append("failed")
        raise ValueError("of the work")

    with temporary_settings({PREFECT_API_URL: "http://127.0.0.1:1/api", PREFECT_CLIENT_MAX_RETRIES: 0}):
        with telling():
            assert as_flow("work", "work of today", work) == "result"
            with pytest.raises(ValueError, match="of the work"):
                as_flow("fail", "failure of today", fail)
        with telling(), pytest.raises(ValueError, match="of the work"):
            as_flow("fail", "failure of today", fail)
    assert done == ["step", "flow", "failed", "failed"]


@pytest.mark.slow
def test_who_does_not_know_the_secret_is_refused_and_sees_it_nowhere(
    server: PrefectServer, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    stolen = {"name": "stolen", "flow_id": "00000000-0000-0000-0000-000000000000"}
    for login in ("", "pmfer:", "pmfer:guess", server.login + "x"):
        for path, body in (("/admin/version", None), ("/deployments/", stolen), ("/work_pools/filter", {})):
            assert status_of(server.request(path, body, login)) == 401, (login, path)
    assert status_of(server.request("/admin/version")) == 200
    page = server.url.removesuffix("/api")
    assert status_of(urllib.request.Request(page, headers={"Accept": "text/html"})) == 200
    assert (server.home / "ui").is_dir()
    secret = server.login.partition(":")[2]
    assert secret not in (server.home / "server.log").read_text()
    for line in Path("/proc").glob("[0-9]*/cmdline"):
        assert secret.encode() not in line.read_bytes() if line.exists() else True
    for name, value in server.environment().items():
        if name.startswith("PREFECT_"):
            monkeypatch.setenv(name, value)
    assert doctor.check_prefect(Settings(data_dir=tmp_path))[0] is Grade.OK
    monkeypatch.setenv("PREFECT_API_AUTH_STRING", "pmfer:guess")
    assert "refuses our secret" in doctor.check_prefect(Settings(data_dir=tmp_path))[1]
    monkeypatch.delenv("PREFECT_API_AUTH_STRING")
    assert "asks for a secret" in doctor.check_prefect(Settings(data_dir=tmp_path))[1]


@pytest.mark.slow
def test_deployments_are_made_by_those_who_know_the_secret_and_never_with_empty_paths(
    server: PrefectServer, tmp_path: Path
) -> None:
    unset = {key: value for key, value in server.environment().items() if not key.startswith("PMFER_")}

    def deploy(*command: str) -> subprocess.CompletedProcess[str]:
        whole = [sys.executable, "-m", *command]
        return subprocess.run(whole, cwd=ROOT, env=unset, capture_output=True, text=True, check=False)

    def parameters() -> dict[str, dict[str, str]]:
        with urllib.request.urlopen(server.request("/deployments/filter", {}), timeout=60) as answer:
            return {made["name"]: made["parameters"] for made in json.load(answer)}

    data = tmp_path / "data"
    made = deploy("cli", "deploy", "--source", str(tmp_path), "--data-dir", str(data))
    assert made.returncode == 0, made.stderr
    before = parameters()
    assert before["backfill"] == {"source": str(tmp_path), "data_dir": str(data)}
    empty = deploy("prefect", "--no-prompt", "deploy", "--all")
    assert empty.returncode != 0
    assert "PMFER_SOURCE is not set; use `pmfer deploy`" in " ".join((empty.stdout + empty.stderr).split())
    assert parameters() == before


@pytest.mark.slow
def test_the_server_is_told_of_a_night_but_of_no_patient_session_or_file(server: PrefectServer, tmp_path: Path) -> None:
    plan = WardPlan(NIGHT, days=1, sessions_per_day=1, seconds_per_session=1.2, size=(160, 120))
    write_ward(tmp_path / "source", plan, workers=1)
    folder = tmp_path / "source" / NIGHT.isoformat()
    (folder / "hazel-09_Frau_Sommer.mp4").write_bytes(b"no video")
    given = ("--source", str(tmp_path / "source"), "--date", NIGHT.isoformat(), "--data-dir", str(tmp_path / "data"))
    night = [sys.executable, "-m", "cli", "nightly", *given]
    done = subprocess.run(night, env=server.environment(), capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    names = {path.stem for path in folder.iterdir()} | {path.stem.partition("_")[0] for path in folder.iterdir()}
    kept = [path.read_bytes() for path in server.home.rglob("*") if path.is_file()]
    assert [name for name in names for content in kept if name.encode() in content] == []
    assert any(b"sidecar_missing" in content for content in kept)  # the night's table is there


@pytest.mark.slow
def test_a_server_that_is_killed_in_mid_night_costs_the_night_one_line(server: PrefectServer, tmp_path: Path) -> None:
    plan = WardPlan(NIGHT, days=1, sessions_per_day=1, seconds_per_session=1.2, size=(160, 120))
    write_ward(tmp_path / "source", plan, workers=1)
    data = DataFolder(tmp_path / "data")
    given = ("--source", str(tmp_path / "source"), "--date", NIGHT.isoformat(), "--data-dir", str(data.root))
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "nightly", *given],
        env=server.environment(),
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
    ) as night:
        while not list(data.staging.glob("run-*/*.mp4")):
            assert night.poll() is None, night.communicate()
            time.sleep(0.01)
        with urllib.request.urlopen(server.request("/flow_runs/filter", {}), timeout=60) as answer:
            assert f"nightly {NIGHT}" in [run["name"] for run in json.load(answer)]
        kill_all(server.process)
        out, errors = night.communicate()
    assert (night.returncode, errors) == (0, "")
    (line,) = [line for line in out.splitlines() if "Prefect" in line]
    assert "Prefect's server did not receive the rest of this run" in line
    with open_reader(file_of(data)) as reader:
        assert reader.execute("SELECT status FROM runs").fetchall() == [("completed",)]
        assert reader.execute("SELECT count(*) > 0 FROM sessions").fetchall() == [(True,)]
    assert json.loads((data.reports(NIGHT) / "ward.json").read_bytes())
