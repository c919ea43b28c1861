"""While a session is scored, the next is copied and the last is stored; a failed session does not affect the others."""

import itertools
import shutil
from collections.abc import Callable
from datetime import date
from pathlib import Path
from threading import Event
from typing import Any

import pytest
from privacy_folder import new_house

from flows import scoring
from flows.job import Job, make_job
from flows.plan import PendingSession, plan_night
from flows.request import RunRequest
from flows.scoring import ScoredSession, score_sessions
from flows.sources.discovery import list_night
from flows.sources.source import SourceGoneError
from flows.staging import NoRoomError
from warehouse.address import FileAddress
from warehouse.connection import open_writer

NIGHT = date(2026, 3, 2)
pytestmark = pytest.mark.usefixtures("data")  # in tmp_path, with an empty warehouse
WAIT_S = 60.0  # far longer than anything here takes


def job_of(source: Path, data: Path) -> Job:
    return make_job(RunRequest(source=str(source), data_dir=data), NIGHT)


def score(job: Job, processes: int = 1) -> list[str]:
    """Score the night; return the sessions in the order in which they were stored."""
    job.data.require_writable()
    with job.access.writing() as writer:
        pending = plan_night(writer.connection, list_night(job.source, NIGHT), job).pending
        score_sessions(writer.connection, pending, job, "run", processes)
    return stored(job)


def stored(job: Job) -> list[str]:
    with open_writer(job.warehouse) as connection:
        return [name for (name,) in connection.execute("SELECT session_id FROM sessions ORDER BY stored_at").fetchall()]


def listed(job: Job) -> list[str]:
    return [recording.sidecar.session_id for recording in list_night(job.source, NIGHT).recordings]


def watch(
    monkeypatch: pytest.MonkeyPatch, name: str, begins: Callable[[str], object], ends: Callable[[str], object]
) -> None:
    """Record when a step of scoring begins and ends, with the session's name; the step itself is unchanged."""
    step: Callable[..., Any] = getattr(scoring, name)

    def watched(*arguments: Any) -> Any:
        given = next(part for part in arguments if isinstance(part, PendingSession | ScoredSession))
        session = given.session if isinstance(given, ScoredSession) else given
        begins(session.recording.sidecar.session_id)
        result = step(*arguments)
        ends(session.recording.sidecar.session_id)
        return result

    monkeypatch.setattr(scoring, name, watched)


def nothing(session: str) -> None:
    pass


def test_the_next_is_copied_while_one_is_scored_and_scored_while_that_is_stored(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(source, tmp_path / "data")
    names = listed(job)
    copied, begun = {name: Event() for name in names}, {name: Event() for name in names}
    following = dict(itertools.pairwise(names))

    def until(events: dict[str, Event], name: str) -> None:
        if name in following:
            assert events[following[name]].wait(WAIT_S), f"{following[name]} waited for {name}"

    # If sessions were processed one after the other, none of them would end.
    watch(monkeypatch, "pull_session", nothing, lambda name: copied[name].set())
    watch(monkeypatch, "score_session", lambda name: begun[name].set(), lambda name: until(copied, name))
    watch(monkeypatch, "session_result", lambda name: until(begun, name), nothing)
    assert score(job) == names


def test_two_processes_store_what_one_does_in_the_same_order(
    source: Path, empty_file: FileAddress, tmp_path: Path
) -> None:
    jobs = [job_of(source, new_house(empty_file, tmp_path / f"by-{processes}").root) for processes in (1, 2)]
    orders = [score(job, processes) for job, processes in zip(jobs, (1, 2), strict=True)]
    assert orders[0] == orders[1] == listed(jobs[0])
    frames = []
    for job in jobs:
        with open_writer(job.warehouse) as connection:
            frames.append(connection.execute("FROM stored_frames ORDER BY ALL").pl())
    assert frames[0].equals(frames[1])
    assert len(frames[0])


def test_what_was_scored_is_stored_when_the_source_goes_away(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(source, tmp_path / "data")
    first, second, *_ = listed(job)

    def gone(name: str) -> None:
        if name == second:
            raise SourceGoneError(f"source {source}: gone")

    watch(monkeypatch, "pull_session", gone, nothing)
    with pytest.raises(SourceGoneError):
        score(job)
    assert stored(job) == [first]


def test_a_copy_that_does_not_fit_beside_another_waits_for_its_room(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    job = job_of(source, tmp_path / "data")
    names = listed(job)

    def no_room(name: str) -> None:
        if name != names[0] and list(job.data.staging.rglob("*.mp4")):
            raise NoRoomError(f"{name}: does not fit now")

    watch(monkeypatch, "pull_session", no_room, nothing)
    assert score(job) == names


def test_of_two_recordings_alike_the_second_is_not_scored(
    source: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    night = tmp_path / "source" / NIGHT.isoformat()
    night.mkdir(parents=True)
    video, sidecar = (next((source / NIGHT.isoformat()).glob(f"birch-01-*-1.{ending}")) for ending in ("mp4", "json"))
    for name in ("a", "b"):
        shutil.copy(video, night / f"{name}.mp4")
        (night / f"{name}.json").write_text(sidecar.read_text().replace(sidecar.stem, name))
    job, scored = job_of(night.parent, tmp_path / "data"), list[str]()
    watch(monkeypatch, "score_session", scored.append, nothing)
    assert score(job) == scored == ["a"]
    with open_writer(job.warehouse) as connection:
        rows = connection.execute("SELECT session_id, reason FROM quarantine").fetchall()
    assert rows == [("b", "duplicate_content")]
