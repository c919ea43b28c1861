"""While a source is not mounted nothing is quarantined, and once it is back the night is finished."""

import json
from datetime import date, timedelta
from pathlib import Path

import pytest
from command import pmfer
from notice_server import notice_server
from own_mounts import told_in_a_namespace
from privacy_folder import access_to, file_of

from flows import prefect_runs, scoring
from flows.data_folder import DataFolder
from flows.doctor import Grade, check_source
from flows.metrics import read_metrics
from flows.nightly import one_night
from flows.outcome import NightOutcome
from flows.request import RunRequest
from flows.settings import Settings
from flows.sources.source import SourceGoneError
from flows.unfinished import Standing, unfinished_nights
from warehouse import quarantine
from warehouse.connection import open_reader

NIGHT = date(2026, 3, 2)
AFTER = NIGHT + timedelta(days=1)


@pytest.fixture
def source(tmp_path: Path) -> Path:
    """A night of three recordings: two that are no videos, as only their bytes tell, and one without its sidecar."""
    folder = tmp_path / "source" / str(NIGHT)
    folder.mkdir(parents=True)
    for name in ("a", "b", "c"):
        (folder / f"{name}.mp4").write_text(f"no video: {name}")
        sidecar = {"session_id": name, "patient_id": "p01", "started_at": f"{NIGHT}T09:00:00+01:00", "consent": True}
        (folder / f"{name}.json").write_text(json.dumps(sidecar))
    (folder / "c.json").unlink()
    return tmp_path / "source"


def unmount(source: Path) -> Path:
    """Replace the source by an empty folder; return where the source is now."""
    away = source.rename(source.with_name("away"))
    source.mkdir()
    return away


def mount(source: Path, away: Path) -> None:
    """Bring the source back."""
    source.rmdir()
    away.rename(source)


def run(source: Path, data: DataFolder, night: date) -> NightOutcome:
    return one_night(RunRequest(source=str(source), data_dir=data.root), night)


def reasons(data: DataFolder) -> dict[str, str]:
    """The reasons of quarantined sessions, by path."""
    with open_reader(file_of(data)) as reader:
        return dict(quarantine.between(reader).select("source_uri", "reason").iter_rows())


def test_a_new_house_may_begin_with_an_empty_source(tmp_path: Path, data: DataFolder) -> None:
    source = tmp_path / "source"
    source.mkdir()
    assert run(source, data, NIGHT).found == 0
    state, text = check_source(Settings(source=str(source), data_dir=data.root))
    assert state is Grade.WARNING
    assert "is empty" in text


def test_an_empty_mount_point_is_no_empty_night_once_the_house_has_recordings(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert run(source, data, NIGHT).quarantined == 3
    before = reasons(data)
    succeeded = read_metrics(data.metrics)
    assert succeeded is not None

    away = unmount(source)
    with notice_server() as hook:
        monkeypatch.setenv("PMFER_NOTIFY_URLS", hook.url)
        done = pmfer("nightly", "--source", str(source), "--date", str(NIGHT), "--data-dir", str(data.root))
    assert done.returncode == 1
    (line,) = done.stderr.splitlines()
    assert line.startswith(
        f"pmfer: source {source}: is empty, and the warehouse has recordings up to {NIGHT}; mount it"
    )
    assert hook.titles == [f"PMFER: the night of {NIGHT} failed"]
    monkeypatch.delenv("PMFER_NOTIFY_URLS")
    failed = read_metrics(data.metrics)
    assert failed is not None
    assert (failed.succeeded, failed.last_success_at) == (False, succeeded.last_success_at)
    assert [(left.night, left.standing) for left in unfinished_nights(data)] == [(NIGHT, Standing.FAILED)]
    assert reasons(data) == before
    with pytest.raises(SourceGoneError, match="is empty"):
        check_source(Settings(source=str(source), data_dir=data.root))

    mount(source, away)
    assert run(source, data, AFTER).found == 0  # a night without recordings in a source that is there
    assert check_source(Settings(source=str(source), data_dir=data.root))[0] is Grade.OK


def test_a_house_that_removes_old_recordings_or_says_that_its_source_is_empty_is_believed(
    source: Path, data: DataFolder
) -> None:
    run(source, data, NIGHT)
    unmount(source)
    (source / "2026-02-01").mkdir()  # an older folder below the mount point
    with pytest.raises(SourceGoneError, match="holds none of the nights that were scored, nor a later one"):
        run(source, data, AFTER)
    (source / "2026-02-01").rmdir()
    for night in (NIGHT, AFTER):
        (source / str(night)).mkdir()
    before = reasons(data)
    assert run(source, data, NIGHT).mended == 0
    assert reasons(data) == before
    (source / str(NIGHT)).rmdir()
    assert run(source, data, AFTER).found == 0
    assert run(source, data, AFTER + timedelta(days=1)).found == 0


def test_a_day_without_recordings_is_not_called_done(source: Path, data: DataFolder) -> None:
    def told(*arguments: str, **settings: str) -> str:
        done = pmfer(*arguments, "--source", str(source), "--data-dir", str(data.root), **settings)
        assert done.returncode == 0, done.stderr
        return done.stdout.strip()

    just_written = told("nightly", "--date", str(NIGHT), PMFER_SOURCE_SETTLE_S="60")
    assert just_written == (
        f"{NIGHT}: no complete sessions in the source; 3 still being uploaded or just written, left for the next run"
    )
    assert told("nightly", "--date", "2026-02-03") == "2026-02-03: no sessions in the source"
    span = ("--from", "2026-02-03", "--to", "2026-02-04")
    assert told("backfill", *span) == "2026-02-03 to 2026-02-04: no sessions in the source"
    assert run(source, data, NIGHT).quarantined == 3
    assert told("nightly", "--date", str(NIGHT)) == f"{NIGHT}: nothing to do, 0 of 3 sessions were scored before"


def test_a_source_that_is_unmounted_in_mid_night_stops_it_and_quarantines_nothing(
    source: Path, data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(prefect_runs.time, "sleep", lambda _: None)  # waiting does not bring it back
    pulled: list[object] = []
    pull = scoring.pull_session

    def pull_until_unmounted(*arguments: object) -> object:
        if len(pulled) == 1 and any(source.iterdir()):
            unmount(source)
        pulled.append(pull(*arguments))  # type: ignore[arg-type]
        return pulled[-1]

    monkeypatch.setattr(scoring, "pull_session", pull_until_unmounted)
    with pytest.raises(SourceGoneError, match=r"it holds none of the nights .* bring it back and run again"):
        run(source, data, NIGHT)
    monkeypatch.undo()
    assert len(pulled) == 1
    metrics = read_metrics(data.metrics)
    assert metrics is not None
    assert (metrics.succeeded, metrics.last_success_at) == (False, None)
    before = {f"{NIGHT}/a.mp4": "not_a_video", f"{NIGHT}/c.mp4": "sidecar_missing"}
    with access_to(data).writing() as writer:
        assert dict(quarantine.between(writer.connection).select("source_uri", "reason").iter_rows()) == before

    mount(source, source.with_name("away"))
    assert run(source, data, NIGHT).quarantined == 1
    assert reasons(data) == before | {f"{NIGHT}/b.mp4": "not_a_video"}


# A tmpfs is mounted as the source, and another one in its place after the listing.
MOUNT = 'mount -t tmpfs tmpfs "$SOURCE"'
FILL_AND_TELL = 'cp -r "$WARD/." "$SOURCE" && exec "$PYTHON" -c "$STORY"'
STORY = """
import os, subprocess
from datetime import date
from pathlib import Path
from flows.sources.discovery import list_night
from flows.sources.source import Source, SourceGoneError
from flows.staging import copy_recording
folder, night = Path(os.environ["SOURCE"]), date(2026, 3, 2)
source = Source(str(folder), settle_s=0)
recording = list_night(source, night).recordings[0]
staging = Path(os.environ["STAGING"])
copy_recording(recording, source, staging).path.unlink()

def lost():
    try:
        copy_recording(recording, source, staging)
    except SourceGoneError as error:
        print(error)

subprocess.run(["umount", folder], check=True)
lost()
(folder / str(night)).mkdir()
(folder / str(night) / "another.mp4").touch()
lost()
"""


def test_a_real_mount_that_is_gone_and_another_disk_in_its_place_are_both_noticed(source: Path, tmp_path: Path) -> None:
    for name in ("mounted", "staging"):
        (tmp_path / name).mkdir()
    places = {"SOURCE": tmp_path / "mounted", "STAGING": tmp_path / "staging", "WARD": source}
    lines = told_in_a_namespace(MOUNT, FILL_AND_TELL, places | {"STORY": STORY}).splitlines()
    assert len(lines) == 2
    assert all("another file system is in its place" in line for line in lines)
