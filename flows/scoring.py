"""Sessions one after the other: pull, score, store, or quarantine. Whatever happens to one spares the next."""

import logging
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass, replace
from pathlib import Path

import duckdb
import polars as pl

from flows.job import Job
from flows.logs import log_context, session_label, session_progress
from flows.monitoring import stage
from flows.plain_text import printable
from flows.plan import PendingSession, examine, quarantine_record, unopened
from flows.prefect_runs import step
from flows.sources.recordings import Digests, QuarantinedSession, Unready
from flows.staging import (
    ChangedMeanwhileError,
    NoRoomError,
    TooLargeToCopyError,
    UnreadableRecordingError,
    copy_recording,
    staging_folder,
)
from flows.warehouse_access import take_over_consents
from inference.process import ScoringProcess
from inference.scored import VideoSummary
from pmfer.bundle import Bundle
from pmfer.errors import QuarantineReason, SessionError, VideoError
from warehouse import quarantine, store
from warehouse.records import (
    BundleRecord,
    ScoringRecord,
)

log = logging.getLogger("pmfer.nightly")


@dataclass(frozen=True)
class StagedSession:
    """A session whose video was copied, and hashed on the way."""

    session: PendingSession
    video: Path  # the copy


@dataclass(frozen=True)
class ScoredSession:
    """A session with its score batch, not stored yet."""

    session: PendingSession
    frames: pl.DataFrame  # see pmfer.frame_row
    summary: VideoSummary


def score_sessions(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[PendingSession], job: Job, run_id: str
) -> None:
    """Score and store sessions, or quarantine them, each as soon as it is done: a kill loses one session at most.

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
            if isinstance(result, QuarantinedSession):
                with log_context(session=session_label(result.content_sha256)):
                    log.info("quarantined: %s", result.reason)
                quarantine.add_quarantine(connection, quarantine_record(result, job.night, run_id))
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
) -> ScoredSession | QuarantinedSession | Unready | None:
    """Score and store one session; None if its content, once read, turns out to need no scoring."""
    take_over_consents(connection, job.data, job.warehouse.key)
    staged = pull_session(session, job, folder)
    if not isinstance(staged, StagedSession):
        return staged
    with log_context(session=session_label(staged.session.content_sha256)), _gone_at_the_end(staged):
        examination = examine(connection, [staged.session], job, job.night)
        if examination.quarantined:
            return examination.quarantined[0]
        if examination.done_before:
            quarantine.lift_quarantine(connection, staged.session.recording.source_uri)
        if not examination.open:
            return None
        result = score_session(scorer, staged.session, staged.video)
        if isinstance(result, ScoredSession):
            try:
                with stage("store"):
                    take_over_consents(connection, job.data, job.warehouse.key)
                    store_scored(connection, result, job, run_id)
            except SessionError as error:
                return result.session.quarantined(error)
            log.debug("scored %d of %d frames", result.summary.frames_scored, result.summary.frames_sampled)
        return result


@step("pull session", waits=(1, 10, 60))
@stage("pull")
def pull_session(session: PendingSession, job: Job, folder: Path) -> StagedSession | QuarantinedSession | Unready:
    """Copy a session's video into the staging folder and remember what its content is.

    Raises:
        SourceGoneError: the source is not there any more.
        NoRoomError, DiskFullError: the disk is too full for the copy now.
        OSError: the copy cannot be written.
    """
    recording = session.recording
    try:
        copy = copy_recording(recording, job.source, folder)
    except ChangedMeanwhileError as error:
        return Unready(recording.source_uri, f"{recording.name}: {error}; left for next time")
    except UnreadableRecordingError as error:
        return unopened(recording, QuarantineReason.UNREADABLE, f"cannot be read ({printable(str(error))})")
    except TooLargeToCopyError as error:
        return unopened(recording, QuarantineReason.TOO_LARGE, str(error))
    Digests(job.data.digests(job.night)).remember(recording, copy.content_sha256)
    return StagedSession(replace(session, content_sha256=copy.content_sha256), copy.path)


@step("score session", waits=(0,))
@stage("score")
def score_session(scorer: ScoringProcess, session: PendingSession, staged: Path) -> ScoredSession | QuarantinedSession:
    """Score a staged video; one that cannot be scored goes to quarantine."""
    try:
        scored = scorer.score(staged, session.recording.sidecar.session_id)
    except VideoError as error:
        # The message names the staged copy; people know the file by its name in the source.
        message = printable(str(error).replace(str(staged), session.recording.name))
        return session.quarantined(VideoError(error.reason, message))
    return ScoredSession(session, scored.frames, scored.summary)


def store_scored(connection: duckdb.DuckDBPyConnection, scored: ScoredSession, job: Job, run_id: str) -> bool:
    """Store one session's score batch; False when it was stored before.

    Raises:
        SessionError: it contradicts what another run stored meanwhile.
    """
    summary = scored.summary
    scoring = ScoringRecord(
        options_sha256=job.provenance.options_sha256,
        options=job.options.as_dict(),
        run_id=run_id,
        duration_s=summary.duration_s,
        frames_decoded=summary.frames_decoded,
        frames_sampled=summary.frames_sampled,
        frames_with_face=summary.frames_with_face,
        frames_scored=summary.frames_scored,
        warning=summary.warning,
    )
    session, bundle = scored.session.record(), bundle_record(job.bundle)
    return store.store_session(
        connection, session, scoring, bundle, scored.frames, consent_required=job.consent_required
    )


def bundle_record(bundle: Bundle) -> BundleRecord:
    """The bundle as the warehouse stores it."""
    card = bundle.card
    return BundleRecord(bundle.digest, card.name, card.weights_sha256, card.prompt_set_sha256, asdict(card))


@contextmanager
def _gone_at_the_end(staged: StagedSession) -> Iterator[None]:
    """Remove the copy of a video whatever comes of it."""
    try:
        yield
    finally:
        staged.video.unlink(missing_ok=True)
