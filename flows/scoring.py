"""Pull, score and store the sessions of a night, or quarantine them. A failed session does not affect the others."""

import logging
import time
from collections import deque
from collections.abc import Sequence
from concurrent.futures import Future, ThreadPoolExecutor, wait
from contextvars import copy_context
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from queue import SimpleQueue
from typing import Self

import duckdb
import polars as pl

from flows.inbox import hand_over_session, store_together, take_over_consents
from flows.job import Job
from flows.logs import Advance, log_context, session_label, session_progress
from flows.monitoring import stage
from flows.plain_text import printable
from flows.plan import PendingSession, examine, quarantine_record, unopened
from flows.prefect_runs import step
from flows.sources.recordings import Digests, QuarantinedSession, Unready
from flows.staging import (
    ChangedMeanwhileError,
    DiskFullError,
    LeftOutError,
    NoRoomError,
    TooLargeToCopyError,
    UnreadableRecordingError,
    copy_recording,
    staging_folder,
)
from inference.process import ScoringProcess
from inference.scored import VideoSummary
from pmfer.bundle import Bundle
from pmfer.errors import PmferError, QuarantineReason, VideoError
from warehouse import quarantine
from warehouse.address import LakeAddress
from warehouse.corrections import withdraw_corrected
from warehouse.records import BundleRecord, ScoringRecord, SessionResult

# How many sessions go into a lake in one transaction. Storing one takes a second and storing fifty takes six, and
# other writers wait meanwhile.
TOGETHER = 50
WAIT_S = 60.0  # seconds for which a scored session waits at most for others to be stored with

log = logging.getLogger("pmfer.nightly")


@dataclass(frozen=True)
class StagedSession:
    """A session whose video was copied and hashed."""

    session: PendingSession
    video: Path  # the copy


@dataclass(frozen=True)
class ScoredSession:
    """A session with its score batch, not stored yet."""

    session: PendingSession
    frames: pl.DataFrame  # see pmfer.frame_row
    summary: VideoSummary


def score_sessions(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[PendingSession], job: Job, run_id: str, processes: int = 1
) -> None:
    """Score and store sessions, or quarantine them. If the run is killed, at most one session per process is lost.

    The steps overlap: while sessions are being scored, the next one is copied and the one before is stored. Sessions
    are stored in the given order. For a lake, scored sessions wait in the inbox and are stored many at a time.

    Args:
        connection: the warehouse.
        sessions: the pending sessions.
        job: the night's job.
        run_id: the run.
        processes: number of scoring processes, each with one video at a time.

    Raises:
        LeftOutError: some recordings cannot be copied now; all others were processed.
        PmferError: the source, the warehouse or the bundle failed. Sessions scored before that are stored.
        OSError: a copy cannot be written.
    """
    left_out: list[LeftOutError] = []
    # All at once, because the sidecars of two recordings may have been swapped, and with them their session_ids.
    if corrected := [session.record() for session in sessions if session.replaces]:
        log.info("scored again, because their sidecars were corrected: %d", len(corrected))
        withdraw_corrected(connection, corrected)
    with (
        staging_folder(job.data.staging) as folder,
        _Scorers(job, processes, folder) as scorers,
        session_progress(len(sessions)) as advance,
    ):
        pipeline = _SessionPipeline(connection, job, run_id, folder, scorers, advance)
        for session in sessions:
            try:
                pipeline.begin(session)
            except LeftOutError as error:
                left_out.append(error)
            except (PmferError, OSError):
                pipeline.finish_all()
                raise
        pipeline.finish_all()
    if left_out:
        others = f"; {len(left_out) - 1} others could not be copied either" if len(left_out) > 1 else ""
        raise LeftOutError(f"{left_out[0]}{others}")


class _Scorers:
    """Scoring processes that run at the same time, one video each. Leaving the context stops them at once."""

    def __init__(self, job: Job, processes: int, scratch: Path) -> None:
        self.count = processes
        self._all = [ScoringProcess(job.bundle, job.options, job.limits, scratch=scratch) for _ in range(processes)]
        self._free: SimpleQueue[ScoringProcess] = SimpleQueue()
        for scorer in self._all:
            self._free.put(scorer)
        self._threads = ThreadPoolExecutor(processes, thread_name_prefix="pmfer-scoring")

    def __enter__(self) -> Self:
        return self

    def __exit__(self, *error: object) -> None:
        for scorer in self._all:
            scorer.stop()  # nobody waits for the result of a video that is still being scored
        self._threads.shutdown(cancel_futures=True)
        for scorer in self._all:
            scorer.close()

    def begin(self, staged: StagedSession) -> Future[ScoredSession | QuarantinedSession]:
        """Score a session as soon as a process is free, with the caller's log context."""
        return self._threads.submit(copy_context().run, self._score, staged)

    def _score(self, staged: StagedSession) -> ScoredSession | QuarantinedSession:
        scorer = self._free.get()
        try:
            return score_session(scorer, staged.session, staged.video)
        finally:
            self._free.put(scorer)


class _SessionPipeline:
    """The overlapping steps of a night's sessions: while one is scored, the next is copied and the last is stored."""

    def __init__(
        self,
        connection: duckdb.DuckDBPyConnection,
        job: Job,
        run_id: str,
        folder: Path,
        scorers: _Scorers,
        advance: Advance,
    ) -> None:
        self._connection, self._job, self._run_id = connection, job, run_id
        self._folder, self._scorers, self._advance = folder, scorers, advance
        self._in_scoring: deque[tuple[StagedSession, Future[ScoredSession | QuarantinedSession]]] = deque()
        self._bundle = bundle_record(job.bundle)
        self._batch_size = TOGETHER if isinstance(job.warehouse, LakeAddress) else 1
        self._waiting: list[tuple[PendingSession, SessionResult]] = []  # scored, to be stored together
        self._waiting_since = 0.0  # monotonic clock, seconds

    def begin(self, session: PendingSession) -> None:
        """Copy a session and start scoring it; store earlier sessions that are done.

        Raises:
            LeftOutError: it cannot be copied now.
            PmferError, OSError: as for `score_sessions`.
        """
        take_over_consents(self._connection, self._job.data, self._job.warehouse.key)
        try:
            staged = pull_session(session, self._job, self._folder)
        except (NoRoomError, DiskFullError):
            if not self._in_scoring:
                raise
            self.finish_all()  # deleting the copies of earlier sessions makes room
            staged = pull_session(session, self._job, self._folder)
        if not isinstance(staged, StagedSession):
            self._conclude(staged)
            return
        content = staged.session.content_sha256
        in_progress = [other.session for other, _ in self._in_scoring] + [other for other, _ in self._waiting]
        if any(other.content_sha256 == content for other in in_progress):
            self.finish_all()  # of two identical videos only the first is scored: store it before this one is examined
        with log_context(session=session_label(content)):
            examination = examine(self._connection, [staged.session], self._job)
            if examination.done_before:
                quarantine.lift_quarantine(self._connection, staged.session.recording.source_uri)
            if examination.open:
                if examination.open[0].replaces:
                    log.info("scored again, because its sidecar was corrected")
                self._score(replace(staged, session=examination.open[0]))
                return
            staged.video.unlink()
        self._conclude(*examination.quarantined)

    def finish_all(self) -> None:
        """Wait for the sessions that are being scored, and store them."""
        while self._in_scoring:
            self._finish(*self._in_scoring.popleft())
        self._store_waiting()

    def _score(self, staged: StagedSession) -> None:
        oldest = self._in_scoring.popleft() if len(self._in_scoring) == self._scorers.count else None
        if oldest:
            wait([oldest[1]])
        self._in_scoring.append((staged, self._scorers.begin(staged)))
        if oldest:
            self._finish(*oldest)  # only now, so that it is stored while the new session is scored

    def _finish(self, staged: StagedSession, scored: Future[ScoredSession | QuarantinedSession]) -> None:
        result = scored.result()
        with log_context(session=session_label(staged.session.content_sha256)):
            if isinstance(result, ScoredSession):
                self._store(result)
        staged.video.unlink()
        self._conclude(result)

    def _store(self, scored: ScoredSession) -> None:
        """Store a session now, or for a lake once enough others wait with it."""
        log.debug("scored %d of %d frames", scored.summary.frames_scored, scored.summary.frames_sampled)
        with stage("store"):
            result = session_result(scored, self._job, self._run_id)
            if self._batch_size > 1:
                hand_over_session(self._job.data, self._job.warehouse.key, self._bundle, result)
        if not self._waiting:
            self._waiting_since = time.monotonic()
        self._waiting.append((scored.session, result))
        is_late = time.monotonic() - self._waiting_since > WAIT_S
        if is_late or len(self._waiting) >= self._batch_size:
            self._store_waiting()

    def _store_waiting(self) -> None:
        """Store the waiting sessions, and quarantine those that the warehouse refuses."""
        waiting, self._waiting = self._waiting, []  # if storing them fails, later sessions must still be stored
        if not waiting:
            return
        job, results = self._job, [result for _, result in waiting]
        with stage("store"):
            take_over_consents(self._connection, job.data, job.warehouse.key)
            refused = store_together(
                self._connection, job.data, self._bundle, results, consent_required=job.consent_required
            )
        for session, result in waiting:
            if error := refused.get(result.session.session_id):
                self._quarantine(session.quarantined(error))

    def _conclude(self, result: ScoredSession | QuarantinedSession | Unready | None = None) -> None:
        """Advance the progress bar, and quarantine the session if it could not be scored."""
        self._advance(result.summary.duration_s or 0.0 if isinstance(result, ScoredSession) else 0.0)
        if isinstance(result, QuarantinedSession):
            self._quarantine(result)

    def _quarantine(self, session: QuarantinedSession) -> None:
        with log_context(session=session_label(session.content_sha256)):
            log.info("quarantined: %s", session.reason)
        quarantine.add_quarantine(self._connection, quarantine_record(session, self._job.night, self._run_id))


@step("pull session", waits=(1, 10, 60))
@stage("pull")
def pull_session(session: PendingSession, job: Job, folder: Path) -> StagedSession | QuarantinedSession | Unready:
    """Copy a session's video into the staging folder and remember the hash of its content.

    Raises:
        SourceGoneError: the source is no longer there.
        LeftOutError, DiskFullError: it cannot be copied now.
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


def session_result(scored: ScoredSession, job: Job, run_id: str) -> SessionResult:
    """A scored session as the warehouse stores it."""
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
    return SessionResult(scored.session.record(), scoring, scored.frames)


def bundle_record(bundle: Bundle) -> BundleRecord:
    """The bundle as the warehouse stores it."""
    card = bundle.card
    return BundleRecord(bundle.digest, card.name, card.weights_sha256, card.prompt_set_sha256, asdict(card))
