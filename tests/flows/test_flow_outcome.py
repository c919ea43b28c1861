"""The outcome of a night's sessions is read from the warehouse, whoever scored them."""

from collections.abc import Iterator
from dataclasses import replace
from datetime import UTC, date, datetime

import duckdb
import pytest
from stored import store_session

from benchmarks.warehouse import digest, made_up_frames
from flows.data_folder import DataFolder
from flows.job import Job, make_job
from flows.outcome import remember_contents, session_outcomes
from flows.plan import NightPlan, PendingSession, quarantine_record
from flows.request import RunRequest
from flows.scoring import bundle_record
from flows.shards import pack, recording_id
from flows.sources.recordings import Digests, QuarantinedSession, Recording, Unready
from flows.sources.sidecar import Sidecar
from pmfer.errors import QuarantineReason
from warehouse import quarantine
from warehouse.connection import open_writer
from warehouse.records import ScoringRecord

NIGHT = date(2026, 3, 2)
FRAMES = made_up_frames(1, 20)


def session(name: str) -> PendingSession:
    started = datetime(2026, 3, 2, 9, tzinfo=UTC)
    sidecar = Sidecar(session_id=name, patient_id="birch-01", started_at=started, consent=True)
    return PendingSession(Recording(f"{NIGHT}/{name}.mp4", sidecar, 1000 + len(name), "1"), None)


@pytest.fixture
def job(data: DataFolder) -> Job:
    return make_job(RunRequest(source="/srv/recordings", data_dir=data.root), NIGHT)


@pytest.fixture
def writer(job: Job) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_writer(job.warehouse) as connection:
        yield connection


def stored(connection: duckdb.DuckDBPyConnection, job: Job, pending: PendingSession, run_id: str) -> None:
    name = pending.recording.sidecar.session_id
    scoring = ScoringRecord(
        options_sha256=job.provenance.options_sha256,
        options={},
        run_id=run_id,
        duration_s=4.0,
        frames_decoded=120,
        frames_sampled=20,
        frames_with_face=int((FRAMES["face_count"] > 0).sum()),
        frames_scored=FRAMES["reason"].null_count(),
    )
    record = replace(pending, content_sha256=digest(name)).record()
    frames = FRAMES.with_columns(session_id=FRAMES["session_id"].replace("", name))
    assert store_session(connection, record, scoring, bundle_record(job.bundle), frames)


def test_each_session_counts_once_by_what_became_of_it(writer: duckdb.DuckDBPyConnection, job: Job) -> None:
    now, before, bad, known_bad, changed = map(session, ("now", "before", "bad", "known-bad", "changed"))
    stored(writer, job, before, "earlier")
    stored(writer, job, now, "mine")
    for pending, run_id in ((bad, "mine"), (known_bad, "earlier")):
        uri = pending.recording.source_uri
        refused = QuarantinedSession(uri, QuarantineReason.NOT_A_VIDEO, "no video", digest(uri), uri[11:-4], "birch-01")
        quarantine.add_quarantine(writer, quarantine_record(refused, NIGHT, run_id))
    waiting = Unready(f"{NIGHT}/late.mp4", "late.mp4: too fresh")
    plan = NightPlan(7, (now, before, bad, known_bad, changed), 1, (), (waiting,))

    outcome = session_outcomes(writer, plan, job, "mine").outcome(job, reports=3)
    assert (outcome.scored, outcome.done_before, outcome.quarantined, outcome.unready) == (1, 2, 1, 2)
    assert outcome.frames_scored == FRAMES["reason"].null_count()
    rows = {str(row["session"]): row["outcome"] for row in session_outcomes(writer, plan, job, "mine").rows()}
    assert rows == {
        recording_id(f"{NIGHT}/now.mp4"): "scored",
        recording_id(f"{NIGHT}/bad.mp4"): "not_a_video",
        recording_id(f"{NIGHT}/late.mp4"): "still being uploaded",
        recording_id(f"{NIGHT}/changed.mp4"): "still being uploaded",
        "2 more": "done before",
    }


def test_what_workers_read_is_known_here_afterwards(writer: duckdb.DuckDBPyConnection, job: Job) -> None:
    scored, changed = session("scored"), session("changed")
    stored(writer, job, scored, "mine")
    remember_contents(writer, NightPlan(2, (scored, changed), 0, ()), job)
    known = Digests(job.data.digests(NIGHT))
    assert known.of(scored.recording) == digest("scored")
    assert known.of(changed.recording) is None


def test_no_session_is_in_no_shard(writer: duckdb.DuckDBPyConnection, job: Job) -> None:
    assert pack([], job.shard_s) == []
    assert session_outcomes(writer, NightPlan(0, (), 0, ()), job, "mine").outcome(job, 0).scored == 0
