"""One night: find its sessions, plan, score, store, publish and report; then retry earlier unfinished nights.

Every step is keyed by content, bundle and options, so a run that was killed can simply be started again. Nothing here
needs Prefect: flows.deployed wraps these functions in flows, and flows.prefect_runs shows their progress. Prefect
stores on its server whatever it is shown, so it only ever gets dates, folders and hashes of paths.
"""

import logging
import time
import uuid
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from datetime import date, timedelta
from functools import partial

import duckdb

from flows.job import Job, make_job, source_of
from flows.logs import OwnWords, hide, log_context
from flows.monitoring import failure_noticed, report_failure, stage, watched, without_metrics
from flows.outcome import NightOutcome, idle_outcome, remember_contents, session_outcomes
from flows.plan import (
    NightPlan,
    nights_with_late_recordings,
    plan_night,
    quarantine_record,
    run_record,
    warn_of_pseudonyms,
)
from flows.prefect_runs import as_flow, show_table, step, tell_server
from flows.privacy.rerender import delete_withdrawn_reports
from flows.privacy.retention import remove_expired
from flows.report import DueReport, due_reports, is_report_due, raise_failures, render
from flows.request import RunRequest
from flows.scoring import score_sessions
from flows.settings import Dispatch
from flows.shards import pack
from flows.sources.discovery import list_night
from flows.sources.recordings import NightListing
from flows.sources.source import list_nights
from flows.staging import LeftOutError
from flows.unfinished import nights_to_come_back_to, note_failed, note_missed, track_night, was_cut_short
from flows.warehouse_access import warehouse_address
from pmfer.errors import ConfigurationError, PmferError
from warehouse import quarantine, runs
from warehouse.audit import current_head
from warehouse.connection import open_reader
from warehouse.contracts import require_contracts
from warehouse.corrections import withdraw_misfiled
from warehouse.lake import tidy
from warehouse.records import RunOutcome
from warehouse.transaction import night_lock
from warehouse.warehouse import Writer

# At least this many sessions per scoring process: loading the networks takes about as long as scoring one session.
MIN_SESSIONS_PER_PROCESS = 4
log = logging.getLogger("pmfer.nightly")


def run_tonight(request: RunRequest) -> None:
    """Process yesterday's night, then earlier nights that are not finished or have late recordings.

    Raises:
        PmferError: yesterday's night failed. If an earlier one fails, that is only logged; the next run retries it.
    """
    night = date.today() - timedelta(days=1)
    tell_server(request, "nightly", f"nightly {night}", partial(tonight_and_before, request, night, before=True))


def run_nights(request: RunRequest, first: date, last: date, say: Callable[[str], None]) -> bool:
    """Process the nights from first to last. If everything was done before, tell `say` so and return False.

    Raises:
        ConfigurationError: `last` is before `first`.
        PmferError: a night failed; the nights before it are done.
    """
    if last < first:
        raise ConfigurationError(f"--to {last} is before --from {first}; swap them")
    require_places(request, first if first == last else None)
    if first == last:
        span = str(first)
        outcomes = [tell_server(request, "nightly", f"nightly {span}", partial(one_night, request, first))]
    else:
        span = f"{first} to {last}"
        outcomes = tell_server(request, "backfill", f"backfill {span}", partial(each_night, request, first, last))
    if any(not outcome.idle for outcome in outcomes):
        return True
    for outcome in outcomes:
        if outcome.unready or first == last:
            say(outcome.sentence())
    if first != last:
        say(f"{span}: {'nothing to do' if any(done.found for done in outcomes) else 'no sessions in the source'}")
    return False


def require_places(request: RunRequest, night: date | None) -> None:
    """Fail at once if the source or the data folder cannot be used, because whoever typed the command is waiting.

    A scheduled night retries the source for a while instead, see `find_sessions`.

    Raises:
        PmferError, OSError: one of them cannot be used. The failure is reported, and if only one night was asked for,
            that night counts as failed.
    """
    settings = request.place()
    data = settings.data
    try:
        data.require_writable()
        data.require_room()
        list_nights(source_of(settings, request.source))
    except (PmferError, OSError) as error:
        report_failure(settings, night, error)
        if night and data.root.is_dir():
            with suppress(OSError):  # if the data folder cannot be written, that is the error to report
                note_failed(data, night)
        raise


def tonight_and_before(request: RunRequest, night: date, *, before: bool) -> NightOutcome:
    """Process a night and then, if `before` is set, earlier nights that are not finished.

    An earlier night that fails is reported separately, and the next run retries it. The night's reports compare with
    earlier nights, so those that a new earlier night changed are rendered again.

    Args:
        request: what is asked for.
        night: the day.
        before: whether to process unfinished earlier nights too.

    Raises:
        PmferError: the night failed, see `one_night`.
    """
    outcome = one_night(request, night)
    say_idle(outcome)
    if before:
        with without_metrics(), failure_noticed(request.place(), "coming back to earlier nights"):
            caught_up = [earlier for left in nights_left(request, night) if (earlier := come_back_to(request, left))]
            if not all(earlier.idle for earlier in caught_up):
                run_night(make_job(request, night))
    return outcome


def come_back_to(request: RunRequest, night: date) -> NightOutcome | None:
    """Process an earlier night; None if it failed, which is logged, because it is no failure of tonight."""
    try:
        outcome = as_flow("nightly", f"nightly {night}", partial(one_night, request, night))
    except Exception as error:  # it concerns only that night, for which it was already reported
        log.error("%s, left unfinished earlier, failed: %s; the next nightly run retries it", night, error)
        return None
    say_idle(outcome)
    return outcome


def say_idle(outcome: NightOutcome) -> None:
    """Log that a night had nothing to do; other nights log what they did themselves."""
    if outcome.idle:
        log.info("%s", OwnWords(outcome.sentence()))


def nights_left(request: RunRequest, tonight: date) -> list[date]:
    """The nights before tonight that are unfinished or have late recordings, in order.

    Raises:
        PmferError: the source or the warehouse cannot be read.
    """
    settings = request.place()
    nights = list_nights(source_of(settings, request.source))
    note_missed(settings.data, nights, tonight)
    with open_reader(warehouse_address(settings)) as reader:
        late = nights_with_late_recordings(reader, nights, make_job(request, tonight))
        return nights_to_come_back_to(reader, settings.data, tonight, late)


def each_night(request: RunRequest, first: date, last: date) -> list[NightOutcome]:
    """Process the nights from first to last in order, each shown as a separate run.

    Raises:
        PmferError: a night failed, see `one_night`; the nights before it are done.
    """
    nights = (first + timedelta(days=offset) for offset in range((last - first).days + 1))
    return [as_flow("nightly", f"nightly {night}", partial(one_night, request, night)) for night in nights]


@watched
def one_night(request: RunRequest, night: date) -> NightOutcome:
    """Process one night from source to reports, and report how it ended.

    Raises:
        PmferError: the source, the bundle, the data folder or the warehouse cannot be used, or a report failed. What
            was stored before stays, and running the night again finishes it.
    """
    data = request.place().data
    data.require_writable()
    data.require_room()
    with track_night(data, night) as note:
        outcome = run_night(make_job(request, night))
        note.waiting = outcome.unready
    return outcome


def run_night(job: Job) -> NightOutcome:
    """Run a night's job: find, plan, score, store, publish, report; see `one_night`."""
    began = time.monotonic()
    if job.dispatch is Dispatch.WORKERS:
        from flows.score_shard import require_dispatchable

        require_dispatchable(job)
    listing = find_sessions(job)
    hide(listing.identities())
    with job.access.writing() as writer, night_lock(writer.connection, job.night):
        connection = writer.connection
        with stage("plan"):
            plan = plan_night(connection, listing, job)
        if plan.erased:
            advice = "delete them from the source, or record a new consent if a patient is back"
            log.warning("%d recordings skipped: their patients were erased; %s", plan.erased, advice)
        warn_of_pseudonyms(connection, listing)
        # Expired data goes before the reports are made, so that a second run of the night bases them on the same data.
        remove_expired(connection, job.data, job.retention)
        if has_work(connection, plan, job):
            outcome = process(writer, plan, job)
            remove_expired(connection, job.data, job.retention)  # the night itself may be past its retention period
        else:
            outcome = idle_outcome(plan, job)
        quarantine.settle_replays(connection, job.night)
        publish_snapshot(writer)
        head = current_head(connection)
    if not outcome.idle:
        log.info("%s  %.1f s", OwnWords(outcome.sentence()), time.monotonic() - began)
        # With this line, anybody who keeps the output can later prove that no entry was removed from the log's end.
        log.info("audit log ends with entry %d, %s", head.entries, head.sha256)
    return outcome


@step("find sessions", waits=(1, 10, 60), again=lambda error: True)
@stage("find")
def find_sessions(job: Job) -> NightListing:
    """List the night; a source on a network may need several attempts."""
    return list_night(job.source, job.night)


def has_work(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job) -> bool:
    """Whether a night has sessions to score or quarantine, reports that are due, or a last run that did not finish."""
    return (
        not plan.nothing_new
        or was_cut_short(connection, job.night)
        or is_report_due(connection, job.night, job.provenance, job.data, job.printing)
    )


def process(writer: Writer, plan: NightPlan, job: Job) -> NightOutcome:
    """Carry out the plan and record the run."""
    connection = writer.connection
    run_id = str(uuid.uuid4())
    left_out: LeftOutError | None = None
    runs.start_run(connection, run_record(job, run_id))
    with log_context(run=run_id), recorded_failure(connection, run_id, plan):
        withdraw_misfiled(connection, plan.misfiled, job.night)
        for uri in plan.mended:
            quarantine.lift_quarantine(connection, uri)
        for session in plan.quarantined:
            quarantine.add_quarantine(connection, quarantine_record(session, job.night, run_id))
        try:
            score_and_store(connection, plan, job, run_id)
        except LeftOutError as error:  # all other sessions are scored: publish them before the night fails
            left_out = error
        done = session_outcomes(connection, plan, job, run_id)
        check_load(connection)
        publish_snapshot(writer)  # the reports are based on the published snapshot
        rendered = render_all(connection, job, run_id)
        if left_out:
            raise left_out
    outcome = done.outcome(job, rendered)
    runs.finish_run(connection, run_id, outcome.record())
    tidy_lake(connection)
    show_table(f"night-{job.night.isoformat()}", done.rows(), outcome.sentence())
    return outcome


@stage("sessions")
def score_and_store(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job, run_id: str) -> None:
    """Score the pending sessions, here or on workers, and store each one once it is scored."""
    shards = pack(plan.pending, job.shard_s)
    if job.dispatch is Dispatch.WORKERS and shards:
        from flows.score_shard import dispatch

        dispatch(shards, job, run_id)
        remember_contents(connection, plan, job)
    else:
        # One call for all shards, so that each process loads the networks only once.
        sessions = [session for shard in shards for session in shard.sessions]
        processes = min(job.scoring_processes, -(-len(sessions) // MIN_SESSIONS_PER_PROCESS))
        score_sessions(connection, sessions, job, run_id, max(1, processes))


@step("check")
@stage("check")
def check_load(connection: duckdb.DuckDBPyConnection) -> None:
    """Check the loaded data against its contracts, so that data which breaks one is never published."""
    require_contracts(connection, everything=False)


@step("publish", waits=(5, 5))
@stage("publish")
def publish_snapshot(writer: Writer) -> bool:
    """Publish what is stored so far to readers; readers of a lake see it anyway."""
    return writer.publish()


def render_all(connection: duckdb.DuckDBPyConnection, job: Job, run_id: str) -> int:
    """Render the reports that are due, based on what readers see; return how many there were.

    Raises:
        ReportError: one or more failed; the others were rendered.
    """
    with stage("report"), open_reader(job.warehouse) as reader:
        due = due_reports(reader, job.night, job.provenance, job.data, job.printing)
    failures = render_reports(connection, due, job, run_id) if due else []
    delete_withdrawn_reports(connection, job.data, job.night, due)
    raise_failures(failures, len(due))
    return len(due)


@step("render reports", waits=(0,))
@stage("report")
def render_reports(connection: duckdb.DuckDBPyConnection, due: list[DueReport], job: Job, run_id: str) -> list[str]:
    """Render the due reports in several processes and record them; return one line per report that failed."""
    return render(connection, due, job.data, job.printing, run_id)


@step("tidy")
@stage("tidy")
def tidy_lake(connection: duckdb.DuckDBPyConnection) -> None:
    """Merge the small files that the night wrote, if the warehouse is a lake."""
    tidy(connection)


@contextmanager
def recorded_failure(connection: duckdb.DuckDBPyConnection, run_id: str, plan: NightPlan) -> Iterator[None]:
    """Mark the run as failed when the body raises."""
    try:
        yield
    except Exception as error:
        message = (str(error).splitlines() or [type(error).__name__])[0]
        outcome = RunOutcome("failed", plan.found, 0, plan.done_before, 0, 0, message)
        # On a full disk this fails too; the first error is the one to report.
        with suppress(PmferError):
            runs.finish_run(connection, run_id, outcome)
        raise
