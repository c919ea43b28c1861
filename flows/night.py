"""One night as plain functions: what is to do, doing it for one session, writing its reports. No Prefect in here."""

import shutil
from collections.abc import Sequence
from dataclasses import asdict, dataclass
from datetime import date
from pathlib import Path

import duckdb

from flows.job import Job
from flows.sources import NightListing, Recording, Rejection
from inference.score import Scorer, VideoSummary
from pmfer import __version__
from pmfer.bundle import Bundle, sha256_file
from pmfer.errors import QuarantineReason, SessionError, VideoError
from warehouse import queries, store
from warehouse.consent import ConsentRegister, read_register
from warehouse.encryption import read_parquet, write_parquet
from warehouse.records import (
    BundleRecord,
    QuarantineRecord,
    RunOutcome,
    RunRecord,
    ScoringRecord,
    SessionRecord,
)


@dataclass(frozen=True)
class PendingSession:
    """A session that has to be scored."""

    recording: Recording
    content_sha256: str

    def record(self) -> SessionRecord:
        """The session as the warehouse stores it."""
        sidecar = self.recording.sidecar
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

    @property
    def nothing_new(self) -> bool:
        """Whether nothing is to be scored or set aside."""
        return not self.pending and not self.rejections


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

    def sentence(self) -> str:
        """The outcome in one line."""
        if self.found == 0:
            return f"{self.night}: no sessions in the source"
        if not (self.scored or self.quarantined or self.reports):
            return f"{self.night}: nothing to do, all {self.found} sessions were processed before"
        return (
            f"{self.night}: {self.scored} of {self.found} sessions scored ({self.frames_scored} frames), "
            f"{self.done_before} done before, {self.quarantined} set aside, {self.reports} reports"
        )

    def record(self) -> RunOutcome:
        """The outcome as the warehouse stores it."""
        return RunOutcome("completed", self.found, self.scored, self.done_before, self.quarantined, self.frames_scored)


def plan_night(connection: duckdb.DuckDBPyConnection, listing: NightListing, job: Job) -> NightPlan:
    """Compare the source with the warehouse by content. A video in quarantine with the same bytes stays there.

    A video without consent on record is not even opened.
    """
    pending: list[PendingSession] = []
    rejections = list(listing.rejections)
    register = read_register(connection)
    for recording in listing.recordings:
        outcome = _consented(recording, register, job.consent_required) or _fingerprint(recording)
        if isinstance(outcome, Rejection):
            rejections.append(outcome)
        else:
            pending.append(outcome)
    identities = {p: store.scoring_id(p.content_sha256, **vars(job.provenance)) for p in pending}
    done = queries.existing_scorings(connection, identities.values())
    quarantine = queries.quarantine(connection, listing.night)
    set_aside = set(quarantine.select("source_uri", "content_sha256").iter_rows())
    open_sessions = []
    done_before = 0
    for session, identity in identities.items():
        if (session.recording.source_uri, session.content_sha256) in set_aside:
            continue
        try:
            store.check_session(connection, session.record())
        except SessionError as error:
            rejections.append(session.rejection(error))
            continue
        if identity in done:
            done_before += 1
        else:
            open_sessions.append(session)
    known = set(quarantine["quarantine_id"])
    new = [r for r in rejections if quarantine_record(r, listing.night, "").quarantine_id not in known]
    return NightPlan(listing.found, tuple(open_sessions), done_before, tuple(new))


def pull_session(session: PendingSession, staging: Path) -> Path | Rejection:
    """Copy a session's video below the data folder, and prove that it is the one that was planned.

    Raises:
        OSError: the copy cannot be read or written.
    """
    staging.mkdir(mode=0o700, parents=True, exist_ok=True)
    video = session.recording.video
    target = staging / f"{session.content_sha256}{video.suffix.lower()}"
    shutil.copyfile(video, target)
    if sha256_file(target) != session.content_sha256:
        target.unlink()
        message = f"{video.name}: changed while it was copied; it is tried again next time"
        return session.rejection(SessionError(QuarantineReason.UNREADABLE, message))
    return target


def score_session(scorer: Scorer, session: PendingSession, staged: Path, key: str | None) -> ScoredSession | Rejection:
    """Score a staged video into a Parquet file beside it; a video that cannot be scored becomes a rejection.

    The file is encrypted if the warehouse is, by the same key.
    """
    try:
        scored = scorer.score(staged, session.recording.sidecar.session_id)
    except VideoError as error:
        # The message names the staged copy; people know the file by its name in the source.
        message = str(error).replace(str(staged), session.recording.video.name)
        return session.rejection(VideoError(error.reason, message))
    batch = staged.with_suffix(".parquet")
    write_parquet(scored.frames, batch, key)
    return ScoredSession(session, batch, scored.summary)


def store_scored(connection: duckdb.DuckDBPyConnection, scored: ScoredSession, job: Job, run_id: str) -> bool:
    """Store one session's score batch; False when it was stored before."""
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
    return store.store_session(connection, scored.session.record(), scoring, bundle_record(job.bundle), frames)


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


def session_rows(
    plan: NightPlan, scored: Sequence[ScoredSession], rejections: Sequence[Rejection]
) -> list[dict[str, str | int]]:
    """The night's table for people: a row per session that this run touched."""
    rows: list[dict[str, str | int]] = [
        {
            "session": result.session.recording.sidecar.session_id,
            "outcome": "scored",
            "frames": result.summary.frames_sampled,
            "face found": result.summary.frames_with_face,
            "scored": result.summary.frames_scored,
        }
        for result in scored
    ]
    rows += [
        {"session": r.session_id or r.source_uri, "outcome": str(r.reason), "frames": 0, "face found": 0, "scored": 0}
        for r in rejections
    ]
    if plan.done_before:
        name = f"{plan.done_before} more"
        rows.append({"session": name, "outcome": "done before", "frames": 0, "face found": 0, "scored": 0})
    return rows


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


def _consented(recording: Recording, register: ConsentRegister, required: bool) -> Rejection | None:
    sidecar = recording.sidecar
    refusal = register.refusal(sidecar.patient_id, sidecar.started_at.date(), required)
    return _unopened(recording, QuarantineReason.NO_CONSENT, f"{refusal}; not opened") if refusal else None


def _fingerprint(recording: Recording) -> PendingSession | Rejection:
    try:
        if recording.video.stat().st_size == 0:
            message = "holds no bytes; copy it again from the camera"
            return _unopened(recording, QuarantineReason.EMPTY_FILE, message)
        return PendingSession(recording, sha256_file(recording.video))
    except OSError as error:
        return _unopened(recording, QuarantineReason.UNREADABLE, f"cannot be read ({error.strerror})")


def _unopened(recording: Recording, reason: QuarantineReason, message: str) -> Rejection:
    """A recording set aside without having been read."""
    sidecar = recording.sidecar
    name = recording.video.name
    return Rejection(recording.source_uri, reason, f"{name}: {message}", None, sidecar.session_id, sidecar.patient_id)
