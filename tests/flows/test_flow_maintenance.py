"""The deployments other than nights, run as a worker runs them: with a real server, each in its own process."""

import json
import os
import subprocess
import sys
import urllib.request
from pathlib import Path

import pytest
from notice_server import notice_server
from prefect_server import ROOT, running_server
from privacy_folder import DAYS, OTHER, access_to, file_of, make_folder

from flows.backup import restore_backup
from flows.data_folder import DataFolder
from flows.deployed import STRUCK_OUT
from warehouse.connection import open_writer

pytestmark = pytest.mark.slow


def run(environment: dict[str, str], text: str) -> subprocess.CompletedProcess[str]:
    modules = "from datetime import date; from pathlib import Path; from flows.deployed import *; "
    code = f"{modules}from flows.maintenance import *; print({text})"
    command = [sys.executable, "-c", code]
    return subprocess.run(command, env=os.environ | environment, cwd=ROOT, capture_output=True, text=True, check=False)


def test_reports_are_rendered_again_and_the_warehouse_is_kept_in_order(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    make_folder(data)
    (tmp_path / "prefect").mkdir()
    with running_server(tmp_path / "prefect", {}) as server:
        settings = {
            name: server.environment()[name] for name in ("PREFECT_API_URL", "PREFECT_API_AUTH_STRING", "PREFECT_HOME")
        } | {"PMFER_REPORT_FORMATS": "pdf"}
        target = data.reports(DAYS[1]) / f"{OTHER}.pdf"
        target.unlink(missing_ok=True)
        done = run(settings, f"report(Path({str(data.root)!r}), date.fromisoformat('{DAYS[1]}'), {OTHER!r})")
        assert done.returncode == 0, done.stderr
        assert done.stdout.split()[-1] == "1"
        assert target.read_bytes().startswith(b"%PDF")
        with urllib.request.urlopen(server.request("/flow_runs/filter", {})) as answer:
            (kept,) = json.load(answer)
        assert kept["parameters"] == {"data_dir": str(data.root), "day": DAYS[1].isoformat(), "patient_id": STRUCK_OUT}
        assert OTHER not in json.dumps(kept)
        done = run(settings, f"report(Path({str(data.root)!r}), date.fromisoformat('{DAYS[1]}'), {STRUCK_OUT!r})")
        assert "start a new run for that patient" in done.stderr

        done = run(settings, f"maintenance(Path({str(data.root)!r}))")
        assert done.returncode == 0, done.stderr
        assert "no backup was made: PMFER_BACKUP_TO is not set" in done.stdout

        missing = settings | {"PMFER_BACKUP_TO": str(tmp_path / "backup")}
        with notice_server() as hook:
            done = run(missing | {"PMFER_NOTIFY_URLS": hook.url}, f"maintenance(Path({str(data.root)!r}))")
        assert done.returncode != 0
        assert "no such folder" in done.stderr
        assert hook.titles == ["PMFER: the maintenance of the warehouse failed"]

        (tmp_path / "backup").mkdir()
        old = tmp_path / "backup" / "2026-01-02-030405"
        old.mkdir()
        kept = missing | {"PMFER_RETAIN_FRAMES_DAYS": "1", "PMFER_RETAIN_BACKUPS_DAYS": "1"}
        done = run(kept, f"maintenance(Path({str(data.root)!r}))")
        assert done.returncode == 0, done.stderr
        (backup,) = (tmp_path / "backup").iterdir()
        assert backup != old, "an old backup goes when all is in order"
        restored = DataFolder(tmp_path / "restored")
        restore_backup(access_to(restored), backup, lambda _: None)
        with open_writer(file_of(restored)) as connection:
            assert connection.sql("SELECT count(*) > 0 FROM stored_frames").fetchall() == [(True,)], "backed up first"
            assert connection.sql("SELECT count(*) FROM sessions").fetchall() == [(5,)]
        with open_writer(file_of(data)) as connection:
            assert connection.sql("SELECT count(*) FROM stored_frames").fetchall() == [(0,)]
            orphan = "SELECT * REPLACE ('orphan' AS scoring_id, 'nobody' AS session_id) FROM scorings LIMIT 1"
            connection.execute(f"INSERT INTO scorings {orphan}")
        old.mkdir()
        done = run(kept, f"maintenance(Path({str(data.root)!r}))")
        assert done.returncode != 0
        assert {old, backup} < set((tmp_path / "backup").iterdir()), "a backup is made, and none goes, before the check"
        errors = [line for line in done.stderr.splitlines() if line.startswith("pmfer.errors.")]
        assert "nothing_without_owner" in errors[-1]
