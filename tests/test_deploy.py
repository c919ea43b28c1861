"""The files in deploy/ fit the program: settings exist, linters pass, and the timer skips no night."""

import re
import shutil
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
import yaml
from packaging.requirements import Requirement
from packaging.utils import canonicalize_name

from flows.deploy import POOLS
from flows.settings import OTHER_VARIABLES, Settings
from scripts import audit

ROOT = Path(__file__).parents[1]
DEPLOY = ROOT / "deploy"
COMPOSE = yaml.safe_load((DEPLOY / "compose.yaml").read_text(encoding="utf-8"))


def test_the_files_pass_their_linters() -> None:
    programs = str(Path(sys.executable).parent)
    done = subprocess.run(["scripts/check_deploy.sh", programs], cwd=ROOT, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout + done.stderr


def test_every_setting_that_they_name_exists() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in DEPLOY.rglob("*") if path.is_file())
    named = set(re.findall(r"\bPMFER_[A-Z0-9_]+", text)) - set(OTHER_VARIABLES)
    assert named
    assert {name.removeprefix("PMFER_").lower() for name in named} <= set(Settings.model_fields)
    sample = re.sub(r"^# (?=\w+ = )", "", (DEPLOY / "pmfer.toml").read_text(encoding="utf-8"), flags=re.MULTILINE)
    settings = Settings(**tomllib.loads(sample))
    assert settings.data_dir == Path("/srv/pmfer")
    assert settings.metrics_file is not None


def test_no_secret_stands_in_them() -> None:
    assert (DEPLOY / "compose.env.example").read_text(encoding="utf-8").count("POSTGRES_PASSWORD=\n") == 1
    for service in COMPOSE["services"].values():
        for name, value in service.get("environment", {}).items():
            if name.endswith(("PASSWORD", "SECRET", "KEY")):
                assert str(value).startswith("${"), name


def test_a_shell_and_systemd_read_the_same_secrets() -> None:
    """An address with `&` or white space must not end a shell's line: each example shows the quotation marks."""
    examples = re.findall(r"^# (PMFER_\w+)=(.*)$", (DEPLOY / "secrets.env").read_text(encoding="utf-8"), re.MULTILINE)
    assert "PMFER_NOTIFY_URLS" in dict(examples)
    assert [name for name, value in examples if not re.fullmatch(r"'[^']*'", value)] == []


def test_the_server_is_reached_from_its_own_host_only() -> None:
    ports = [port for service in COMPOSE["services"].values() for port in service.get("ports", [])]
    assert ports == ["127.0.0.1:4200:4200"]


@pytest.mark.skipif(shutil.which("systemd-analyze") is None, reason="systemd-analyze is not here")
@pytest.mark.parametrize("eve", ["2026-03-28", "2026-10-24"], ids=["forward", "back"])
def test_the_timer_leaves_no_night_out_when_the_clock_changes(eve: str) -> None:
    (when,) = re.findall(r"^OnCalendar=(.*)$", (DEPLOY / "systemd" / "pmfer-nightly.timer").read_text(), re.MULTILINE)
    shown = subprocess.run(
        ["systemd-analyze", "calendar", f"--base-time={eve} 12:00:00", "--iterations=3", when],
        env={"TZ": "Europe/Berlin", "PATH": "/usr/bin:/bin"},
        capture_output=True,
        text=True,
        check=True,
    ).stdout
    days = re.findall(r"(?:Next elapse|Iter\. #\d): \w+ (\d{4}-\d\d-\d\d)", shown)
    first = int(eve[-2:]) + 1
    assert [int(day[-2:]) for day in days] == [first, first + 1, first + 2]


def test_both_ways_to_run_a_night_run_it_at_the_same_time() -> None:
    timer = (DEPLOY / "systemd" / "pmfer-nightly.timer").read_text()
    ((hour, minute),) = re.findall(r"^OnCalendar=\*-\*-\* (\d\d):(\d\d):00$", timer, re.MULTILINE)
    deployments = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]
    (schedule,) = next(d["schedules"] for d in deployments if d["name"] == "nightly")
    assert schedule["cron"] == f"{int(minute)} {int(hour)} * * *"


def test_workers_ask_the_pools_that_are_made_for_a_limited_number_of_runs() -> None:
    unit = (DEPLOY / "systemd" / "pmfer-worker@.service").read_text()
    (from_unit,) = re.findall(r"^ExecStart=.*/(pmfer worker .*)$", unit, re.MULTILINE)
    services = [service for name, service in COMPOSE["services"].items() if name.startswith("worker-")]
    pools = {pool.name for pool in POOLS}
    asked = [from_unit.replace("%i", pool) for pool in pools] + [service["command"] for service in services]
    assert len(asked) == 2 * len(pools)
    for command in asked:
        assert re.fullmatch(r"pmfer worker (pmfer|pmfer-gpu) --limit [1-9]", command)
    assert {service["command"].split()[2] for service in services} == pools


def test_nothing_starts_a_server_or_a_worker_but_the_commands_that_ask_for_the_secret() -> None:
    text = "\n".join(path.read_text(encoding="utf-8") for path in [*DEPLOY.rglob("*.*"), DEPLOY / "Containerfile"])
    assert not re.search(r"prefect (server|worker) start|uvicorn", text)
    unit = (DEPLOY / "systemd" / "pmfer-server.service").read_text()
    started = re.findall(r"^ExecStart=\S*/(.*)$", unit, re.MULTILINE)
    assert started == ["pmfer server --host 127.0.0.1 --port 4200"]
    # Client and server read the same secret.
    shared = {name for name, service in COMPOSE["services"].items() if "data:/srv/pmfer" in service.get("volumes", [])}
    assert shared == {"server", "deployments", "worker-cpu", "worker-gpu"}


def test_a_worker_in_a_container_starts_when_pools_queues_and_limits_are_made() -> None:
    assert COMPOSE["services"]["deployments"]["command"] == "pmfer deploy"
    for name in ("worker-cpu", "worker-gpu"):
        waits_for = COMPOSE["services"][name]["depends_on"]["deployments"]["condition"]
        assert waits_for == "service_completed_successfully"


def test_containers_are_in_the_time_zone_of_the_schedule() -> None:
    nightly = next(
        d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"] if d["name"] == "nightly"
    )
    for name in ("worker-cpu", "worker-gpu"):
        assert COMPOSE["services"][name]["environment"]["TZ"] == f"${{TZ:-{nightly['parameters']['time_zone']}}}"
    assert f"TZ={nightly['parameters']['time_zone']}\n" in (DEPLOY / "compose.env.example").read_text()


def test_an_audit_names_what_is_vulnerable_and_fails(capsys: pytest.CaptureFixture[str]) -> None:
    found = [
        {"name": "good", "version": "1", "vulns": []},
        {"name": "bad", "version": "2", "vulns": [{"id": "PYSEC-1", "fix_versions": ["2.1"]}]},
    ]
    assert audit.report(found, 0) == 1
    assert capsys.readouterr().out.splitlines()[0] == "bad 2: PYSEC-1, fixed in 2.1"
    assert audit.report(found[:1], 0) == 0
    assert audit.report(found[:1], 1) == 2, "what was not audited is not called safe"


def test_what_runs_a_night_is_pinned_with_hashes_and_as_the_tests_have_it() -> None:
    lock = (ROOT / "requirements.lock").read_text(encoding="utf-8")
    blocks = re.findall(r"^([a-z0-9.-]+)==(\S+)(.*(?:\n .*)*)", lock, re.MULTILINE)
    assert len(blocks) > 100
    assert all("--hash=sha256:" in hashes for _, _, hashes in blocks)
    lines = (ROOT / "constraints.txt").read_text(encoding="utf-8").splitlines()
    tested = dict(line.split("==") for line in lines if "==" in line)
    tested = {canonicalize_name(name): version for name, version in tested.items()}
    pinned = {name: version for name, version, _ in blocks}
    assert {name: version for name, version in pinned.items() if tested.get(name, version) != version} == {}
    project = tomllib.loads((ROOT / "pyproject.toml").read_text(encoding="utf-8"))["project"]
    assert {canonicalize_name(Requirement(line).name) for line in project["dependencies"]} <= pinned.keys()
    extras = [Requirement(line) for lines in project["optional-dependencies"].values() for line in lines]
    assert {canonicalize_name(extra.name) for extra in extras} <= tested.keys()
    assert all(extra.specifier.contains(tested[canonicalize_name(extra.name)]) for extra in extras)
    assert "imageio-ffmpeg" not in pinned  # under the GPL, and never run
    assert "://" not in lock
