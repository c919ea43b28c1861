"""Log lines of a shard on a worker have run, shard and session, and no names."""

import json
import re
import subprocess
import sys
from dataclasses import asdict
from datetime import date
from pathlib import Path
from uuid import uuid4

import pytest
from prefect_server import running_server

from flows.job import make_job
from flows.plan import run_record
from flows.request import RunRequest
from flows.shards import recording_id
from simulator.ward import WardPlan, write_ward
from warehouse import runs

pytestmark = pytest.mark.slow

NIGHT = date(2026, 3, 2)
# A process as a worker starts it: it runs the flow without the command line, which would set up logs.
SHARD = """
import json, logging, sys
from flows.score_shard import score_shard
parameters, identities = json.loads(sys.argv[1]), json.loads(sys.argv[2])
score_shard(**parameters)
for identity in identities:
    logging.getLogger("pmfer.sample").warning("%s was here", identity)
"""


def test_every_line_of_a_shard_names_run_and_shard_and_nobody(tmp_path: Path) -> None:
    source, data = tmp_path / "source", tmp_path / "data"
    plan = WardPlan(NIGHT, days=1, sessions_per_day=1, seconds_per_session=1.2, size=(160, 120))
    write_ward(source, plan, workers=1)
    first = min((source / NIGHT.isoformat()).glob("*.mp4"))
    sidecar = json.loads(first.with_suffix(".json").read_text())
    named = first.with_name("Ada Moss.mp4")
    named.write_bytes(b"no video")
    named.with_suffix(".json").write_text(json.dumps(sidecar | {"session_id": "ada-1"}))
    (tmp_path / "prefect").mkdir()

    job, run_id = make_job(RunRequest(source=str(source), data_dir=data), NIGHT), str(uuid4())
    with job.access.writing() as writer:
        connection = writer.connection
        runs.start_run(connection, run_record(job, run_id))
    request = {
        "run": {"source": str(source), "bundle": job.bundle.address},
        "night": NIGHT.isoformat(),
        "recordings": [recording_id(f"{NIGHT}/{video.name}") for video in (first, named)],
        "run_id": run_id,
        "shard": 3,
        "options": asdict(job.options),
        **asdict(job.provenance),
    }
    parameters = {"request": request, "data_dir": str(data)}
    identities = [sidecar["patient_id"], sidecar["session_id"], "ada-1", "Ada Moss"]
    with running_server(tmp_path / "prefect", {}) as server:
        environment = server.environment() | {
            "PMFER_LOG_FORMAT": "json",
            "PMFER_LOG_LEVEL": "DEBUG",
            "PREFECT_LOGGING_HANDLERS_CONSOLE_FORMATTER": "json",
            "PREFECT_LOGGING_FORMATTERS_JSON_CLASS": "flows.logs.JsonFormatter",
        }
        limit = [sys.executable, "-m", "prefect", "gcl", "create", "pmfer-shards", "--limit", "1"]
        subprocess.run(limit, env=environment, check=True, capture_output=True)
        command = [sys.executable, "-c", SHARD, json.dumps(parameters), json.dumps(identities)]
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    lines = [json.loads(line) for line in done.stderr.splitlines() if line.startswith("{")]
    ours = [line for line in lines if line["logger"].startswith("pmfer.") and line["logger"] != "pmfer.sample"]
    assert [line["message"] for line in ours if "session" not in line] == ["2 of 2 recordings are to be scored"]
    assert {(line["run"], line["shard"]) for line in ours} == {(run_id, "3")}
    about_sessions = {line["message"].partition(" ")[0]: line["session"] for line in ours if "session" in line}
    assert set(about_sessions) == {"scored", "quarantined:"}
    assert all(re.fullmatch("[0-9a-f]{12}", session) for session in about_sessions.values())
    assert [line["message"] for line in lines if line["logger"] == "pmfer.sample"] == ["[patient] was here"] * 4
    for identity in identities:
        assert identity not in done.stderr + done.stdout
