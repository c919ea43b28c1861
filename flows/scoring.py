"""Scoring sessions one after the other: pull, score, store, or set aside. Whatever happens to one spares the next."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path

import duckdb

from flows.job import Job
from flows.logs import log_context, session_label, session_progress
from flows.monitoring import stage
from flows.night import (
    PendingSession,
    ScoredSession,
    StagedSession,
    examine,
    pull_session,
    quarantine_record,
    score_session,
    store_scored,
)
from flows.prefect_runs import step
from flows.privacy.consent_inbox import take_over
from flows.sources import Rejection, Unready
from flows.staging import NoRoomError, staging_folder
from inference.process import ScoringProcess
from pmfer.errors import SessionError
from warehouse import store

log = logging.getLogger("pmfer.nightly")


@step("pull session", waits=(1, 10, 60))
@stage("pull")
def pull(session: PendingSession, job: Job, folder: Path) -> StagedSession | Rejection | Unready:
    """Copy one video below the data folder."""
    return pull_session(session, job, folder)


@step("score session", waits=(0,))
@stage("score")
def score(scorer: ScoringProcess, staged: StagedSession, job: Job) -> ScoredSession | Rejection:
    """Score one staged video into a Parquet file beside it."""
    return score_session(scorer, staged.session, staged.video, job.warehouse.key)


def score_sessions(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[PendingSession], job: Job, run_id: str
) -> None:
    """Score and store sessions, or set them aside, each as soon as it is done: a kill loses one session at most.

    Raises:
        NoRoomError: recordings were left out that do not fit on the disk now; all others were done.
        PmferError: the source, the warehouse or the bundle failed. What was stored before stays.
        OSError: a copy cannot be written.
    """
    left_out: list[NoRoomError] = []
    with (
        staging_folder(job.data.staging) as folder,
        ScoringProcess(job.bundle, job.options, job.limits) as scorer,
        session_progress(len(sessions)) as advance,
    ):
        for session in sessions:
            try:
                result = score_one(connection, scorer, session, job, folder, run_id)
            except NoRoomError as error:
                left_out.append(error)
                continue
            advance(result.summary.duration_s or 0.0 if isinstance(result, ScoredSession) else 0.0)
            if isinstance(result, Rejection):
                with log_context(session=session_label(result.content_sha256)):
                    log.info("set aside: %s", result.reason)
                store.add_quarantine(connection, quarantine_record(result, job.night, run_id))
    if left_out:
        others = f"; {len(left_out) - 1} others do not fit either" if len(left_out) > 1 else ""
        raise NoRoomError(f"{left_out[0]}{others}")


def score_one(
    connection: duckdb.DuckDBPyConnection,
    scorer: ScoringProcess,
    session: PendingSession,
    job: Job,
    folder: Path,
    run_id: str,
) -> ScoredSession | Rejection | Unready | None:
    """Score and store one session; None if its content, once read, turns out to need no scoring."""
    take_over(connection, job.data, job.warehouse.key)
    staged = pull(session, job, folder)
    if not isinstance(staged, StagedSession):
        return staged
    with log_context(session=session_label(staged.session.content_sha256)), _gone_at_the_end(staged):
        examination = examine(connection, [staged.session], job, job.night)
        if examination.rejections:
            return examination.rejections[0]
        if examination.done_before:
            store.lift_quarantine(connection, staged.session.recording.source_uri)
        if not examination.open:
            return None
        result = score(scorer, staged, job)
        if isinstance(result, ScoredSession):
            try:
                with stage("store"):
                    take_over(connection, job.data, job.warehouse.key)
                    store_scored(connection, result, job, run_id)
            except SessionError as error:
                return result.session.rejection(error)
            finally:
                result.batch.unlink()
            log.debug("scored %d of %d frames", result.summary.frames_scored, result.summary.frames_sampled)
        return result


@contextmanager
def _gone_at_the_end(staged: StagedSession) -> Iterator[None]:
    """Remove the copy of a video whatever comes of it."""
    try:
        yield
    finally:
        staged.video.unlink(missing_ok=True)
