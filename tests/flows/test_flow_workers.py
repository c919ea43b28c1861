"""A night on several machines: a real Prefect server, PostgreSQL, two workers with separate folders, one lake."""

import json
import os
import subprocess
import sys
import time
import urllib.request
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from datetime import date, datetime
from pathlib import Path
from zoneinfo import ZoneInfo

import pytest
from postgres_server import PASSWORD, USER, PostgresServer, find_programs
from postgres_server import running_server as running_postgres
from prefect_server import PrefectServer, kill_all, running_server, running_worker

from simulator.ward import WardPlan, write_ward
from warehouse.address import parse_address
from warehouse.connection import open_reader

pytestmark = pytest.mark.slow

NIGHT = date(2026, 3, 2)
TABLES = {
    "sessions": "* EXCLUDE (stored_at)",
    "scorings": "* EXCLUDE (run_id, scored_at)",
    "stored_frames": "*",
    "session_rollups": "*",
    "phrase_quantiles": "*",
    "episodes": "*",
    "quarantine": "source_uri, reason, content_sha256",
    "reports": "report_id, input_key",
}


@dataclass(frozen=True)
class House:
    """A server, a source, and databases for any number of lakes."""

    server: PrefectServer
    postgres: PostgresServer
    source: Path
    folder: Path

    def lake(self, name: str) -> str:
        """Address of a new lake."""
        return f"ducklake:postgres:{self.postgres.create_database(name)}?data={self.folder / name / 'lake'}"

    def settings(self, lake: str, machine: str) -> dict[str, str]:
        """The environment of one of the facility's machines."""
        data = self.folder / machine
        # Without PMFER_INT8 a single process would use int8 where the processor has it, and workers would not.
        return {"PMFER_WAREHOUSE": lake, "PMFER_DATA_DIR": str(data), "PMFER_SHARD_S": "1", "PMFER_INT8": "false"}

    def nightly(self, lake: str, machine: str, *options: str) -> "subprocess.Popen[str]":
        """Start a night on a machine."""
        command = ("nightly", "--source", str(self.source), "--date", NIGHT.isoformat(), *options)
        return subprocess.Popen(
            [sys.executable, "-m", "cli", *command],
            env=self.server.environment() | self.settings(lake, machine),
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            text=True,
        )

    def content(self, lake: str) -> dict[str, list[tuple[object, ...]]]:
        """The content of a lake, without times and run ids."""
        address = parse_address(lake, published=self.folder / "none", lake=self.folder / "none")
        with open_reader(address) as connection:
            return {
                table: connection.sql(
                    f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (SELECT {chosen} FROM {table}) ORDER BY ALL"
                ).fetchall()
                for table, chosen in TABLES.items()
            }

    def runs(self, lake: str) -> list[str]:
        """The final states of a lake's runs, in order."""
        address = parse_address(lake, published=self.folder / "none", lake=self.folder / "none")
        with open_reader(address) as connection:
            return [status for (status,) in connection.sql("SELECT status FROM runs ORDER BY started_at").fetchall()]


@pytest.fixture(scope="module")
def house(tmp_path_factory: pytest.TempPathFactory) -> Iterator[House]:
    programs = find_programs()
    if programs is None:
        pytest.skip("PostgreSQL is not installed")
    folder = tmp_path_factory.mktemp("house")
    source = folder / "source"
    write_ward(source, WardPlan(NIGHT, days=1, seconds_per_session=4.0), workers=2)
    night = source / NIGHT.isoformat()
    first = min(night.glob("*.mp4"))
    # The same video twice: whichever worker scores them, the first is stored and the second quarantined.
    (night / "zz-copy.mp4").write_bytes(first.read_bytes())
    sidecar = first.with_suffix(".json").read_text()
    (night / "zz-copy.json").write_text(sidecar.replace(first.stem, "zz-copy"))
    (night / "bad.mp4").write_bytes(b"this is no video")
    (night / "bad.json").write_text(sidecar.replace(first.stem, "bad"))
    (folder / "prefect").mkdir()
    with ExitStack() as stack:
        postgres = stack.enter_context(running_postgres(programs))
        postgres.create_database("prefect")
        password = PASSWORD.replace("'", "%27").replace(" ", "%20")
        url = f"postgresql+asyncpg://{USER}:{password}@/prefect?host={postgres.folder}"
        database = {"PREFECT_API_DATABASE_CONNECTION_URL": url}
        server = stack.enter_context(running_server(folder / "prefect", database))
        made = deploy(server, source, "--gpus", "2")
        assert made.returncode == 0, made.stderr
        yield House(server, postgres, source, folder)


def deploy(server: PrefectServer, source: Path, *options: str) -> "subprocess.CompletedProcess[str]":
    return subprocess.run(
        [sys.executable, "-m", "cli", "deploy", "--source", str(source), *options],
        env=server.environment() | {"PMFER_DATA_DIR": str(source.parent / "night")},
        capture_output=True,
        text=True,
        check=False,
    )


def test_deploying_again_makes_nothing_anew(house: House) -> None:
    again = deploy(house.server, house.source)
    assert again.returncode == 0, again.stderr
    assert again.stdout.splitlines() == ["deployments are those of prefect.yaml"]


@pytest.fixture(scope="module")
def alone(house: House) -> dict[str, list[tuple[object, ...]]]:
    """The night as one process stores it."""
    lake = house.lake("alone")
    night = house.nightly(lake, "alone", "--dispatch", "process")
    out, errors = night.communicate()
    assert night.returncode == 0, out + errors
    content = house.content(lake)
    assert len(content["sessions"]) >= 8
    assert sorted(reason for _, reason, _ in content["quarantine"]) == [
        "duplicate_content",
        "no_consent",
        "not_a_video",
    ]
    return content


def test_the_server_schedules_the_nights_to_come(house: House) -> None:
    question = {
        "deployments": {"name": {"any_": ["nightly"]}},
        "flow_runs": {"state": {"type": {"any_": ["SCHEDULED"]}}},
    }
    deadline = time.monotonic() + 180  # the scheduler looks once a minute
    due: list[str] = []
    while not due and time.monotonic() < deadline:
        time.sleep(1)
        with urllib.request.urlopen(house.server.request("/flow_runs/filter", question)) as answer:
            due = [run["expected_start_time"] for run in json.load(answer)]
    berlin = {datetime.fromisoformat(time_).astimezone(ZoneInfo("Europe/Berlin")).strftime("%H:%M") for time_ in due}
    assert berlin == {"03:30"}


def test_two_workers_make_the_same_rows_as_one_process(
    house: House, alone: dict[str, list[tuple[object, ...]]]
) -> None:
    lake = house.lake("two")
    with ExitStack() as stack:
        for name in ("left", "right"):
            stack.enter_context(running_worker(house.server, name, house.settings(lake, name)))
        night = house.nightly(lake, "two", "--dispatch", "workers")
        out, errors = night.communicate()
    assert night.returncode == 0, out + errors
    assert house.content(lake) == alone
    for name in ("left", "right"):
        assert (house.folder / name / "digests").is_dir(), f"worker {name} took no shard"
    again = house.nightly(lake, "two", "--dispatch", "workers")
    out, errors = again.communicate()
    assert "nothing to do" in out, out + errors


def test_a_worker_that_is_killed_in_mid_shard_loses_nothing(
    house: House, alone: dict[str, list[tuple[object, ...]]]
) -> None:
    lake = house.lake("killed")
    with ExitStack() as stack:
        victim = stack.enter_context(running_worker(house.server, "victim", house.settings(lake, "victim")))
        night = house.nightly(lake, "killed", "--dispatch", "workers")
        staging = house.folder / "victim" / "staging"
        while not list(staging.glob("run-*/*.mp4")):
            assert night.poll() is None, "the night ended before its worker began"
            time.sleep(0.01)
        kill_all(victim)
        stack.enter_context(running_worker(house.server, "heir", house.settings(lake, "heir")))
        out, errors = night.communicate()
    assert night.returncode == 0, out + errors
    assert "restarting it" in out
    assert house.content(lake) == alone
    assert house.runs(lake) == ["completed"]


def test_a_database_that_is_away_for_a_while_loses_nothing(
    house: House, alone: dict[str, list[tuple[object, ...]]]
) -> None:
    lake = house.lake("away")
    with ExitStack() as stack:
        stack.enter_context(running_worker(house.server, "patient", house.settings(lake, "patient")))
        night = house.nightly(lake, "away", "--dispatch", "workers")
        staging = house.folder / "patient" / "staging"
        while not list(staging.glob("run-*/*.mp4")):
            assert night.poll() is None, "the night ended before its worker began"
            time.sleep(0.01)
        house.postgres.stop()  # the lake's catalogue and the database of Prefect's server
        house.postgres.start()
        out, errors = night.communicate()
    if night.returncode != 0:  # the night itself may have needed the database just then; the next run finishes it
        assert len(errors.splitlines()) == 1, errors
        with running_worker(house.server, "patient", house.settings(lake, "patient")):
            night = house.nightly(lake, "away", "--dispatch", "workers")
            out, errors = night.communicate()
    assert night.returncode == 0, out + errors
    assert house.content(lake) == alone
    assert house.runs(lake)[-1] == "completed"


def test_of_two_nights_at_once_one_yields_in_one_line(house: House, alone: dict[str, list[tuple[object, ...]]]) -> None:
    lake = house.lake("twice")
    with ExitStack() as stack:
        for name in ("one", "other"):
            stack.enter_context(running_worker(house.server, name, house.settings(lake, name)))
        nights = [house.nightly(lake, f"twice-{number}", "--dispatch", "workers") for number in range(2)]
        ends = [(*night.communicate(), night.returncode) for night in nights]
    winners = [end for end in ends if end[2] == 0]
    losers = [end for end in ends if end[2] != 0]
    assert winners, ends
    for _, errors, code in losers:
        assert code == 1
        assert "another run of it is active" in errors.splitlines()[-1]
    assert house.content(lake) == alone
    assert house.runs(lake).count("completed") == 1


def test_a_file_is_refused_in_one_line(house: House, tmp_path: Path) -> None:
    command = ("nightly", "--source", str(house.source), "--date", NIGHT.isoformat(), "--dispatch", "workers")
    done = subprocess.run(
        [sys.executable, "-m", "cli", *command, "--data-dir", str(tmp_path / "data")],
        env=os.environ | house.server.environment(),
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert len(done.stderr.splitlines()) == 1
    assert "is a file, which has one writer" in done.stderr
