"""One night as plain functions: what is to do, doing it for one session, writing its reports. No Prefect in here."""

import logging
from collections.abc import Sequence
from dataclasses import asdict, dataclass, replace
from datetime import date
from pathlib import Path

import duckdb
import polars as pl

from flows.job import Job
from flows.sources import NightListing, Recording, Rejection, Unready
from flows.sources.digests import Digests
from flows.sources.names import lookalikes
from flows.sources.printable import printable
from flows.staging import ChangedMeanwhileError, TooLargeToCopyError, UnreadableRecordingError, copy_recording
from inference.process import ScoringProcess
from inference.score import Scorer, VideoSummary
from pmfer import __version__
from pmfer.bundle import Bundle
from pmfer.errors import QuarantineReason, SessionError, VideoError
from warehouse import queries, store
from warehouse.consent import ConsentRegister, read_register
from warehouse.encryption import read_parquet, write_parquet
from warehouse.personal import Traces
from warehouse.records import (
    BundleRecord,
    QuarantineRecord,
    RunOutcome,
    RunRecord,
    ScoringRecord,
    SessionRecord,
)

log = logging.getLogger("pmfer.nightly")

# Troubles that lie in the sidecar, in the register or in what is stored: they may be gone although the bytes are the
# same.
_NOT_OF_THE_BYTES = (
    QuarantineReason.NO_CONSENT,
    QuarantineReason.SIDECAR_INVALID,
    QuarantineReason.DUPLICATE_CONTENT,
    QuarantineReason.SESSION_CONFLICT,
)


@dataclass(frozen=True)
class PendingSession:
    """A session that has to be scored, or at least to be read."""

    recording: Recording
    content_sha256: str | None  # 64 hex digits; None until its video is read for the first time

    def record(self) -> SessionRecord:
        """The session as the warehouse stores it, once its video was read."""
        sidecar = self.recording.sidecar
        assert self.content_sha256 is not None, "asked for before the video was read"
        return SessionRecord(
            session_id=sidecar.session_id,
            patient_id=sidecar.patient_id,
            started_at=sidecar.started_at,
            source_uri=self.recording.source_uri,
            content_sha256=self.content_sha256,
            consent=sidecar.consent,
        )

    def rejection(self, error: VideoError | SessionError) -> Rejection:
        """The same session, set aside because of `error`."""
        sidecar = self.recording.sidecar
        return Rejection(
            self.recording.source_uri,
            error.reason,
            str(error),
            self.content_sha256,
            sidecar.session_id,
            sidecar.patient_id,
        )


@dataclass(frozen=True)
class NightPlan:
    """What is to do, what was done before, and what is set aside."""

    found: int
    pending: tuple[PendingSession, ...]
    done_before: int
    rejections: tuple[Rejection, ...]  # not in quarantine yet
    unready: tuple[Unready, ...] = ()  # still being uploaded, left for next time
    mended: tuple[str, ...] = ()  # paths in quarantine with which nothing is wrong any more

    @property
    def nothing_new(self) -> bool:
        """Whether nothing is to be scored, set aside or taken out of quarantine."""
        return not (self.pending or self.rejections or self.mended)


@dataclass(frozen=True)
class StagedSession:
    """A session whose video was copied, and hashed on the way."""

    session: PendingSession
    video: Path  # the copy


@dataclass(frozen=True)
class Examination:
    """What the warehouse says to sessions whose content is known."""

    open: tuple[PendingSession, ...]  # to be scored
    done_before: int  # scored already with the same bundle and options
    rejections: tuple[Rejection, ...]
    left: tuple[str, ...]  # paths of those that stay in quarantine, because the same bytes have the same trouble


@dataclass(frozen=True)
class ScoredSession:
    """A session whose score batch lies in a Parquet file, not stored yet."""

    session: PendingSession
    batch: Path
    summary: VideoSummary


@dataclass(frozen=True)
class NightOutcome:
    """What a run of a night did."""

    night: date
    found: int  # sessions in the source
    scored: int
    done_before: int
    quarantined: int  # newly
    frames_scored: int
    reports: int  # rendered
    unready: int = 0  # still being uploaded, left for next time
    mended: int = 0  # taken out of quarantine without being scored

    def sentence(self) -> str:
        """The outcome in one line."""
        left = f"; {self.mended} taken out of quarantine" if self.mended else ""
        left += f"; {self.unready} still being uploaded, left for next time" if self.unready else ""
        if self.found == 0:
            return f"{self.night}: no sessions in the source{left}"
        if not (self.scored or self.quarantined or self.reports or self.mended):
            return f"{self.night}: nothing to do, all {self.found} sessions were processed before{left}"
        return (
            f"{self.night}: {self.scored} of {self.found} sessions scored ({self.frames_scored} frames), "
            f"{self.done_before} done before, {self.quarantined} set aside, {self.reports} reports{left}"
        )

    def record(self) -> RunOutcome:
        """The outcome as the warehouse stores it."""
        return RunOutcome("completed", self.found, self.scored, self.done_before, self.quarantined, self.frames_scored)


def plan_night(connection: duckdb.DuckDBPyConnection, listing: NightListing, job: Job) -> NightPlan:
    """Compare the source with the warehouse by content. A video in quarantine with the same bytes stays there.

    What is of a patient who was erased is passed over: nothing of it is stored, not even that it is there.

    What is in quarantine and neither wrong nor waiting now is mended: it was repaired, or is not in the source any
    more. A night whose folder is gone says nothing of that.

    Nothing is read but what was never read: a recording whose size and version are those of the last time is known. A
    video without consent on record is not even opened.

    Raises:
        SourceGoneError: the source has no folder of the night, nor of any other that the warehouse knows.
        WarehouseError: the database refused.
    """
    if not listing.is_there:
        nights = queries.nights_with_recordings(connection)
        listing.sighting.require_nights_of(nights, job.source, listing.night)
    digests = Digests(job.data.digests(listing.night))
    whose = [recording.sidecar.patient_id for recording in listing.recordings]
    whose += [rejection.patient_id for rejection in listing.rejections if rejection.patient_id]
    register = read_register(connection, whose)
    if erased := [patient_id for patient_id in whose if patient_id in register.erased]:
        log.warning("%d recordings are passed over: their patients were erased; remove them in the source", len(erased))
    rejections = [rejection for rejection in listing.rejections if rejection.patient_id not in register.erased]
    sessions: list[PendingSession] = []
    for recording in listing.recordings:
        if recording.sidecar.patient_id in register.erased:
            continue
        refusal = _refusal(recording, register, job.consent_required)
        if refusal is None:
            sessions.append(PendingSession(recording, digests.of(recording)))
        else:
            rejections.append(refusal)
    known = examine(connection, [session for session in sessions if session.content_sha256], job, listing.night)
    rejections += known.rejections
    to_do = {session.recording.source_uri for session in known.open}
    pending = [s for s in sessions if s.content_sha256 is None or s.recording.source_uri in to_do]
    aside = queries.quarantine(connection, listing.night)
    recorded = set(aside.filter(pl.col("replay_asked_at").is_null())["quarantine_id"])
    new = [r for r in rejections if quarantine_record(r, listing.night, "").quarantine_id not in recorded]
    wrong = {*known.left, *(rejection.source_uri for rejection in rejections)}
    waiting = {session.recording.source_uri for session in pending} | {late.source_uri for late in listing.unready}
    mended = [uri for uri in aside["source_uri"] if uri not in wrong | waiting] if listing.is_there else []
    return NightPlan(listing.found, tuple(pending), known.done_before, tuple(new), listing.unready, tuple(mended))


def patients_alike(connection: duckdb.DuckDBPyConnection, listing: NightListing) -> list[tuple[str, ...]]:
    """Patients of a night whose ids differ in upper and lower case only, from each other or from one that is stored.

    Raises:
        WarehouseError: the database refused.
    """
    tonight = {recording.sidecar.patient_id for recording in listing.recordings}
    tonight |= {rejection.patient_id for rejection in listing.rejections if rejection.patient_id}
    return [group for group in lookalikes([*tonight, *queries.patient_ids(connection)]) if tonight.intersection(group)]


def new_ambiguous(connection: duckdb.DuckDBPyConnection, listing: NightListing) -> int:
    """How many patients who are new have a pseudonym that an erasure could not tell from other words, see Traces.

    Raises:
        WarehouseError: the database refused.
    """
    new = {recording.sidecar.patient_id for recording in listing.recordings} - set(queries.patient_ids(connection))
    return sum(not Traces(patient_id).is_distinct for patient_id in new)


def examine(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[PendingSession], job: Job, night: date
) -> Examination:
    """Tell by their content which sessions of a night are to be scored."""
    of_bytes = ~pl.col("reason").is_in([str(reason) for reason in _NOT_OF_THE_BYTES])
    aside = queries.quarantine(connection, night).filter(pl.col("replay_asked_at").is_null() & of_bytes)
    set_aside = set(aside.select("source_uri", "content_sha256").iter_rows())
    records = [session.record() for session in sessions]
    identities = [store.scoring_id(record.content_sha256, **vars(job.provenance)) for record in records]
    done = queries.existing_scorings(connection, identities)
    refusals = store.refusals(connection, records, job.consent_required)
    to_score: list[PendingSession] = []
    rejections: list[Rejection] = []
    left: list[str] = []
    done_before = 0
    for session, identity, refusal in zip(sessions, identities, refusals, strict=True):
        uri = session.recording.source_uri
        if (uri, session.content_sha256) in set_aside and identity not in done:
            left.append(uri)
        elif refusal:
            rejections.append(session.rejection(refusal))
        elif identity in done:
            done_before += 1
        else:
            to_score.append(session)
    return Examination(tuple(to_score), done_before, tuple(rejections), tuple(left))


def pull_session(session: PendingSession, job: Job, folder: Path) -> StagedSession | Rejection | Unready:
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


def score_session(
    scorer: Scorer | ScoringProcess, session: PendingSession, staged: Path, key: str | None
) -> ScoredSession | Rejection:
    """Score a staged video into a Parquet file beside it; a video that cannot be scored becomes a rejection.

    The file is encrypted if the warehouse is, by the same key.
    """
    try:
        scored = scorer.score(staged, session.recording.sidecar.session_id)
    except VideoError as error:
        # The message names the staged copy; people know the file by its name in the source.
        message = printable(str(error).replace(str(staged), session.recording.name))
        return session.rejection(VideoError(error.reason, message))
    batch = staged.with_suffix(".parquet")
    write_parquet(scored.frames, batch, key)
    return ScoredSession(session, batch, scored.summary)


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
    frames = read_parquet(scored.batch, job.warehouse.key)
    session, bundle = scored.session.record(), bundle_record(job.bundle)
    return store.store_session(connection, session, scoring, bundle, frames, consent_required=job.consent_required)


def run_record(job: Job, run_id: str) -> RunRecord:
    """The run as the warehouse stores it."""
    return RunRecord(
        run_id=run_id,
        night=job.night,
        code_version=__version__,
        bundle_id=job.bundle.digest,
        options_sha256=job.provenance.options_sha256,
        options=job.options.as_dict(),
    )


def bundle_record(bundle: Bundle) -> BundleRecord:
    """The bundle as the warehouse stores it."""
    card = bundle.card
    return BundleRecord(bundle.digest, card.name, card.weights_sha256, card.prompt_set_sha256, asdict(card))


def quarantine_record(rejection: Rejection, night: date, run_id: str) -> QuarantineRecord:
    """The rejection as the warehouse stores it."""
    return QuarantineRecord(
        night=night,
        source_uri=rejection.source_uri,
        content_sha256=rejection.content_sha256,
        session_id=rejection.session_id,
        patient_id=rejection.patient_id,
        reason=rejection.reason,
        message=rejection.message,
        run_id=run_id,
    )


def unopened(recording: Recording, reason: QuarantineReason, message: str) -> Rejection:
    """A recording set aside without its content being known."""
    sidecar = recording.sidecar
    message = f"{recording.name}: {message}"
    return Rejection(recording.source_uri, reason, message, None, sidecar.session_id, sidecar.patient_id)


def _refusal(recording: Recording, register: ConsentRegister, required: bool) -> Rejection | None:
    sidecar = recording.sidecar
    refusal = register.refusal(sidecar.patient_id, sidecar.started_at.date(), required)
    return unopened(recording, QuarantineReason.NO_CONSENT, f"{refusal}; not opened") if refusal else None
