"""A whole night through the command line, with a real Prefect server, real videos, a real warehouse and real PDFs."""

import json
import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from datetime import date
from pathlib import Path

import duckdb
import pytest
from command import on_its_own, pmfer
from privacy_folder import PASSWORD, printing_settings

from flows.data_folder import DataFolder
from simulator.ward import WardPlan, write_ward

NIGHT = date(2026, 3, 2)
PATIENTS = ("birch-01", "willow-04", "hazel-05", "aspen-06")


@pytest.fixture(autouse=True, scope="module")
def reports_as_usual() -> Iterator[None]:
    """Whatever other nights of the tests write."""
    with pytest.MonkeyPatch.context() as patch:
        patch.delenv("PMFER_REPORT_FORMATS", raising=False)
        yield


def nightly(source: Path, data: Path) -> tuple[str, ...]:
    return ("nightly", "--source", str(source), "--date", NIGHT.isoformat(), "--data-dir", str(data))


def content(data: Path) -> dict[str, list[tuple[object, ...]]]:
    """The content of the published warehouse, without times and run ids."""
    columns = {
        "sessions": "* EXCLUDE (stored_at)",
        "stored_frames": "*",
        "quarantine": "source_uri, reason",
        "reports": "report_id, input_key",  # the page itself contains the time of printing
    }
    with duckdb.connect(data / "published" / "warehouse.duckdb", read_only=True) as connection:
        # As text, because converting times with a zone to Python objects would need another package.
        return {
            table: connection.sql(
                f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM (SELECT {chosen} FROM {table}) ORDER BY ALL"
            ).fetchall()
            for table, chosen in columns.items()
        }


@pytest.fixture(scope="module")
def source(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Eight simulated sessions of four patients, and three broken ones of a fifth."""
    folder = tmp_path_factory.mktemp("ward")
    plan = WardPlan(NIGHT, days=1, seconds_per_session=1.6, size=(240, 180), patients=PATIENTS)
    write_ward(folder, plan, workers=1)
    night = folder / NIGHT.isoformat()
    for name, video in (("text", b"this is no video"), ("empty", b"")):
        (night / f"{name}.mp4").write_bytes(video)
        sidecar = {
            "session_id": name,
            "patient_id": "oak-07",
            "started_at": "2026-03-02T12:00:00+01:00",
            "consent": True,
        }
        (night / f"{name}.json").write_text(json.dumps(sidecar))
    (night / "hostile.mp4").write_bytes(b"x")
    (night / "hostile.json").write_text(json.dumps({**sidecar, "patient_id": "../../etc"}))
    return folder


@pytest.fixture(scope="module")
def undisturbed(source: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    data = tmp_path_factory.mktemp("undisturbed") / "data"
    done = on_its_own(*nightly(source, data))
    assert done.returncode == 0, done.stderr
    return data


def test_every_good_session_is_stored_and_every_bad_one_quarantined_with_its_reason(
    source: Path, undisturbed: Path
) -> None:
    stored = content(undisturbed)
    reasons = dict(stored["quarantine"])
    assert reasons["2026-03-02/text.mp4"] == "not_a_video"
    assert reasons["2026-03-02/empty.mp4"] == "empty_file"
    assert reasons["2026-03-02/hostile.mp4"] == "sidecar_invalid"
    videos = len(list((source / NIGHT.isoformat()).glob("*.mp4")))
    assert len(stored["sessions"]) + len(stored["quarantine"]) == videos
    assert len(stored["sessions"]) >= 6


def test_every_patient_of_the_day_and_the_ward_have_a_pdf(undisturbed: Path) -> None:
    names = {path.stem for path in (undisturbed / "reports" / NIGHT.isoformat()).glob("*.pdf")}
    assert names == {*PATIENTS, "oak-07", "ward"}


def test_nothing_but_the_folder_itself_was_written_and_nothing_stays_staged(undisturbed: Path) -> None:
    folders = {"warehouse", "published", "reports", "staging", "audit", "metrics", "digests", "unfinished"}
    assert {path.name for path in undisturbed.iterdir()} == folders
    for folder in ("staging", "unfinished"):
        assert list((undisturbed / folder).iterdir()) == []


def test_a_night_without_a_server_leaves_nothing_to_prefect(undisturbed: Path) -> None:
    assert [path for path in (undisturbed / "prefect").rglob("*") if path.is_file()] == []


def test_files_are_private_to_their_owner(undisturbed: Path) -> None:
    for part in ("warehouse", "published", "reports", "audit"):
        for path in (undisturbed / part).rglob("*"):
            assert path.stat().st_mode & 0o077 == 0, path


def test_a_second_run_finds_nothing_to_do_and_changes_nothing(source: Path, undisturbed: Path) -> None:
    before = content(undisturbed)
    done = pmfer(*nightly(source, undisturbed))
    assert done.returncode == 0, done.stderr
    assert "nothing to do" in done.stdout
    assert content(undisturbed) == before


def kill_in_the_middle(source: Path, data: Path, sessions: int) -> None:
    """Start the night and kill it, with all its processes, once it has begun that many sessions."""
    process = subprocess.Popen(
        [sys.executable, "-m", "cli", *nightly(source, data)],
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,  # all its processes die with it
    )
    seen: set[str] = set()
    deadline = time.monotonic() + 240
    while len(seen) < sessions and process.poll() is None and time.monotonic() < deadline:
        seen |= {path.stem for path in (data / "staging").rglob("*.mp4")}
        time.sleep(0.002)
    assert process.poll() is None, "the run ended before it could be killed"
    os.killpg(process.pid, signal.SIGKILL)
    process.wait()
    assert len(seen) >= sessions


def test_a_run_killed_in_the_middle_is_finished_by_the_next(
    source: Path, undisturbed: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("PMFER_REPORT_FORMATS", "json")  # which does not affect what is compared
    for sessions in (1, 4):
        kill_in_the_middle(source, data.root, sessions)
    done = pmfer(*nightly(source, data.root))
    assert done.returncode == 0, done.stderr
    assert content(data.root) == content(undisturbed)


def test_a_run_that_was_cut_short_just_before_its_end_is_finished(
    source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(undisturbed, tmp_path / "data"))
    with duckdb.connect(data / "warehouse" / "warehouse.duckdb") as connection:
        connection.execute("UPDATE runs SET status = 'running', finished_at = NULL")
        connection.execute("DELETE FROM active_bundle")
    (data / "published" / "warehouse.duckdb").unlink()
    done = pmfer(*nightly(source, data))
    assert done.returncode == 0, done.stderr
    assert content(data) == content(undisturbed)
    with duckdb.connect(data / "published" / "warehouse.duckdb", read_only=True) as connection:
        ended = connection.execute("SELECT status FROM runs ORDER BY started_at").fetchall()
        assert ended == [("failed",), ("completed",)]
        assert len(connection.execute("FROM active_bundle").fetchall()) == 1

    (data / "published" / "warehouse.duckdb").unlink()  # as if the disk was full at the last publication
    assert "nothing to do" in pmfer(*nightly(source, data)).stdout
    assert content(data) == content(undisturbed)


def test_a_load_that_breaks_a_contract_is_not_published(source: Path, undisturbed: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(undisturbed, data)
    with duckdb.connect(data / "warehouse" / "warehouse.duckdb") as connection:
        ((lost, content_sha256),) = connection.execute(
            "SELECT scoring_id, content_sha256 FROM scorings JOIN sessions USING (session_id) ORDER BY 1 LIMIT 1"
        ).fetchall()
        # One session has to be scored again, and a frame of another breaks a contract.
        for table in ("stored_frames", "session_rollups", "phrase_quantiles", "episodes", "scorings"):
            connection.execute(f"DELETE FROM {table} WHERE scoring_id = $1", [lost])
        connection.execute("DELETE FROM sessions WHERE content_sha256 = $1", [content_sha256])
        connection.execute("UPDATE runs SET status = 'failed', message = 'interrupted'")
        connection.execute(
            "UPDATE stored_frames SET au12 = 7 WHERE (scoring_id, frame_index) = "
            "(SELECT min((scoring_id, frame_index)) FROM frame_scores WHERE reason IS NULL)"
        )
    done = pmfer(*nightly(source, data))
    assert done.returncode == 1
    assert "scores_in_range" in done.stderr.splitlines()[-1]
    assert content(data) == content(undisturbed)
    with duckdb.connect(data / "warehouse" / "warehouse.duckdb", read_only=True) as connection:
        latest = connection.execute("SELECT status, message FROM runs ORDER BY started_at DESC LIMIT 1").fetchall()
    assert latest[0][0] == "failed"
    assert "scores_in_range" in latest[0][1]


def test_other_formats_and_a_recipient_make_the_reports_due_and_no_password_is_kept(
    source: Path, undisturbed: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    data = Path(shutil.copytree(undisturbed, tmp_path / "data"))
    for name, value in printing_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    monkeypatch.setenv("PMFER_REPORT_OPEN_PDF", "false")
    monkeypatch.setenv("PMFER_REPORT_PROCESSES", "2")
    done = pmfer(*nightly(source, data))
    assert done.returncode == 0, done.stderr
    reports = data / "reports" / NIGHT.isoformat()
    for patient in ("birch-01", "oak-07"):
        files = {path.relative_to(reports).as_posix() for path in reports.rglob(f"{patient}.*")}
        names = (f"{patient}.html", f"{patient}.json", f"fhir/{patient}.json", f"for-night-team/{patient}.pdf")
        assert files == set(names)
    for path in data.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path
    assert PASSWORD not in done.stdout + done.stderr
    assert "nothing to do" in pmfer(*nightly(source, data)).stdout


def test_a_day_can_be_reported_again(undisturbed: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(undisturbed, data)
    (data / "reports" / NIGHT.isoformat() / "birch-01.pdf").unlink()
    done = pmfer("report", "--date", NIGHT.isoformat(), "--patient", "birch-01", "--data-dir", str(data))
    assert done.returncode == 0, done.stderr
    assert (data / "reports" / NIGHT.isoformat() / "birch-01.pdf").read_bytes().startswith(b"%PDF")


@pytest.mark.slow  # `make test` erases from a folder with more in it, in test_flow_erase.py
def test_a_patient_can_be_erased_from_what_a_real_night_left(undisturbed: Path, tmp_path: Path) -> None:
    data = tmp_path / "data"
    shutil.copytree(undisturbed, data)
    others = {path: path.read_bytes() for path in data.rglob("*.pdf") if path.stem not in ("birch-01", "ward")}
    done = pmfer("erase", "birch-01", "--yes", "--data-dir", str(data))
    assert done.returncode == 0, done.stderr
    for path in data.rglob("*"):
        assert "birch-01" not in str(path.relative_to(data))
        assert not path.is_file() or b"birch-01" not in path.read_bytes(), path
    left = content(data)
    assert not [row for rows in left.values() for row in rows if "birch-01" in str(row)]
    before = content(undisturbed)
    assert len(left["sessions"]) == len([row for row in before["sessions"] if "birch-01" not in str(row)]) > 0
    assert all(path.read_bytes() == pdf for path, pdf in others.items())
    assert pmfer("warehouse", "verify", "--data-dir", str(data)).returncode == 0


def test_a_backfill_over_nights_that_are_done_finds_nothing_to_do(source: Path, undisturbed: Path) -> None:
    span = ("--from", "2026-03-01", "--to", NIGHT.isoformat())
    done = pmfer("backfill", "--source", str(source), *span, "--data-dir", str(undisturbed))
    assert done.returncode == 0, done.stderr
    assert done.stdout.strip() == f"2026-03-01 to {NIGHT}: nothing to do"


@pytest.mark.slow
def test_a_backfill_with_other_options_scores_stored_nights_again_beside_the_old_scores(
    source: Path, undisturbed: Path, tmp_path: Path
) -> None:
    data = Path(shutil.copytree(undisturbed, tmp_path / "data"))
    span = ("--from", NIGHT.isoformat(), "--to", NIGHT.isoformat(), "--fps", "2")
    done = pmfer("backfill", "--source", str(source), *span, "--data-dir", str(data))
    assert done.returncode == 0, done.stderr
    scorings = "SELECT options_sha256, count(*) FROM scorings GROUP BY ALL"
    told = "SELECT DISTINCT count(DISTINCT options_sha256) FROM findings GROUP BY patient_id, measure"
    active = "SELECT count(*) FROM active_scorings JOIN active_bundle USING (options_sha256)"
    with duckdb.connect(data / "published" / "warehouse.duckdb", read_only=True) as connection:
        counts = [count for _, count in connection.sql(scorings).fetchall()]
        assert len(counts) == 2
        assert counts[0] == counts[1] > 0
        assert connection.sql(told).fetchall() == [(2,)]
        assert connection.sql(active).fetchall() == [(counts[0],)]
    assert content(data)["sessions"] == content(undisturbed)["sessions"]
    assert pmfer("warehouse", "check", "--data-dir", str(data)).returncode == 0
    assert "nothing to do" in pmfer("backfill", "--source", str(source), *span, "--data-dir", str(data)).stdout
