"""The failures that docs/operations.md lists are provoked, and each one listed there names a test."""

import ast
import json
import os
import re
import shutil
import signal
from dataclasses import replace
from datetime import date
from pathlib import Path
from uuid import UUID, uuid4

import httpx
import pytest
from prefect.states import Crashed, Failed

from flows.job import Job, make_job
from flows.plan import PendingSession, run_record
from flows.request import RunRequest
from flows.score_shard import ATTEMPTS, ShardError, patiently, pause_s, require_dispatchable, score_shard, shard_request
from flows.scoring import ScoredSession, score_session
from flows.settings import Dispatch
from flows.shards import Shard, recording_id
from flows.sources.discovery import list_night
from flows.sources.recordings import QuarantinedSession, Recording
from flows.sources.source import Source
from inference.options import ScoringOptions, VideoLimits
from inference.process import ScoringProcess
from inference.scored import Progress, ScoredVideo
from pmfer.bundle import DEFAULT_BUNDLE, load_bundle, write_card
from pmfer.errors import BundleError, ConfigurationError, QuarantineReason
from simulator.ward import WardPlan, write_ward
from warehouse import runs

ROOT = Path(__file__).parents[2]
NIGHT = date(2026, 3, 2)


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("failures") / "source"
    write_ward(folder, WardPlan(NIGHT, days=1, seconds_per_session=1.2, size=(160, 120)), workers=2)
    return folder


def job(source: Path, data: Path, dispatch: Dispatch = Dispatch.PROCESS) -> Job:
    return make_job(RunRequest(source=str(source), data_dir=data, dispatch=dispatch), NIGHT)


class CrashingOnce(ScoringProcess):
    """A decoder that crashes on the first video it gets."""

    crashed = False

    def score(self, video: Path, session_id: str, on_progress: Progress | None = None) -> ScoredVideo:
        return super().score(video, session_id, self.crash)

    def crash(self, done_s: float, announced_s: float | None) -> None:
        if not self.crashed and self.pid:
            self.crashed = True
            os.kill(self.pid, signal.SIGSEGV)


def test_a_decoder_that_crashes_costs_its_session_and_the_next_is_scored(source: Path) -> None:
    recording = list_night(Source(str(source), settle_s=0), NIGHT).recordings[0]
    session = PendingSession(recording, "0" * 64)
    video = source / recording.source_uri
    with CrashingOnce(load_bundle(DEFAULT_BUNDLE), ScoringOptions(), VideoLimits()) as scorer:
        first = score_session(scorer, session, video)
        second = score_session(scorer, session, video)
    assert isinstance(first, QuarantinedSession)
    assert first.reason is QuarantineReason.CRASHED
    assert recording.name in first.message
    assert isinstance(second, ScoredSession)


def test_workers_and_a_file_do_not_go_together(source: Path, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=r"is a file, which has one writer; set PMFER_WAREHOUSE to a lake"):
        require_dispatchable(job(source, tmp_path / "data", Dispatch.WORKERS))


def test_workers_need_a_server(source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMFER_WAREHOUSE", f"ducklake:sqlite:{tmp_path / 'catalogue.sqlite'}")
    monkeypatch.delenv("PREFECT_API_URL", raising=False)
    with pytest.raises(ConfigurationError, match="no Prefect server is named; set PREFECT_API_URL"):
        require_dispatchable(job(source, tmp_path / "data", Dispatch.WORKERS))


def run_shard(ours: Job, run_id: UUID, source: str | None = None, **differently: object) -> None:
    """Run a shard with one recording of a night as a worker does, with the parameters as JSON."""
    recording = Recording(f"{NIGHT}/any.mp4", list_night(ours.source, NIGHT).recordings[0].sidecar, 1, "")
    shard = Shard(1, (PendingSession(recording, None),))
    given = json.loads(shard_request(shard, ours, str(run_id)).model_dump_json())
    given["run"] |= {"source": source} if source else {}
    parameters = {"request": given | differently, "data_dir": str(ours.data.root)}
    score_shard.fn(**score_shard.validate_parameters(parameters))


def other_bundle(folder: Path) -> Path:
    """The shipped bundle with another card, which makes it another bundle."""
    shutil.copytree(load_bundle().path, folder)
    write_card(folder, replace(load_bundle().card, name="by-hand"))
    return folder


@pytest.mark.parametrize("has", ["the folder", "a copy elsewhere"])
def test_a_worker_scores_with_the_bundle_and_the_precision_of_the_night(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, has: str
) -> None:
    bundle = str(other_bundle(tmp_path / "by-hand"))
    request = RunRequest(source=str(source), data_dir=tmp_path / "data", bundle=bundle, dispatch=Dispatch.WORKERS)
    ours = make_job(request, NIGHT)
    assert ours.options.int8 is False, "workers may be of different kinds"
    monkeypatch.setenv("PMFER_INT8", "true")  # a worker's own settings and its default bundle do not count
    if has == "a copy elsewhere":
        monkeypatch.setenv("PMFER_BUNDLE", str((tmp_path / "by-hand").rename(tmp_path / "moved")))
    with pytest.raises(ConfigurationError, match="no warehouse there"):  # it gets that far
        run_shard(ours, uuid4())


def test_a_worker_without_the_bundle_of_the_night_names_it(source: Path, tmp_path: Path) -> None:
    bundle = str(other_bundle(tmp_path / "by-hand"))
    ours = make_job(RunRequest(source=str(source), data_dir=tmp_path / "data", bundle=bundle), NIGHT)
    shutil.rmtree(tmp_path / "by-hand")
    with pytest.raises(BundleError, match=ours.bundle.digest) as refused:
        run_shard(ours, uuid4())
    assert "detector" not in str(refused.value)
    assert len(str(refused.value).splitlines()) == 1
    assert not (tmp_path / "data" / "warehouse").exists()


def test_a_worker_with_another_detector_scores_nothing(source: Path, tmp_path: Path) -> None:
    ours = job(source, tmp_path / "data")
    with pytest.raises(ConfigurationError, match="not the one that the night is scored with"):
        run_shard(ours, uuid4(), options_sha256="0" * 64)
    assert not (tmp_path / "data" / "warehouse").exists()


def test_a_worker_with_another_warehouse_or_source_scores_nothing(source: Path, tmp_path: Path) -> None:
    ours, run_id = job(source, tmp_path / "data"), uuid4()

    def shard(folder: Path) -> None:
        run_shard(ours, run_id, source=str(folder))

    with pytest.raises(ConfigurationError, match="no warehouse there"):
        shard(source)
    with ours.access.writing() as writer:
        connection = writer.connection
        runs.start_run(connection, run_record(ours, str(uuid4())))
    with pytest.raises(
        ConfigurationError, match="does not know the nightly run; give every worker the same PMFER_WAREHOUSE"
    ):
        shard(source)
    with ours.access.writing() as writer:
        connection = writer.connection
        runs.start_run(connection, run_record(ours, str(run_id)))
    stale = tmp_path / "stale"
    (stale / "2026-02-01").mkdir(parents=True)
    with pytest.raises(ConfigurationError, match="has no folder 2026-03-02 on this machine"):
        shard(stale)


def test_a_shard_looks_at_its_own_recordings_only(source: Path) -> None:
    whole = list_night(Source(str(source), settle_s=0), NIGHT)
    chosen = whole.recordings[1]
    wanted = recording_id(chosen.source_uri)
    (source / NIGHT.isoformat() / "other.json").write_text("{")  # neither valid nor beside a video
    part = list_night(Source(str(source), settle_s=0), NIGHT, lambda uri: recording_id(uri) == wanted)
    (source / NIGHT.isoformat() / "other.json").unlink()
    assert part.recordings == (chosen,)
    assert part.quarantined == part.unready == ()


def test_a_night_waits_for_a_server_that_is_away_and_not_for_one_that_refuses(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("flows.score_shard.LOOK_S", 0.0)
    request = httpx.Request("GET", "http://127.0.0.1:4200/api")
    away = [httpx.ConnectError("away"), httpx.HTTPStatusError("busy", request=request, response=httpx.Response(503))]

    def answer() -> str:
        if away:
            raise away.pop()
        return "here"

    assert patiently(answer) == "here"
    away.append(httpx.HTTPStatusError("no", request=request, response=httpx.Response(401)))
    with pytest.raises(httpx.HTTPStatusError):
        patiently(answer)
    monkeypatch.setattr("flows.score_shard.PATIENCE_S", -1.0)
    away.append(httpx.ConnectError("away"))
    with pytest.raises(ShardError, match="start it and run the night again"):
        patiently(answer)


def listed_failures() -> list[list[str]]:
    """The rows of the table of failures, as cells."""
    text = (ROOT / "docs" / "operations.md").read_text()
    _, _, table = text.partition("\n| failure |")
    lines = [line for line in table.splitlines()[2:] if line.startswith("|")]
    together = "\n".join(lines)
    assert f"\n{together}\n\n" in text, "rows stand apart from the table"
    return [line.strip("| ").split(" | ") for line in lines]


def test_every_failure_that_is_listed_has_its_test() -> None:
    rows = listed_failures()
    assert len(rows) >= 20
    assert len({row[0] for row in rows}) == len(rows)
    for row in rows:
        assert len(row) == 5, row
        listed = re.findall(r"`(tests/[\w/]+\.py)::(\w+)`", row[4])
        assert listed, row
        for file, test in listed:
            functions = ast.walk(ast.parse((ROOT / file).read_text()))
            assert test in {node.name for node in functions if isinstance(node, ast.FunctionDef)}, row


def test_a_shard_that_failed_is_tried_again_after_pauses_and_one_whose_machine_died_at_once() -> None:
    pauses = [pause_s(Failed(), number) for number in range(1, ATTEMPTS)]
    assert pauses == sorted(pauses)
    assert pauses[0] > 0
    assert sum(pauses) > 60  # seconds for which PostgreSQL may be down
    assert [pause_s(Crashed(), number) for number in range(1, ATTEMPTS)] == [0] * (ATTEMPTS - 1)
