"""Plan a night: compare its listing with what the warehouse holds."""

import logging
from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from datetime import date, timedelta

import duckdb
import polars as pl

from flows.job import Job
from flows.sources.discovery import list_night
from flows.sources.names import lookalikes
from flows.sources.recordings import Digests, NightListing, QuarantinedSession, Recording, Unready
from pmfer import __version__
from pmfer.errors import PmferError, QuarantineReason, SessionError, VideoError
from warehouse import quarantine, queries, runs, store
from warehouse.consent import ConsentRegister, read_register
from warehouse.corrections import corrections
from warehouse.personal import Traces
from warehouse.records import (
    QuarantineRecord,
    RunRecord,
    SessionRecord,
)
from warehouse.retention import first_day_kept

LATE_DAYS = 14  # for so many days before tonight, a scheduled run looks for recordings that arrived late
log = logging.getLogger("pmfer.nightly")

# Reasons that may disappear although the video stays the same: the cause is in the sidecar, the consent register or
# the warehouse.
_REASONS_OUTSIDE_THE_VIDEO = (
    QuarantineReason.NO_CONSENT,
    QuarantineReason.SIDECAR_INVALID,
    QuarantineReason.DUPLICATE_CONTENT,
    QuarantineReason.SESSION_CONFLICT,
)
# Reasons that every run of a night tries again, because the file was never read as a whole. They make no night late.
_NEVER_READ = (QuarantineReason.UNREADABLE, QuarantineReason.TOO_LARGE)


@dataclass(frozen=True)
class PendingSession:
    """A session that has to be scored, or at least read."""

    recording: Recording
    content_sha256: str | None  # 64 hex digits; None until its video is read for the first time
    replaces: str | None = None  # session_id of the stored session, if the sidecar was corrected since

    def record(self) -> SessionRecord:
        """The session as the warehouse stores it. Its video must have been read."""
        assert self.content_sha256 is not None, "called before the video was read"
        return SessionRecord(
            source_uri=self.recording.source_uri,
            content_sha256=self.content_sha256,
            replaces=self.replaces,
            **vars(self.recording.sidecar),
        )

    def quarantined(self, error: VideoError | SessionError) -> QuarantinedSession:
        """The same session, to be quarantined because of `error`."""
        sidecar = self.recording.sidecar
        return QuarantinedSession(
            self.recording.source_uri,
            error.reason,
            str(error),
            self.content_sha256,
            sidecar.session_id,
            sidecar.patient_id,
        )


@dataclass(frozen=True)
class NightPlan:
    """What has to be done, what was done before, and what goes to quarantine."""

    found: int
    pending: tuple[PendingSession, ...]
    done_before: int
    quarantined: tuple[QuarantinedSession, ...]  # newly, or with another message than before
    unready: tuple[Unready, ...] = ()  # still being uploaded, left for next time
    erased: int = 0  # recordings of erased patients, which are skipped
    mended: tuple[str, ...] = ()  # paths in quarantine whose fault is gone
    misfiled: tuple[str, ...] = ()  # paths of stored sessions whose sidecars now name an erased patient

    @property
    def nothing_new(self) -> bool:
        """Whether nothing is to be scored, quarantined, taken out of quarantine or withdrawn."""
        return not (self.pending or self.quarantined or self.mended or self.misfiled)


@dataclass(frozen=True)
class Examination:
    """Sessions whose content is known, compared with the warehouse."""

    open: tuple[PendingSession, ...]  # to be scored
    done_before: int  # already scored with the same bundle and options
    quarantined: tuple[QuarantinedSession, ...]
    still_quarantined: tuple[str, ...]  # paths of sessions in quarantine whose video has not changed since


def plan_night(connection: duckdb.DuckDBPyConnection, listing: NightListing, job: Job) -> NightPlan:
    """Compare the source with the warehouse by content.

    A video in quarantine stays there as long as its bytes are the same. A quarantined session that now has no fault
    and is not waiting to be scored is mended: it was repaired, or is no longer in the source. If the night's folder is
    missing or empty, nothing is taken out of quarantine, because that may be an empty mount point.

    Recordings of an erased patient are only counted: nothing about them is stored, not even that they exist. What was
    stored of them under another patient is misfiled.

    No video is read here. The content of a recording whose size and version have not changed is known from last time;
    others are read when their turn comes. A video without consent on record is never opened.

    Raises:
        SourceGoneError: the source has no folder of this night, and holds neither a night that the warehouse knows nor
            a later one.
        WarehouseError: the database failed.
    """
    if not listing.is_there:
        nights = queries.nights_with_recordings(connection)
        listing.source_state.require_nights_of(nights, job.source, listing.night)
    digests = Digests(job.data.digests(listing.night))
    patient_ids = [recording.sidecar.patient_id for recording in listing.recordings]  # one per recording
    patient_ids += [session.patient_id for session in listing.quarantined if session.patient_id]
    register = read_register(connection, patient_ids)
    erased = sum(patient_id in register.erased for patient_id in patient_ids)
    quarantined = [session for session in listing.quarantined if session.patient_id not in register.erased]
    sessions: list[PendingSession] = []
    for recording in listing.recordings:
        if recording.sidecar.patient_id in register.erased:
            continue
        refusal = _without_consent(recording, register, job.consent_required)
        if refusal is None:
            sessions.append(PendingSession(recording, digests.of(recording)))
        else:
            quarantined.append(refusal)
    known = examine(connection, [session for session in sessions if session.content_sha256], job)
    quarantined += known.quarantined
    to_score = {session.recording.source_uri: session for session in known.open}
    examined = [s if s.content_sha256 is None else to_score.get(s.recording.source_uri) for s in sessions]
    pending = [session for session in examined if session is not None]
    in_quarantine = quarantine.of_night(connection, listing.night)
    stated = ("quarantine_id", "session_id", "patient_id", "message")
    recorded = set(in_quarantine.filter(pl.col("replay_asked_at").is_null()).select(stated).iter_rows())
    records = [(session, quarantine_record(session, listing.night, "")) for session in quarantined]
    new = [s for s, record in records if tuple(getattr(record, name) for name in stated) not in recorded]
    faulty = {*known.still_quarantined, *(session.source_uri for session in quarantined)}
    waiting = {session.recording.source_uri for session in pending} | {late.source_uri for late in listing.unready}
    repaired = [uri for uri in in_quarantine["source_uri"] if uri not in faulty | waiting]
    mended = repaired if listing.found or listing.unready else []
    return NightPlan(
        found=listing.found,
        pending=tuple(pending),
        done_before=known.done_before,
        quarantined=tuple(new),
        unready=listing.unready,
        erased=erased,
        mended=tuple(mended),
        misfiled=_misfiled(connection, listing, register) if erased else (),
    )


def _misfiled(
    connection: duckdb.DuckDBPyConnection, listing: NightListing, register: ConsentRegister
) -> tuple[str, ...]:
    erased = [each.source_uri for each in listing.recordings if each.sidecar.patient_id in register.erased]
    return tuple(queries.stored_sources(connection, listing.night, listing.night).intersection(erased))


def nights_with_late_recordings(
    connection: duckdb.DuckDBPyConnection, nights: Iterable[date], job: Job
) -> Iterator[date]:
    """Those nights shortly before the job's that hold recordings which arrived, or were corrected, after their run.

    Nights before the first on record are left to a backfill, and so are nights past a retention period, whose
    recordings the warehouse has forgotten. Nights that were scored with another bundle or other options are only
    logged: all their sessions would be scored again, and their reports would have nothing to compare with.

    Args:
        connection: the warehouse.
        nights: the nights that the source holds.
        job: of tonight.

    Raises:
        WarehouseError: the database failed.
    """
    days = (job.retention.sessions, job.retention.quarantine)
    first = max(
        min(queries.nights_with_recordings(connection), default=job.night),
        job.night - timedelta(days=LATE_DAYS),
        *(first_day_kept(date.today(), kept) for kept in days if kept is not None),
    )
    in_quarantine = quarantine.between(connection, since=first, until=job.night)
    never_read = in_quarantine.filter(pl.col("reason").is_in([str(reason) for reason in _NEVER_READ]))
    known = queries.stored_sources(connection, first, job.night) | set(never_read["source_uri"])
    scored_otherwise = runs.nights_scored_otherwise(connection, job.provenance)
    for night in nights:
        if not first <= night < job.night or not _has_recordings_beside(known, connection, replace(job, night=night)):
            continue
        if night in scored_otherwise:
            log.warning(
                "%s has recordings to score or read again, but was scored with another model or other options; `pmfer "
                "backfill --from %s --to %s` scores all of it again",
                *[night] * 3,
            )
        else:
            yield night


def _has_recordings_beside(known: set[str], connection: duckdb.DuckDBPyConnection, job: Job) -> bool:
    """Whether a run of the night would process anything but the known paths, of which it reads no sidecar."""
    try:
        listing = list_night(job.source, job.night, lambda uri: uri not in known)
    except PmferError as error:
        log.warning("not checked for late recordings: %s", error)
        return False
    if not (listing.recordings or listing.quarantined):
        return False
    plan = plan_night(connection, listing, job)
    return bool(plan.pending or plan.quarantined)


def _without_consent(recording: Recording, register: ConsentRegister, required: bool) -> QuarantinedSession | None:
    sidecar = recording.sidecar
    refusal = register.refusal(sidecar.patient_id, sidecar.started_at.date(), required)
    return unopened(recording, QuarantineReason.NO_CONSENT, f"{refusal}; not opened") if refusal else None


def unopened(recording: Recording, reason: QuarantineReason, message: str) -> QuarantinedSession:
    """A recording to be quarantined without its content being known."""
    sidecar = recording.sidecar
    message = f"{recording.name}: {message}"
    return QuarantinedSession(recording.source_uri, reason, message, None, sidecar.session_id, sidecar.patient_id)


def examine(connection: duckdb.DuckDBPyConnection, sessions: Sequence[PendingSession], job: Job) -> Examination:
    """Decide by their content which sessions of the job's night are to be scored. Corrected ones are scored again."""
    video_is_faulty = ~pl.col("reason").is_in([str(reason) for reason in _REASONS_OUTSIDE_THE_VIDEO])
    in_quarantine = quarantine.of_night(connection, job.night).filter(pl.col("replay_asked_at").is_null())
    stated = ("source_uri", "content_sha256", "session_id", "patient_id")
    known_faults = set(in_quarantine.filter(video_is_faulty).select(stated).iter_rows())
    files = sessions[0].recording.beside if sessions else ()
    corrected = corrections(connection, [session.record() for session in sessions], files)
    sessions = [replace(session, replaces=corrected.get(session.recording.source_uri)) for session in sessions]
    records = [session.record() for session in sessions]
    identities = [store.scoring_id(record.content_sha256, **vars(job.provenance)) for record in records]
    done = queries.existing_scorings(connection, identities)
    refusals = store.refusals(connection, records, job.consent_required)
    to_score: list[PendingSession] = []
    quarantined: list[QuarantinedSession] = []
    still_quarantined: list[str] = []
    done_before = 0
    for session, record, identity, refusal in zip(sessions, records, identities, refusals, strict=True):
        if tuple(getattr(record, name) for name in stated) in known_faults and identity not in done:
            still_quarantined.append(record.source_uri)
        elif refusal:
            quarantined.append(session.quarantined(refusal))
        elif identity in done and not session.replaces:
            done_before += 1
        else:
            to_score.append(session)
    return Examination(tuple(to_score), done_before, tuple(quarantined), tuple(still_quarantined))


def warn_of_pseudonyms(connection: duckdb.DuckDBPyConnection, listing: NightListing) -> None:
    """Log how many pseudonyms of a night are easily confused with others or with ordinary words.

    Raises:
        WarehouseError: the database failed.
    """
    known = set(queries.patient_ids(connection))
    recorded = {recording.sidecar.patient_id for recording in listing.recordings}
    tonight = recorded | {session.patient_id for session in listing.quarantined if session.patient_id}
    if alike := [group for group in lookalikes(tonight | known) if tonight.intersection(group)]:
        log.warning(
            "patient ids that differ only in upper and lower case: %d; they count as different patients, `pmfer "
            "doctor` names them",
            sum(map(len, alike)),
        )
    if ambiguous := [patient_id for patient_id in recorded - known if not Traces(patient_id).is_distinct]:
        log.warning(
            "%d new patients have pseudonyms that an erasure cannot tell from ordinary words in notes; use at least "
            "three characters with a letter and a digit, such as p12",
            len(ambiguous),
        )


def run_record(job: Job, run_id: str) -> RunRecord:
    """The run as the warehouse stores it."""
    return RunRecord(
        run_id=run_id,
        night=job.night,
        code_version=__version__,
        options=job.options.as_dict(),
        **vars(job.provenance),
    )


def quarantine_record(session: QuarantinedSession, night: date, run_id: str) -> QuarantineRecord:
    """The session as the warehouse stores it."""
    return QuarantineRecord(night=night, run_id=run_id, **vars(session))
