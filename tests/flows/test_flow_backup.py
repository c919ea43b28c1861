"""A backup restores what was there, and a damaged one is refused before anything is written."""

import itertools
import json
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import duckdb
import pytest
from command import pmfer
from notice_server import notice_server
from privacy_folder import PATIENT, access_to, copy_ward, file_of, lake_of
from typer.testing import CliRunner

from cli.app import app
from flows.backup import MANIFEST_FILE, back_up, make_backup, read_backup, require_place, restore_backup
from flows.data_folder import DataFolder
from flows.settings import Settings
from flows.verify import verify_logs
from pmfer.errors import ConfigurationError, WarehouseError
from warehouse import migrate
from warehouse.consent import read_register
from warehouse.migrate import Migration


@pytest.fixture(scope="module")
def data(ward: DataFolder, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    return copy_ward(ward, tmp_path_factory.mktemp("backup") / "data")


@pytest.fixture(scope="module")
def backup(data: DataFolder) -> Path:
    out = data.root.parent / "backup"
    make_backup(access_to(data), out)
    return out


@pytest.fixture
def empty(tmp_path: Path) -> DataFolder:
    return DataFolder(tmp_path / "data")


def rows(path: Path) -> dict[str, list[tuple[object, ...]]]:
    with duckdb.connect(path, read_only=True) as connection:
        tables = [name for (name,) in connection.sql("SELECT table_name FROM duckdb_tables()").fetchall()]
        found = {
            name: connection.sql(f"SELECT CAST(COLUMNS(*) AS VARCHAR) FROM {name} ORDER BY ALL").fetchall()
            for name in tables
        }
    # The first writer in a new place records where its read log ends.
    found["audit_log"] = [row for row in found["audit_log"] if "reads_noted" not in row]
    del found["audit_head"]
    return found


def copy_of(backup: Path, place: Path) -> Path:
    shutil.copytree(backup, place)
    return place


def test_what_is_restored_is_what_was_there(data: DataFolder, backup: Path, empty: DataFolder) -> None:
    made = rows(data.warehouse)
    restored = restore_backup(access_to(empty), backup, lambda _: None)
    assert rows(empty.published) == made
    assert rows(empty.warehouse) == made
    assert len(made["sessions"]) == 5
    for folder in ("reports", "audit", "receipts"):
        before = {path.relative_to(backup): path.read_bytes() for path in (backup / folder).rglob("*.*")}
        after = {path.relative_to(empty.root): path.read_bytes() for path in (empty.root / folder).rglob("*.*")}
        assert after == before
    assert {path.name for path in empty.root.iterdir()} <= {"warehouse", "published", "reports", "audit", "receipts"}
    assert all(path.stat().st_mode & 0o077 == 0 for path in empty.root.rglob("*"))
    assert len(restored.files) > 5
    assert all("whole" in line for line in verify_logs(access_to(empty)))


def test_what_was_not_published_yet_is_in_the_backup_too(data: DataFolder, backup: Path, empty: DataFolder) -> None:
    restore_backup(access_to(empty), backup, lambda _: None)
    with access_to(empty).writing() as writer:
        connection = writer.connection
        assert PATIENT in read_register(connection).periods


def test_a_backup_of_an_earlier_release_is_restored(
    backup: Path, empty: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    earlier = migrate.shipped_migrations()
    next_one = Migration(len(earlier) + 1, "rooms", "CREATE TABLE rooms (room_id VARCHAR)")
    monkeypatch.setattr(migrate, "shipped_migrations", lambda: (*earlier, next_one))
    done = CliRunner().invoke(app, ["restore", str(backup), "--data-dir", str(empty.root)])
    assert done.exit_code == 0, done.output
    assert "now repeat all erasures and withdrawals" in done.output
    assert all("whole" in line for line in verify_logs(access_to(empty)))


@pytest.mark.parametrize("damage", ["altered", "missing", "added", "cut"])
def test_a_damaged_backup_is_refused_and_nothing_is_written(
    damage: str, backup: Path, empty: DataFolder, tmp_path: Path
) -> None:
    damaged = copy_of(backup, tmp_path / "damaged")
    report = next((damaged / "reports").rglob("*.pdf"))
    if damage == "altered":
        report.write_bytes(report.read_bytes()[:-1] + b"x")
    elif damage == "missing":
        report.unlink()
    elif damage == "added":
        report.with_name("more.pdf").write_bytes(b"%PDF")
    else:
        (damaged / MANIFEST_FILE).write_text('{"format_version": 1')
    with pytest.raises(WarehouseError, match=MANIFEST_FILE if damage in ("added", "cut") else report.name):
        restore_backup(access_to(empty), damaged, lambda _: None)
    assert list(empty.root.iterdir()) == []


def test_a_backup_that_lists_a_path_outside_is_refused(backup: Path, tmp_path: Path) -> None:
    damaged = copy_of(backup, tmp_path / "damaged")
    document = json.loads((damaged / MANIFEST_FILE).read_text())
    document["files"]["reports/../../escaped"] = "0" * 64
    (damaged / MANIFEST_FILE).write_text(json.dumps(document))
    with pytest.raises(WarehouseError, match="escaped"):
        read_backup(damaged)


def test_a_backup_that_was_interrupted_is_none(backup: Path, tmp_path: Path) -> None:
    cut = copy_of(backup, tmp_path / "cut")
    (cut / MANIFEST_FILE).unlink()
    with pytest.raises(ConfigurationError, match="no complete backup"):
        read_backup(cut)


def test_a_data_folder_in_use_is_left_alone(data: DataFolder, backup: Path) -> None:
    before = data.published.read_bytes()
    with pytest.raises(ConfigurationError, match="already exists"):
        restore_backup(access_to(data), backup, lambda _: None)
    assert data.published.read_bytes() == before


def test_a_restoration_that_was_killed_at_any_step_is_finished_by_the_next(
    data: DataFolder, backup: Path, tmp_path: Path
) -> None:
    class KilledError(BaseException):
        """The end of the process, as far as the restoration can tell."""

    made = rows(data.warehouse)
    for last in itertools.count():
        empty = DataFolder(tmp_path / f"data-{last}")
        left = last

        def then_killed(step: Callable[..., Any]) -> Callable[..., Any]:
            def take(*arguments: Any, **options: Any) -> Any:
                nonlocal left
                if left == 0:
                    raise KilledError
                left -= 1
                return step(*arguments, **options)

            return take

        with pytest.MonkeyPatch.context() as patch:
            for owner, name in ((Path, "replace"), (shutil, "rmtree"), (os, "sync")):
                patch.setattr(owner, name, then_killed(getattr(owner, name)))
            try:
                restore_backup(access_to(empty), backup, lambda _: None)
            except KilledError:
                pass
            else:
                break
        restore_backup(access_to(empty), backup, lambda _: None)
        assert rows(empty.warehouse) == rows(empty.published) == made
        assert not list(empty.root.rglob("*.restoring"))
    assert last > 8, "not every step was the last one"


def test_a_log_of_a_lost_database_is_no_part_of_the_one_restored(
    data: DataFolder, backup: Path, empty: DataFolder
) -> None:
    for database in (empty.published, empty.warehouse):
        database.parent.mkdir(parents=True)
        database.with_name(f"{database.name}.wal").write_bytes(b"of another database")
    with pytest.raises(ConfigurationError, match=r"duckdb\.wal: already exists"):
        restore_backup(access_to(empty), backup, lambda _: None)
    shutil.rmtree(empty.warehouse.parent)
    restore_backup(access_to(empty), backup, lambda _: None)
    assert rows(empty.published) == rows(data.warehouse)


def test_a_backup_below_the_data_folder_is_refused(data: DataFolder) -> None:
    with pytest.raises(ConfigurationError, match="another disk"):
        make_backup(access_to(data), data.root / "backup")


def test_a_lake_is_referred_to_its_own_tools(data: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="pg_dump"):
        make_backup(access_to(data, lake_of(data)), tmp_path / "backup")


def test_an_encrypted_backup_stays_encrypted_and_needs_the_key(tmp_path: Path) -> None:
    key = "K" * 43 + "="
    data, empty = DataFolder(tmp_path / "data"), DataFolder(tmp_path / "restored")
    address = replace(file_of(data), key=key)
    with access_to(data, address).writing():
        pass
    make_backup(access_to(data, address), tmp_path / "backup")
    with pytest.raises(duckdb.Error):
        duckdb.connect(tmp_path / "backup" / "published" / "warehouse.duckdb", read_only=True)
    restore_backup(access_to(empty, replace(file_of(empty), key=key)), tmp_path / "backup", lambda _: None)
    assert all("whole" in line for line in verify_logs(access_to(empty, replace(file_of(empty), key=key))))
    for wrong in ("L" * 42 + "A=", None):
        elsewhere = DataFolder(tmp_path / f"wrong-{wrong}")
        with pytest.raises(WarehouseError, match="key"):
            restore_backup(
                access_to(elsewhere, replace(file_of(elsewhere), key=wrong)), tmp_path / "backup", lambda _: None
            )
        assert not any(path.exists() for path in (elsewhere.warehouse, elsewhere.published, elsewhere.root / "audit"))
    restore_backup(access_to(elsewhere, replace(file_of(elsewhere), key=key)), tmp_path / "backup", lambda _: None)


def test_a_new_backup_takes_the_place_of_those_that_are_too_old(
    data: DataFolder, empty: DataFolder, tmp_path: Path
) -> None:
    place, said = tmp_path / "place", list[str]()
    ours = [place / name for name in ("2026-01-02-030405", "2026-01-03-030405")]
    others = [place / name for name in ("before-upgrade", "2026-01-02", "lake")]
    for folder in (*ours, *others):
        folder.mkdir(parents=True)
        (folder / "any.txt").write_text("of another day")
    settings = Settings(data_dir=data.root, backup_to=place, retain_backups_days=1)
    made = back_up(settings, None, said.append)
    assert sorted(place.iterdir()) == sorted([made.folder, *others]), "what people named stays"
    assert [line.partition(":")[0] for line in said] == [str(made.folder), *map(str, ours)]
    restore_backup(access_to(empty), made.folder, lambda _: None)
    assert rows(empty.warehouse) == rows(data.warehouse)


def test_without_an_age_every_backup_stays(data: DataFolder, tmp_path: Path) -> None:
    (tmp_path / "2026-01-02-030405").mkdir()
    made = back_up(Settings(data_dir=data.root, backup_to=tmp_path), None, lambda _: None)
    assert sorted(tmp_path.iterdir()) == [tmp_path / "2026-01-02-030405", made.folder]


def test_a_backup_that_fails_costs_none_that_there_is(data: DataFolder) -> None:
    old = data.root / "2026-01-02-030405"
    old.mkdir()
    with pytest.raises(ConfigurationError, match="another disk"):
        back_up(Settings(data_dir=data.root, backup_to=data.root, retain_backups_days=1), None, lambda _: None)
    old.rmdir()


@pytest.mark.filterwarnings("ignore:'imghdr' is deprecated")  # one of Apprise's many services uses it
def test_whoever_relies_on_notices_learns_of_a_backup_that_fails(data: DataFolder, tmp_path: Path) -> None:
    given = {"PMFER_DATA_DIR": str(data.root), "PMFER_BACKUP_TO": str(tmp_path / "unmounted")}
    with notice_server() as hook:
        failed = pmfer("backup", **given, PMFER_NOTIFY_URLS=hook.url)
        named = pmfer("backup", str(data.root / "here"), **given, PMFER_NOTIFY_URLS=hook.url)
        made = pmfer("backup", str(tmp_path / "named"), **given, PMFER_NOTIFY_URLS=hook.url)
    assert [failed.returncode, named.returncode, made.returncode] == [1, 1, 0]
    assert [(notice["type"], notice["title"]) for notice in hook.notices] == [
        ("failure", "PMFER: the backup failed")
    ] * 2, "and of none that succeeds"
    assert hook.notices[0]["message"].splitlines()[:2] == [
        f"The backup failed: {tmp_path / 'unmounted'}: no such folder; mount or make it, or correct PMFER_BACKUP_TO",
        "Correct the cause and run it again. The log says more.",
    ]


def test_a_backup_that_fails_half_way_leaves_nothing_on_its_disk(data: DataFolder, tmp_path: Path) -> None:
    for out in ((), (str(tmp_path / "named"),)):
        command = ["ulimit -f 64; exec", sys.executable, "-m", "cli", "backup", *out, "--data-dir", str(data.root)]
        environment = os.environ | {"PMFER_BACKUP_TO": str(tmp_path)}
        done = subprocess.run(["bash", "-c", " ".join(command)], capture_output=True, text=True, env=environment)
        assert done.returncode == 1
        assert done.stderr.startswith(f"pmfer: warehouse {tmp_path}/"), done.stderr
        assert list(tmp_path.iterdir()) == []


def test_a_place_that_is_not_there_is_not_made(data: DataFolder, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such folder; mount or make it, or correct PMFER_BACKUP_TO"):
        require_place(file_of(data), Settings(backup_to=tmp_path / "unmounted"))
    with pytest.raises(ConfigurationError, match="set PMFER_BACKUP_TO"):
        require_place(file_of(data), Settings())
    with pytest.raises(ConfigurationError, match="pg_dump"):
        require_place(lake_of(data), Settings(backup_to=tmp_path))
    assert list(tmp_path.iterdir()) == []


def test_the_commands_say_what_they_did(data: DataFolder, tmp_path: Path) -> None:
    out, back = tmp_path / "out", tmp_path / "back"
    done = CliRunner().invoke(app, ["backup", str(out), "--data-dir", str(data.root)])
    assert done.exit_code == 0, done.output
    done = CliRunner().invoke(app, ["restore", str(out), "--data-dir", str(back)])
    assert done.exit_code == 0, done.output
    assert "repeat all erasures" in done.output
