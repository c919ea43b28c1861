"""The nightly flow: find the night's sessions, score what is new, store, publish, report.

Every step is keyed by content, bundle and options, so a run that was killed is simply started again. Prefect stores
parameters, names and artifacts on its server: only paths, dates and pseudonymous ids go there, and tasks hand each
other paths, never frames.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import date, timedelta
from pathlib import Path

import duckdb
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.client.schemas.objects import State, TaskRun
from prefect.runtime import flow_run
from prefect.tasks import Task

from flows.job import Job, make_job
from flows.logs import hide, log_context, session_label, session_progress
from flows.night import (
    Examination,
    NightOutcome,
    NightPlan,
    PendingSession,
    ScoredSession,
    StagedSession,
    examine,
    plan_night,
    pull_session,
    quarantine_record,
    run_record,
    score_session,
    session_rows,
    store_scored,
)
from flows.reporting import DueReport, due_reports, render, require_none
from flows.retain_command import retain
from flows.sources import NightListing, Rejection, Unready, list_night
from flows.staging import SourceGoneError, staging_folder
from flows.unfinished import note_unready, unfinished_nights
from flows.watch import stage, watched
from flows.writing import writing
from inference.process import ScoringProcess
from pmfer.errors import PmferError, SessionError
from warehouse import store
from warehouse.audit import current_head
from warehouse.connection import open_reader
from warehouse.contracts import require_contracts
from warehouse.lake import tidy
from warehouse.publish import publish
from warehouse.records import RunOutcome

log = logging.getLogger("pmfer.nightly")


def worth_retrying(task: Task[..., object], task_run: TaskRun, state: State[object]) -> bool:
    """Whether a failed task may succeed if it is tried again: what names its own cause does not change by waiting."""
    error = state.result(raise_on_failure=False)
    return not isinstance(error, PmferError) or isinstance(error, SourceGoneError)


@task(name="find sessions", retries=3, retry_delay_seconds=[1, 10, 60], cache_policy=NO_CACHE)
@stage("find")
def find_sessions(job: Job) -> NightListing:
    """List the night; a source on a network may need a second look."""
    return list_night(job.source, job.night)


@task(
    name="pull session",
    retries=3,
    retry_delay_seconds=[1, 10, 60],
    retry_condition_fn=worth_retrying,
    cache_policy=NO_CACHE,
)
@stage("pull")
def pull(session: PendingSession, job: Job, folder: Path) -> StagedSession | Rejection | Unready:
    """Copy one video below the data folder."""
    return pull_session(session, job, folder)


@task(name="score session", retries=1, retry_condition_fn=worth_retrying, cache_policy=NO_CACHE)
@stage("score")
def score(scorer: ScoringProcess, staged: StagedSession, job: Job) -> ScoredSession | Rejection:
    """Score one staged video into a Parquet file beside it."""
    return score_session(scorer, staged.session, staged.video, job.warehouse.key)


@task(name="check", cache_policy=NO_CACHE)
@stage("check")
def check_load(connection: duckdb.DuckDBPyConnection) -> None:
    """Check the contracts over what was loaded: nothing that breaks one is published."""
    require_contracts(connection, everything=False)


@task(name="publish", retries=2, retry_delay_seconds=5, retry_condition_fn=worth_retrying, cache_policy=NO_CACHE)
@stage("publish")
def publish_snapshot(connection: duckdb.DuckDBPyConnection, job: Job) -> bool:
    """Give readers what is stored so far; those of a lake see it by themselves."""
    return publish(connection, job.warehouse)


@task(name="tidy", cache_policy=NO_CACHE)
@stage("tidy")
def tidy_lake(connection: duckdb.DuckDBPyConnection) -> None:
    """Merge what the night left in small files, if the warehouse is a lake."""
    tidy(connection)


@task(name="render reports", retries=1, retry_condition_fn=worth_retrying, cache_policy=NO_CACHE)
@stage("report")
def render_reports(connection: duckdb.DuckDBPyConnection, due: list[DueReport], job: Job, run_id: str) -> list[str]:
    """Render what is due, in processes of their own, and record it; what went wrong, a line each."""
    return render(connection, due, job.data, job.printing, run_id)


@flow(name="nightly", flow_run_name="nightly {night}")
@watched
def nightly(
    source: str,
    data_dir: Path,
    night: date | None = None,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: float | None = None,
) -> NightOutcome:
    """Process one night from source to reports.

    Args:
        source: folder with one folder per day, or the URL of one on S3 or SFTP.
        data_dir: folder below which all state lies.
        night: the day whose sessions are processed; left out, the day before the run was due, and then earlier ones
            that were left unfinished: sessions were still being uploaded, or quarantine is to be tried again.
        bundle: shipped bundle's name or a folder; left out, PMFER_BUNDLE or the default.
        detector: `centerface` or a YuNet file; left out, PMFER_DETECTOR or the default.
        frames_per_second: frames sampled per second of video; left out, PMFER_FRAMES_PER_SECOND or the default.

    Raises:
        PmferError: the source, the bundle, the data folder or the warehouse cannot be used, or a report failed. What
            was stored before stays, and running the night again finishes it.
    """
    began = time.monotonic()
    given, night = night, night or previous_day()
    job = make_job(source, night, data_dir, bundle, detector, frames_per_second)
    job.data.require_writable()
    listing = find_sessions(job)
    hide(identities(listing))
    with writing(job.data, job.warehouse) as connection:
        with stage("plan"):
            plan = plan_night(connection, listing, job)
        if plan.nothing_new and not due_reports(connection, night, job.provenance, job.data, job.printing):
            publish_snapshot(connection, job)
            outcome = NightOutcome(night, plan.found, 0, plan.done_before, 0, 0, 0, len(plan.unready))
        else:
            outcome = process(connection, plan, job)
        if removed := retain(connection, job.data, job.retention, date.today()):
            log.info("too old to be kept: %s", ", ".join(f"{count} {name}" for name, count in removed.items()))
            publish_snapshot(connection, job)
        if store.settle_replays(connection, night):
            publish_snapshot(connection, job)
        note_unready(job.data, night, outcome.unready)
        earlier = [] if given else [left for left in unfinished_nights(connection, job.data) if left < night]
        head = current_head(connection)
    log.info("%s  %.1f s", outcome.sentence(), time.monotonic() - began)
    # Whoever keeps this output can prove later that no entry was taken off the end of the log.
    log.info("audit log ends with entry %d, %s", head.entries, head.sha256)
    for left in earlier:
        nightly(source, data_dir, left, bundle, detector, frames_per_second)
    return outcome


def process(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job) -> NightOutcome:
    """Do what the plan says and keep a record of the run."""
    run_id = str(uuid.uuid4())
    store.start_run(connection, run_record(job, run_id))
    with log_context(run=run_id), recorded_failure(connection, run_id, plan):
        rejections = list(plan.rejections)
        unready = list(plan.unready)
        scored = []
        done_before = plan.done_before
        for result in score_all(connection, plan, job, run_id):
            if isinstance(result, Rejection):
                rejections.append(result)
            elif isinstance(result, Unready):
                unready.append(result)
            elif isinstance(result, ScoredSession):
                scored.append(result)
            else:
                done_before += result.done_before
        for rejection in rejections:
            with log_context(session=session_label(rejection.content_sha256)):
                log.info("set aside: %s", rejection.reason)
            store.add_quarantine(connection, quarantine_record(rejection, job.night, run_id))
        check_load(connection)
        publish_snapshot(connection, job)
        rendered = render_all(connection, job, run_id)
    frames = sum(result.summary.frames_scored for result in scored)
    outcome = NightOutcome(
        job.night, plan.found, len(scored), done_before, len(rejections), frames, rendered, len(unready)
    )
    store.finish_run(connection, run_id, outcome.record())
    publish_snapshot(connection, job)
    tidy_lake(connection)
    create_table_artifact(
        table=session_rows(plan, scored, rejections, unready),
        key=f"night-{job.night.isoformat()}",
        description=outcome.sentence(),
    )
    return outcome


def score_all(
    connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job, run_id: str
) -> Iterator[ScoredSession | Rejection | Unready | Examination]:
    """Score and store one session after the other; whatever happens to one does not touch the next.

    An Examination stands for a session whose content turned out, once it was read, to need no scoring.
    """
    if not plan.pending:
        return
    with (
        staging_folder(job.data.staging) as folder,
        ScoringProcess(job.bundle, job.options, job.limits) as scorer,
        session_progress(len(plan.pending)) as advance,
    ):
        for session in plan.pending:
            result = score_one(connection, scorer, session, folder, job, run_id)
            advance(result.summary.duration_s or 0.0 if isinstance(result, ScoredSession) else 0.0)
            yield result


def score_one(
    connection: duckdb.DuckDBPyConnection,
    scorer: ScoringProcess,
    session: PendingSession,
    folder: Path,
    job: Job,
    run_id: str,
) -> ScoredSession | Rejection | Unready | Examination:
    """Pull, score and store one session; its copy in the staging folder goes."""
    staged = pull(session, job, folder)
    if not isinstance(staged, StagedSession):
        return staged
    try:
        with log_context(session=session_label(staged.session.content_sha256)):
            return score_staged(connection, scorer, staged, job, run_id)
    finally:
        staged.video.unlink(missing_ok=True)


def score_staged(
    connection: duckdb.DuckDBPyConnection, scorer: ScoringProcess, staged: StagedSession, job: Job, run_id: str
) -> ScoredSession | Rejection | Examination:
    """Score and store a session whose video is there, unless its content says otherwise."""
    examination = examine(connection, [staged.session], job, job.night)
    if examination.rejections:
        return examination.rejections[0]
    if not examination.open:
        return examination
    result = score(scorer, staged, job)
    if isinstance(result, ScoredSession):
        try:
            with stage("store"):
                store_scored(connection, result, job, run_id)
        except SessionError as error:
            return result.session.rejection(error)
        finally:
            result.batch.unlink()
        log.debug("scored %d of %d frames", result.summary.frames_scored, result.summary.frames_sampled)
    return result


def render_all(connection: duckdb.DuckDBPyConnection, job: Job, run_id: str) -> int:
    """Render the reports that are due from what readers see; returns how many.

    Raises:
        ReportError: one or more failed; the others were rendered.
    """
    with closing(open_reader(job.warehouse)) as reader:
        due = due_reports(reader, job.night, job.provenance, job.data, job.printing)
    if due:
        require_none(render_reports(connection, due, job, run_id), len(due))
    return len(due)


@contextmanager
def recorded_failure(connection: duckdb.DuckDBPyConnection, run_id: str, plan: NightPlan) -> Iterator[None]:
    """Mark the run as failed when the body raises."""
    try:
        yield
    except Exception as error:
        message = (str(error).splitlines() or [type(error).__name__])[0]
        outcome = RunOutcome("failed", plan.found, 0, plan.done_before, 0, 0, message)
        # On a full disk this fails as well; the first error is the one to report.
        with suppress(PmferError):
            store.finish_run(connection, run_id, outcome)
        raise


def identities(listing: NightListing) -> Iterator[str | None]:
    """What names somebody in a night: pseudonyms, session ids, and names of files, which the house chooses freely."""
    for recording in listing.recordings:
        yield from (recording.sidecar.patient_id, recording.sidecar.session_id)
    for rejection in listing.rejections:
        yield from (rejection.patient_id, rejection.session_id)
    uris = [recording.source_uri for recording in listing.recordings]
    uris += [rejection.source_uri for rejection in listing.rejections]
    uris += [unready.source_uri for unready in listing.unready]
    for path in map(Path, uris):
        yield from (path.name, path.stem)


def previous_day() -> date:
    """The day before the run was scheduled, so that a late run still takes the night it was meant for."""
    due = flow_run.scheduled_start_time
    return (due.astimezone().date() if due else date.today()) - timedelta(days=1)
