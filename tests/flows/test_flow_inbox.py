"""Scored sessions wait in the inbox on their way into a lake: none is lost, and none is stored that may not be."""

import base64
import logging
import signal
import stat
import subprocess
import sys
from dataclasses import replace
from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from other_processes import python_path
from privacy_folder import ANOTHER, BUNDLE, DAY, OTHER, PATIENT, access_to, frames_of, lake_of, scoring_of, sessions_of
from warehouse_copies import copy_warehouse

from flows.data_folder import DataFolder
from flows.inbox import hand_over_session, store_together, take_over_sessions
from flows.job import Job, make_job
from flows.plan import plan_night
from flows.request import RunRequest
from flows.scoring import score_sessions
from flows.sources.discovery import list_night
from pmfer.errors import QuarantineReason, WarehouseError
from warehouse import runs
from warehouse.address import LakeAddress
from warehouse.connection import open_reader, open_writer
from warehouse.consent import Consent, record_consents
from warehouse.encryption import read_parquet
from warehouse.records import RunRecord, SessionResult

NIGHT = date(2026, 3, 2)
KEY = base64.b64encode(bytes(range(32))).decode()
RUN = RunRecord("run", DAY, "0.1", BUNDLE.bundle_id, scoring_of("run").options_sha256, {})
# A process that is killed when it is about to store the waiting sessions.
KILLED = """
import os, signal, sys
from datetime import date
from pathlib import Path
from test_flow_inbox import job_of, score
from flows import scoring

scoring.store_together = lambda *arguments, **options: os.kill(os.getpid(), signal.SIGKILL)
score(job_of(Path(sys.argv[1]), Path(sys.argv[2])))
"""
FRAMES = "SELECT * EXCLUDE (scoring_id) FROM stored_frames ORDER BY ALL"


@pytest.fixture
def house(empty_lake: LakeAddress, tmp_path: Path) -> DataFolder:
    """A data folder with a lake in which a run has begun and nothing is stored yet."""
    data = DataFolder(tmp_path / "house")
    copy_warehouse(empty_lake, lake_of(data))
    with access_to(data, lake_of(data)).writing() as writer:
        runs.start_run(writer.connection, RUN)
    return data


def job_of(source: Path, root: Path) -> Job:
    job = make_job(RunRequest(source=str(source), data_dir=root), NIGHT)
    return replace(job, warehouse=lake_of(job.data))


def score(job: Job) -> None:
    """Score the pending sessions of a night."""
    with job.access.writing() as writer:
        pending = plan_night(writer.connection, list_night(job.source, NIGHT), job).pending
        score_sessions(writer.connection, pending, job, RUN.run_id)


def result_of(patient: str) -> SessionResult:
    session = sessions_of(patient, DAY)
    return SessionResult(session, scoring_of(RUN.run_id), frames_of(session.session_id))


def hand_over(data: DataFolder, *patients: str, key: str | None = None) -> None:
    for patient in patients:
        hand_over_session(data, key, BUNDLE, result_of(patient))


def inbox(data: DataFolder) -> list[Path]:
    return sorted(data.inbox.glob("*")) if data.inbox.is_dir() else []


def stored(data: DataFolder, sql: str = "SELECT patient_id, stored_at FROM sessions ORDER BY ALL") -> pl.DataFrame:
    with open_reader(lake_of(data)) as reader:
        return reader.execute(sql).pl()


def test_what_was_scored_when_a_night_was_killed_is_stored_by_the_next_and_not_scored_again(
    source: Path, house: DataFolder, empty_lake: LakeAddress, tmp_path: Path
) -> None:
    killed = subprocess.run(
        [sys.executable, "-c", KILLED, str(source), str(house.root)],
        env={"PYTHONPATH": python_path()},
        capture_output=True,
        text=True,
        check=False,
    )
    assert killed.returncode == -signal.SIGKILL, killed.stderr
    waiting = inbox(house)
    assert len(waiting) == 3
    assert {stat.S_IMODE(path.stat().st_mode) for path in waiting} == {0o600}
    assert stored(house).is_empty()
    job = job_of(source, house.root)
    with job.access.writing() as writer:
        plan = plan_night(writer.connection, list_night(job.source, NIGHT), job)
    assert not plan.pending
    assert inbox(house) == []
    assert len(stored(house)) == 3
    assert stored(house)["stored_at"].n_unique() == 1  # together, in one transaction

    undisturbed = DataFolder(tmp_path / "undisturbed")
    copy_warehouse(empty_lake, lake_of(undisturbed))
    with access_to(undisturbed, lake_of(undisturbed)).writing() as writer:
        runs.start_run(writer.connection, RUN)
    score(job_of(source, undisturbed.root))
    assert stored(undisturbed)["stored_at"].n_unique() == 1
    assert inbox(undisturbed) == []
    assert stored(house, FRAMES).equals(stored(undisturbed, FRAMES))


def test_of_sessions_stored_together_one_that_is_refused_spares_the_others(house: DataFolder) -> None:
    hand_over(house, PATIENT, OTHER, ANOTHER)
    with open_reader(lake_of(house)) as reader:
        assert reader.execute("FROM sessions").fetchall() == []
    withdrawn = Consent(OTHER, DAY, None, DAY, "form")
    with access_to(house, lake_of(house)).writing(publishes=False) as writer:
        assert len(stored(house)) == 3  # whoever opens the lake for writing stores them
        record_consents(writer.connection, [withdrawn])
        again = [result_of(patient) for patient in (PATIENT, OTHER, ANOTHER)]
        refused = store_together(writer.connection, house, BUNDLE, again, consent_required=False)
    ((name, error),) = refused.items()
    assert (name, error.reason) == (sessions_of(OTHER, DAY).session_id, QuarantineReason.NO_CONSENT)


def test_a_withdrawal_that_comes_before_they_are_stored_is_heeded(house: DataFolder) -> None:
    with access_to(house, lake_of(house)).writing() as writer:
        record_consents(writer.connection, [Consent(OTHER, DAY, None, DAY, "form")])
    hand_over(house, PATIENT, OTHER)
    with access_to(house, lake_of(house)).writing():
        pass
    assert stored(house)["patient_id"].to_list() == [PATIENT]
    assert inbox(house) == []


def test_sessions_of_another_warehouse_are_not_stored_in_this_one(
    house: DataFolder, caplog: pytest.LogCaptureFixture
) -> None:
    stray = result_of(PATIENT)
    hand_over_session(house, None, BUNDLE, SessionResult(stray.session, scoring_of("elsewhere"), stray.frames))
    hand_over(house, OTHER)
    with caplog.at_level(logging.WARNING, logger="pmfer.inbox"), access_to(house, lake_of(house)).writing():
        pass
    assert caplog.messages == ["scored sessions of another warehouse, removed from the inbox: 1"]
    assert stored(house)["patient_id"].to_list() == [OTHER]
    assert inbox(house) == []


def test_what_waits_for_an_encrypted_lake_is_encrypted(tmp_path: Path) -> None:
    plain, secret = DataFolder(tmp_path / "plain"), DataFolder(tmp_path / "secret")
    hand_over(plain, PATIENT)
    hand_over(secret, PATIENT, key=KEY)
    ((readable,), (encrypted,)) = inbox(plain), inbox(secret)
    assert PATIENT in str(pl.read_parquet(readable)["session"][0])
    with pytest.raises(pl.exceptions.ComputeError):
        pl.read_parquet(encrypted)
    assert PATIENT in str(read_parquet(encrypted, KEY)["session"][0])


@pytest.mark.parametrize("key", [None, KEY])
def test_what_another_process_has_stored_since_it_was_listed_is_passed_over(house: DataFolder, key: str | None) -> None:
    house.inbox.mkdir(exist_ok=True)
    (house.inbox / "session-gone.parquet").symlink_to(house.inbox / "nowhere")  # listed, but gone
    with access_to(house, lake_of(house)).writing() as writer:
        take_over_sessions(writer.connection, house, key, consent_required=False)
    assert stored(house).is_empty()


@pytest.mark.parametrize("key", [None, KEY])
def test_a_file_that_cannot_be_read_is_named_and_stays(house: DataFolder, key: str | None) -> None:
    hand_over(house, PATIENT, key=key)
    (path,) = inbox(house)
    path.write_bytes(path.read_bytes()[:100])
    with open_writer(lake_of(house)) as connection, pytest.raises(WarehouseError, match=path.name):
        take_over_sessions(connection, house, key, consent_required=False)
    assert inbox(house) == [path]


def test_a_batch_that_breaks_a_rule_never_waits(tmp_path: Path) -> None:
    data, result = DataFolder(tmp_path / "data"), result_of(PATIENT)
    spoilt = result.frames.with_columns(happiness=pl.lit(2.0))
    with pytest.raises(WarehouseError):
        hand_over_session(data, None, BUNDLE, SessionResult(result.session, result.scoring, spoilt))
    assert inbox(data) == []


def test_a_session_comes_out_as_it_went_in(house: DataFolder) -> None:
    hand_over(house, PATIENT)
    with access_to(house, lake_of(house)).writing():
        pass
    session = sessions_of(PATIENT, DAY)
    (row,) = stored(house, "SELECT session_id, started_at, source_uri, utc_offset_s, consent FROM sessions").rows()
    assert row[0] == session.session_id
    assert row[1] == session.started_at.astimezone(UTC) or row[1] == session.started_at
    assert row[2:] == (session.source_uri, session.utc_offset_s, True)
    assert isinstance(row[1], datetime)
    frames = stored(house, "SELECT * EXCLUDE scoring_id FROM frame_scores ORDER BY frame_index")
    assert len(frames) == len(result_of(PATIENT).frames)
