"""A whole monitored night: JSON logs, metrics, notices and status, none of which reveals who was recorded."""

import json
import re
import shutil
import subprocess
from collections.abc import Iterator
from dataclasses import dataclass
from datetime import date
from pathlib import Path

import pytest
from command import on_its_own, pmfer
from notice_server import NoticeServer, notice_server
from prometheus_client.parser import text_string_to_metric_families

NIGHT = date(2026, 3, 2)
NAMES = {"birch-01": "Ada Moss", "cedar-02": "Ben Fern"}


@dataclass(frozen=True)
class Watched:
    data: Path
    source: Path
    done: subprocess.CompletedProcess[str]
    hook: NoticeServer


@pytest.fixture(scope="module")
def night(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Watched]:
    folder = tmp_path_factory.mktemp("watched")
    data, names = folder / "data", folder / "names.csv"
    source = Path(shutil.copytree(source, folder / "source"))
    # A recorder that writes a name into the file name: the log must not repeat it either.
    (source / NIGHT.isoformat() / "Ada Moss.mp4").write_bytes(b"no video")
    names.write_text("patient_id,name\n" + "".join(f"{key},{name}\n" for key, name in NAMES.items()))
    with notice_server() as hook:
        done = on_its_own(
            *("nightly", "--source", str(source), "--date", NIGHT.isoformat(), "--data-dir", str(data)),
            PMFER_LOG_FORMAT="json",
            PMFER_LOG_LEVEL="DEBUG",
            PMFER_REPORT_FORMATS="pdf",  # the libraries for layout and fonts log a lot
            PMFER_NAME_MAP=str(names),
            PMFER_NOTIFY_URLS=hook.url,
            PMFER_NOTIFY_ON="failure,abstention,completion",
            PMFER_NOTIFY_ABSTENTION_SHARE="0",
        )
        yield Watched(data, source, done, hook)


def test_every_line_of_the_log_is_json_and_names_what_is_worked_on(night: Watched) -> None:
    assert night.done.returncode == 0, night.done.stderr
    lines = [json.loads(line) for line in night.done.stderr.splitlines()]
    assert all({"at", "level", "logger", "message"} <= set(line) for line in lines)
    assert {line["logger"].split(".")[0] for line in lines} == {"pmfer"}
    scored = [line for line in lines if line["message"].startswith("scored ")]
    assert scored
    for line in scored:
        assert re.fullmatch("[0-9a-f]{12}", line["session"])
        assert len(line["run"]) == 36
    assert len({line["run"] for line in lines if "run" in line}) == 1


def test_no_output_names_a_patient(night: Watched) -> None:
    told = night.done.stdout + night.done.stderr + json.dumps(night.hook.notices)
    told += (night.data / "metrics" / "pmfer.prom").read_text()
    for text in (*NAMES, *NAMES.values()):
        assert text not in told


def test_completion_and_abstention_were_told(night: Watched) -> None:
    assert night.hook.titles == [
        "PMFER: much of the night of 2026-03-02 is missing",
        "PMFER: the night of 2026-03-02 is done",
    ]


def test_the_metrics_are_what_the_warehouse_holds(night: Watched) -> None:
    path = night.data / "metrics" / "pmfer.prom"
    assert path.stat().st_mode & 0o777 == 0o644
    families = list(text_string_to_metric_families(path.read_text()))
    values = {sample.name: sample.value for family in families for sample in family.samples if not sample.labels}
    labelled = {
        (sample.name, *sample.labels.values()): sample.value
        for family in families
        for sample in family.samples
        if sample.labels
    }
    shown = json.loads(pmfer("status", "--json", "--data-dir", str(night.data)).stdout)
    (row,) = shown["nights"]
    assert row["status"] == "completed"
    assert values["pmfer_last_run_success"] == 1
    assert values["pmfer_last_success_timestamp_seconds"] == values["pmfer_last_run_timestamp_seconds"]
    assert values["pmfer_sessions_found"] == row["sessions_found"]
    assert values["pmfer_sessions_scored"] == row["sessions_stored"] > 0
    assert values["pmfer_frames_sampled"] == row["frames_sampled"] > 0
    assert values["pmfer_video_seconds"] == pytest.approx(row["video_s"])
    assert values["pmfer_abstention_ratio"] == pytest.approx(row["abstention_share"])
    assert values["pmfer_reports"] == row["reports"] > 0
    assert labelled["pmfer_sessions_quarantined", "sidecar_missing"] == 1
    assert labelled["pmfer_sessions_quarantined", "unreadable"] == 0
    assert labelled["pmfer_stage_duration_seconds", "score"] > 0


def test_a_doctor_who_is_given_all_finds_nothing_broken(night: Watched) -> None:
    done = pmfer("doctor", "--json", "--data-dir", str(night.data), "--source", str(night.source))
    assert done.returncode == 0, done.stdout
    states = {row["check"]: row["state"] for row in json.loads(done.stdout)}
    for check in ("settings", "data folder", "source", "bundle", "detector", "warehouse", "fonts", "clock"):
        assert states[check] == "ok", done.stdout


def test_a_failure_is_told_and_leaves_the_time_of_the_last_success(night: Watched, tmp_path: Path) -> None:
    data = tmp_path / "data"
    (data / "metrics").mkdir(parents=True)
    before = (night.data / "metrics" / "pmfer.prom").read_text()
    (data / "metrics" / "pmfer.prom").write_text(before)
    with notice_server(status=500) as hook:
        arguments = ("nightly", "--source", str(tmp_path / "gone"), "--date", NIGHT.isoformat())
        done = pmfer(*arguments, "--data-dir", str(data), PMFER_NOTIFY_URLS=hook.url)
    assert done.returncode == 1
    assert "a notice was not delivered" in done.stdout
    assert hook.titles[0] == "PMFER: the night of 2026-03-02 failed"
    assert "gone" in hook.notices[0]["message"]
    after = (data / "metrics" / "pmfer.prom").read_text()
    assert "pmfer_last_run_success 0.0" in after
    last = re.compile(r"^pmfer_last_success_timestamp_seconds .*$", re.MULTILINE)
    assert last.findall(after) == last.findall(before) != []
