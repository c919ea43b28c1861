"""The nightly flow: find the night's sessions, score what is new, store, publish, report.

Every step is keyed by content, bundle and options, so a run that was killed is simply started again. Prefect stores
parameters, names and artifacts on its server: only dates, folders and hashes of paths go there, and tasks hand each
other paths, never frames.
"""

import logging
import time
import uuid
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from datetime import UTC, date, datetime, timedelta
from pathlib import Path
from typing import Annotated
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

import duckdb
from prefect import flow, task
from prefect.artifacts import create_table_artifact
from prefect.cache_policies import NO_CACHE
from prefect.runtime import flow_run
from pydantic import Field

from flows.data_folder import DataFolder
from flows.dispatch import dispatch, require_dispatchable
from flows.job import Job, make_job
from flows.logs import hide, log_context
from flows.night import (
    NightOutcome,
    NightPlan,
    new_ambiguous,
    patients_alike,
    plan_night,
    quarantine_record,
    run_record,
)
from flows.reporting import DueReport, due_reports, render, require_none
from flows.retain_command import retain
from flows.scoring import score_sessions, worth_retrying
from flows.settings import Dispatch, read_settings
from flows.shards import pack
from flows.sources import NightListing, list_night
from flows.tally import remember_contents, tally
from flows.unfinished import note_unready, unfinished_nights, was_cut_short
from flows.warehouse_address import warehouse_address
from flows.watch import beside_tonight, stage, watched
from flows.writing import writing
from pmfer.errors import ConfigurationError, PmferError
from warehouse import store
from warehouse.audit import current_head
from warehouse.connection import open_reader
from warehouse.contracts import require_contracts
from warehouse.lake import tidy
from warehouse.lock import night_lock
from warehouse.publish import publish
from warehouse.records import RunOutcome

log = logging.getLogger("pmfer.nightly")


@task(name="find sessions", retries=3, retry_delay_seconds=[1, 10, 60], cache_policy=NO_CACHE)
@stage("find")
def find_sessions(job: Job) -> NightListing:
    """List the night; a source on a network may need a second look."""
    return list_night(job.source, job.night)


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
def nightly(
    source: str,
    data_dir: Path,
    night: date | None = None,
    bundle: str | None = None,
    detector: str | None = None,
    frames_per_second: Annotated[float, Field(gt=0)] | None = None,
    dispatch_to: Dispatch | None = None,
    time_zone: str | None = None,
) -> NightOutcome:
    """Process one night from source to reports.

    Args:
        source: folder with one folder per day, or the URL of one on S3 or SFTP.
        data_dir: folder below which all state lies.
        night: the day whose sessions are processed; left out, the day before the run was due, and then earlier ones
            that were left unfinished: sessions were still being uploaded, or quarantine is to be tried again. An
            earlier one that fails is told of as a night of its own, and tried again with the next run.
        bundle: shipped bundle's name or a folder; left out, PMFER_BUNDLE or the default.
        detector: `centerface` or a YuNet file; left out, PMFER_DETECTOR or the default.
        frames_per_second: frames sampled per second of video; left out, PMFER_FRAMES_PER_SECOND or the default.
        dispatch_to: `process` scores here, `workers` has Prefect workers score; left out, PMFER_DISPATCH or the
            default.
        time_zone: zone in which the day before is meant, as Europe/Berlin; left out, that of the machine.

    Raises:
        PmferError: the source, the bundle, the data folder or the warehouse cannot be used, or a report failed. What
            was stored before stays, and running the night again finishes it.
    """
    outcome = one_night(source, data_dir, night, bundle, detector, frames_per_second, dispatch_to, time_zone)
    if night is None:
        with beside_tonight():
            for left in nights_left(data_dir, outcome.night):
                try:
                    nightly(source, data_dir, left, bundle, detector, frames_per_second, dispatch_to)
                except Exception as error:  # whatever it is, it is that night's, and was told as such
                    log.error("%s, left unfinished earlier, failed: %s; each night tries it again", left, error)
    return outcome


@watched
def one_night(
    source: str,
    data_dir: Path,
    night: date | None,
    bundle: str | None,
    detector: str | None,
    frames_per_second: float | None,
    dispatch_to: Dispatch | None,
    time_zone: str | None,
) -> NightOutcome:
    """Process one night and tell how it ended; see `nightly`."""
    began = time.monotonic()
    night = night or previous_day(flow_run.scheduled_start_time, time_zone)
    job = make_job(source, night, data_dir, bundle, detector, frames_per_second, dispatch_to)
    if job.dispatch is Dispatch.WORKERS:
        require_dispatchable(job)
    job.data.require_writable()
    listing = find_sessions(job)
    hide(listing.identities())
    with writing(job.data, job.warehouse) as connection, night_lock(connection, night):
        with stage("plan"):
            plan = plan_night(connection, listing, job)
        if alike := patients_alike(connection, listing):
            log.warning(
                "patient ids that differ in upper and lower case only: %d; they count as different patients, `pmfer "
                "doctor` names them",
                sum(map(len, alike)),
            )
        if ambiguous := new_ambiguous(connection, listing):
            log.warning(
                "%d new patients have pseudonyms that an erasure cannot tell from other words in notes; better have "
                "some of three characters or more with a letter and a digit, such as p12",
                ambiguous,
            )
        if not something_to_do(connection, plan, job):
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
        head = current_head(connection)
    log.info("%s  %.1f s", outcome.sentence(), time.monotonic() - began)
    # Whoever keeps this output can prove later that no entry was taken off the end of the log.
    log.info("audit log ends with entry %d, %s", head.entries, head.sha256)
    return outcome


def nights_left(data_dir: Path, night: date) -> list[date]:
    """The nights before `night` to come back to, in order.

    Raises:
        WarehouseError: the warehouse cannot be read.
    """
    settings = read_settings(data_dir=data_dir)
    with closing(open_reader(warehouse_address(settings))) as reader:
        left = unfinished_nights(reader, DataFolder(settings.data_dir.absolute()))
    return [day for day in left if day < night]


def something_to_do(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job) -> bool:
    """Whether a night has sessions to score or to set aside, reports that are due, or a run that was cut short."""
    return (
        not plan.nothing_new
        or was_cut_short(connection, job.night)
        or bool(due_reports(connection, job.night, job.provenance, job.data, job.printing))
    )


def process(connection: duckdb.DuckDBPyConnection, plan: NightPlan, job: Job) -> NightOutcome:
    """Do what the plan says and keep a record of the run."""
    run_id = str(uuid.uuid4())
    store.start_run(connection, run_record(job, run_id))
    with log_context(run=run_id), recorded_failure(connection, run_id, plan):
        for uri in plan.mended:
            store.lift_quarantine(connection, uri)
        for rejection in plan.rejections:
            store.add_quarantine(connection, quarantine_record(rejection, job.night, run_id))
        shards = pack(plan.pending, job.shard_s)
        if job.dispatch is Dispatch.WORKERS and shards:
            dispatch(shards, job, run_id)
            remember_contents(connection, plan, job)
        else:
            # One call, so that the networks are loaded once.
            score_sessions(connection, [session for shard in shards for session in shard.sessions], job, run_id)
        done = tally(connection, plan, job, run_id)
        check_load(connection)
        publish_snapshot(connection, job)
        rendered = render_all(connection, job, run_id)
    outcome = done.outcome(job, rendered)
    store.finish_run(connection, run_id, outcome.record())
    publish_snapshot(connection, job)
    tidy_lake(connection)
    create_table_artifact(table=done.rows(), key=f"night-{job.night.isoformat()}", description=outcome.sentence())
    return outcome


def render_all(connection: duckdb.DuckDBPyConnection, job: Job, run_id: str) -> int:
    """Render the reports that are due from what readers see; returns how many.

    Raises:
        ReportError: one or more failed; the others were rendered.
    """
    with stage("report"), closing(open_reader(job.warehouse)) as reader:
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


def previous_day(due: datetime | None, time_zone: str | None) -> date:
    """The day before a run was due, so that a late run still takes the night it was meant for.

    Args:
        due: when the run was to start, with its zone; None: now.
        time_zone: by whose calendar, as Europe/Berlin; None: that of this machine.

    Raises:
        ConfigurationError: there is no such zone.
    """
    try:
        zone = ZoneInfo(time_zone) if time_zone else None
    except (ZoneInfoNotFoundError, ValueError):
        raise ConfigurationError(f"time_zone {time_zone}: no such zone; write it as Europe/Berlin") from None
    return (due or datetime.now(UTC)).astimezone(zone).date() - timedelta(days=1)
