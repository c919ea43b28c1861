"""For everything that can be wrong, the doctor says what it is and what to do."""

import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from own_mounts import told_in_a_namespace
from privacy_folder import copy_ward, file_of, lake_of
from typer.testing import CliRunner
from warehouse_copies import copy_warehouse

from cli.app import app
from flows import doctor
from flows.data_folder import DataFolder
from flows.doctor import Grade
from flows.settings import Settings
from pmfer.errors import ConfigurationError
from warehouse.address import LakeAddress
from warehouse.connection import open_reader
from warehouse.runs import latest_nights


@pytest.fixture(autouse=True)
def elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def test_settings_that_cannot_be_read_are_all_that_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PMFER_SAUCE", "x")
    done = CliRunner().invoke(app, ["doctor"])
    assert done.exit_code == 1
    assert done.output.startswith("broken")
    assert "PMFER_SAUCE" in done.output
    assert len(done.output.splitlines()) == 1


def test_one_broken_part_is_the_exit_status_and_does_not_hide_the_others(tmp_path: Path) -> None:
    done = CliRunner().invoke(app, ["doctor", "--source", "nowhere", "--data-dir", str(tmp_path / "data")])
    assert done.exit_code == 1
    states = {line[9:21].strip(): line.split()[0] for line in done.output.splitlines()}
    assert list(states) == list(doctor.CHECKS)
    assert [name for name, state in states.items() if state == "broken"] == ["source"]
    assert not (tmp_path / "data").exists()


def test_a_bundle_that_is_not_there_is_broken() -> None:
    found = {part.name: part for part in doctor.diagnose({"bundle": "nobody"})}
    assert found["bundle"].state is Grade.BROKEN
    assert "nobody" in found["bundle"].text


def test_a_file_of_secrets_that_others_may_read_is_a_warning(tmp_path: Path) -> None:
    (tmp_path / ".env").write_text("")
    (tmp_path / ".env").chmod(0o644)
    assert doctor.check_settings(Settings()) == (
        Grade.WARNING,
        ".env: every account can read it; forbid that with `chmod o= .env`",
    )


def test_a_full_disk_is_broken(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(doctor, "DISK_BROKEN_BYTES", 1 << 60)
    monkeypatch.setattr(doctor, "DISK_WARNING_BYTES", 1 << 60)
    state, text = doctor.check_disk(Settings(data_dir=tmp_path))
    assert state is Grade.BROKEN
    assert "make room" in text


def test_a_server_that_does_not_answer_is_broken(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("PREFECT_API_URL", "http://127.0.0.1:9/api")
    state, text = doctor.check_prefect(Settings())
    assert state is Grade.BROKEN
    assert "127.0.0.1:9" in text


def test_an_address_that_apprise_does_not_know_is_broken_and_not_shown() -> None:
    settings = Settings(notify_urls=("nonsense:hush",))  # type: ignore[arg-type]
    state, text = doctor.check_notices(settings)
    assert state is Grade.BROKEN
    assert "hush" not in text


def test_a_detector_that_is_no_model_is_named(tmp_path: Path) -> None:
    (tmp_path / "yunet.onnx").write_bytes(b"no model")
    with pytest.raises(ConfigurationError, match=r"yunet\.onnx"):
        doctor.check_detector(Settings(detector=str(tmp_path / "yunet.onnx")))


def test_a_damaged_snapshot_is_broken_and_status_says_so_in_one_line(tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    data.published.parent.mkdir(parents=True, mode=0o700)
    data.published.write_bytes(b"no database")
    (found,) = [part for part in doctor.diagnose({"data_dir": data.root}) if part.name == "warehouse"]
    assert found.state is Grade.BROKEN
    assert str(data.published) in found.text


def test_status_shows_each_night_with_what_is_stored_of_it(ward: DataFolder, tmp_path: Path) -> None:
    data = copy_ward(ward, tmp_path / "data")
    with open_reader(file_of(data)) as reader:
        rows = latest_nights(reader).to_dicts()
    assert [row["night"] for row in rows] == [date(2026, 3, 3), date(2026, 3, 2)]
    assert [row["sessions_stored"] for row in rows] == [2, 3]
    assert [row["status"] for row in rows] == ["completed", "completed"]
    assert rows[1]["reports"] == 4
    assert rows[1]["video_s"] == pytest.approx(3 * 7.8)
    done = CliRunner().invoke(app, ["status", "--data-dir", str(data.root)])
    assert "2026-03-03" in done.output
    assert "last run" not in done.output
    assert doctor.check_warehouse(Settings(data_dir=data.root))[0] is Grade.OK
    log = data.published.with_name(f"{data.published.name}.wal")
    log.write_bytes(b"of a notebook")
    state, text = doctor.check_warehouse(Settings(data_dir=data.root))
    assert state is Grade.WARNING
    assert "open the snapshot read-only" in text


def test_a_lake_that_is_not_there_yet_or_empty_is_well(empty_lake: LakeAddress, tmp_path: Path) -> None:
    data = DataFolder(tmp_path / "data")
    settings = Settings(data_dir=data.root, warehouse=str(lake_of(data)))
    state, text = doctor.check_warehouse(settings)
    assert (state, "is made by the first night" in text) == (Grade.OK, True)
    assert doctor.check_patients(settings)[0] is Grade.OK
    assert not Path(lake_of(data).connection).exists()
    copy_warehouse(empty_lake, lake_of(data))
    state, text = doctor.check_warehouse(settings)
    assert (state, "last night none yet" in text) == (Grade.OK, True)


def test_a_second_onnx_runtime_is_a_warning_and_half_of_one_is_one_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    record = tmp_path / "packages" / "onnxruntime-1.0.dist-info" / "METADATA"
    record.parent.mkdir(parents=True)
    record.write_text("Metadata-Version: 2.1\nName: onnxruntime\nVersion: 1.0\n")
    monkeypatch.syspath_prepend(tmp_path / "packages")
    state, text = doctor.check_gpu(Settings())
    assert (state, "pip uninstall onnxruntime onnxruntime-gpu" in text) == (Grade.WARNING, True)
    half = tmp_path / "half" / "onnxruntime" / "__init__.py"  # what is left when one of the two was removed
    half.parent.mkdir(parents=True)
    half.touch()
    command = [sys.executable, "-m", "cli", "doctor"]
    environment = os.environ | {"PYTHONPATH": f"{half.parents[1]}:{Path(__file__).parents[2]}"}
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr.count("\n")) == (1, 1)
    assert "pmfer: ONNX Runtime is incomplete; run `pip uninstall" in done.stderr


def test_nights_that_another_model_scored_are_offered_while_their_recordings_are_there(
    ward: DataFolder, data: DataFolder, tmp_path: Path
) -> None:
    source = tmp_path / "source"
    for day in ("2026-03-02", "2026-03-03"):
        (source / day).mkdir(parents=True)
        (source / day / "a.mp4").write_bytes(b"video")
    new = Settings(data_dir=data.root, source=str(source))
    assert doctor.check_baseline(new) == (Grade.OK, "nothing needs to be scored again")
    settings = Settings(data_dir=ward.root, source=str(source))
    state, text = doctor.check_baseline(settings)
    assert state is Grade.WARNING
    assert "2 nights of the last weeks were scored with another model" in text
    assert "`pmfer backfill --from 2026-03-02 --to 2026-03-03`" in text
    # Nights that are no longer in the source, or are too old, do not help.
    (source / "2026-03-02" / "a.mp4").rename(source / "2026-03-03" / "b.mp4")
    (source / "2026-03-02").rmdir()
    assert "--from 2026-03-03 --to 2026-03-03" in doctor.check_baseline(settings)[1]
    (source / "2026-06-01").mkdir()
    assert doctor.check_baseline(settings)[0] is Grade.OK
    assert doctor.check_baseline(Settings(data_dir=ward.root, source=str(tmp_path / "gone")))[0] is Grade.OK


def test_folders_that_are_named_after_a_day_in_another_way_are_a_warning(data: DataFolder, tmp_path: Path) -> None:
    for name in ("2026-03-02", "lost+found", "cam-12"):
        (tmp_path / "source" / name).mkdir(parents=True)
    settings = Settings(data_dir=data.root, source=str(tmp_path / "source"))
    assert doctor.check_source(settings)[0] is Grade.OK
    for name in ("20260303", "03.03.2026"):
        (tmp_path / "source" / name).mkdir()
    state, text = doctor.check_source(settings)
    assert state is Grade.WARNING
    assert text.endswith("2 folders are not read, such as '03.03.2026': name them YYYY-MM-DD")


def test_a_data_folder_that_is_read_only_is_the_only_thing_called_broken(ward: DataFolder, tmp_path: Path) -> None:
    data = copy_ward(ward, tmp_path / "data")
    (tmp_path / "source" / "2026-03-02").mkdir(parents=True)
    told = told_in_a_namespace(
        'mount --bind "$DATA" "$DATA" && mount -o remount,bind,ro "$DATA"',
        """
        "$PYTHON" -m cli doctor --source "$SOURCE" --data-dir "$DATA" | grep ^broken
        "$PYTHON" -m cli nightly --source "$SOURCE" --data-dir "$DATA" --date 2026-03-02 2>&1 | grep ^pmfer
        "$PYTHON" -m cli quarantine list --data-dir "$DATA" 2>&1
        true
        """,
        {"DATA": data.root, "SOURCE": tmp_path / "source"},
    )
    folder = f"data folder {data.root}: cannot be written (Read-only file system); choose another with --data-dir or "
    assert told.splitlines() == [
        f"broken   data folder  {folder}PMFER_DATA_DIR",
        f"pmfer: {folder}PMFER_DATA_DIR",
        f"pmfer: read log {data.read_log}: cannot be written (Read-only file system); nothing was read: repair the log "
        "or grant access to it",
    ]
