"""Score shards on Prefect workers: they run on any machine and write into the shared lake while the night waits.

`dispatch` starts a run for each shard, and `score_shard` is the flow that a worker runs. The nightly run is in another
work pool than its shards: in the same pool, several waiting nights could occupy every worker.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from pathlib import Path
from typing import TypeVar
from uuid import UUID

import httpx
from prefect import flow
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.concurrency.sync import concurrency
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows.environment import prefect_server, set_up_worker
from flows.job import Job, job_of
from flows.logs import hide, log_context, nameless_errors
from flows.plan import plan_night, quarantine_record
from flows.scoring import score_sessions
from flows.settings import Settings, read_settings
from flows.shards import Shard, ShardRequest, recording_id
from flows.sources.discovery import list_night
from flows.sources.source import list_nights
from flows.warehouse_access import require_existing
from pmfer.bundle import Bundle, find_bundle
from pmfer.errors import BundleError, ConfigurationError, PmferError
from warehouse import quarantine, runs
from warehouse.address import FileAddress
from warehouse.connection import open_reader
from warehouse.transaction import at_work

LIMIT = "pmfer-shards"  # name of the global limit on shards running at the same time, in any pool
DEPLOYMENT = "score-shard/score-shard"
LOOK_S = 2.0  # seconds between two checks of the runs
PAUSES_S = (30.0, 120.0)  # seconds before a failed shard is retried: PostgreSQL may have been restarted meanwhile
ATTEMPTS = 1 + len(PAUSES_S)  # runs of one shard, at most
WAITING_S = 300.0  # seconds after which to warn that no worker has taken a shard
PATIENCE_S = 600.0  # seconds for which the server may be unreachable; shards continue without it

log = logging.getLogger("pmfer.shard")

T = TypeVar("T")


@flow(name="score-shard")
def score_shard(request: ShardRequest, data_dir: Path | None = None) -> None:
    """Score some sessions of a night; the nightly flow starts this one.

    Args:
        request: which sessions, and what the nightly run decided. This machine must also reach the source and have the
            bundle, in the same folder or where PMFER_BUNDLE says.
        data_dir: folder for copies while they are scored; by default PMFER_DATA_DIR of this machine.

    Raises:
        PmferError: the source or the warehouse cannot be used or is not the nightly run's, or the nightly run's bundle
            or detector is not on this machine.
    """
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    job = job_of(request.run, settings, request.night, _bundle(settings, request), request.options)
    _require_same_method(job, request.options_sha256)
    job.data.require_writable()
    run_id, wanted = str(request.run_id), frozenset(request.recordings)
    _require_same_places(job, run_id)
    # If the lease cannot be renewed for a while, carry on: failing would throw away a half-scored shard.
    with (
        nameless_errors(),
        log_context(run=run_id, shard=str(request.shard)),
        concurrency(LIMIT, strict=True, raise_on_lease_renewal_failure=False),
    ):
        listing = list_night(job.source, job.night, lambda uri: recording_id(uri) in wanted)
        hide(listing.identities())
        with job.access.writing() as writer, at_work(writer.connection):
            connection = writer.connection
            plan = plan_night(connection, listing, job)
            log.info("%d of %d recordings are to be scored", len(plan.pending), len(wanted))
            for session in plan.quarantined:
                quarantine.add_quarantine(connection, quarantine_record(session, job.night, run_id))
            score_sessions(connection, plan.pending, job, run_id)


def _require_same_places(job: Job, run_id: str) -> None:
    """Refuse a machine with another source or warehouse than the nightly run: its results would silently be lost."""
    require_existing(job.warehouse)
    with open_reader(job.warehouse) as reader:
        if not runs.knows_run(reader, run_id):
            raise ConfigurationError(
                f"warehouse {job.warehouse}: does not know the nightly run; give every worker the same PMFER_WAREHOUSE"
            )
    if job.night not in list_nights(job.source):
        raise ConfigurationError(
            f"source {job.source.url}: has no folder {job.night} on this machine; mount it as on the nightly run's"
        )


def _bundle(settings: Settings, request: ShardRequest) -> Bundle:
    address = request.run.bundle
    assert address is not None, "the nightly run fills it in"
    try:
        return find_bundle(request.bundle_id, address, settings.bundle)
    except BundleError as error:
        raise BundleError(
            f"{error}, and the night is scored with it; copy its folder to {address} on this machine, or to the folder "
            "that its PMFER_BUNDLE names"
        ) from None


def _require_same_method(job: Job, options_sha256: str) -> None:
    if job.provenance.options_sha256 != options_sha256:
        raise ConfigurationError(
            f"detector {job.options.detector}: its file, or this release, is not the one that the night is scored "
            "with; install the same release, or copy the same file to this machine"
        )


class ShardError(PmferError):
    """Some shards of a night did not complete."""


@dataclass
class _Attempt:
    """A run of a shard."""

    shard: Shard
    run: UUID
    number: int  # 1 for the first
    due: float  # monotonic clock, seconds
    warned: bool = False  # that no worker has taken it


def require_dispatchable(job: Job) -> None:
    """Check up front that workers can score this job.

    Raises:
        ConfigurationError: the warehouse is a file, or no Prefect server is set for workers to poll.
    """
    if isinstance(job.warehouse, FileAddress):
        raise ConfigurationError(
            f"--dispatch workers: the warehouse {job.warehouse} is a file, which has one writer; set PMFER_WAREHOUSE "
            "to a lake (ducklake:postgres:...), or use --dispatch process"
        )
    if not prefect_server():
        raise ConfigurationError(
            "--dispatch workers: no Prefect server is named; set PREFECT_API_URL, or use --dispatch process"
        )


def dispatch(shards: Sequence[Shard], job: Job, run_id: str) -> None:
    """Have workers score all shards. A shard whose run fails or crashes is retried.

    A run whose process or machine died is recognised by its missing heartbeats (flows/deploy.py). The next attempt
    skips the sessions that it had already stored.

    Raises:
        ConfigurationError: the deployment is not on the server.
        ShardError: a shard was cancelled or failed ATTEMPTS times, raised once all shards have ended; or the server
            stayed unreachable, see `patiently`.
    """
    with get_client(sync_client=True) as client:
        _require_deployment(client)
        active = [patiently(partial(_submit, shard, job, run_id, 1)) for shard in shards]
        failures: list[str] = []
        while active:
            time.sleep(LOOK_S)
            active = [after for attempt in active for after in _check(client, attempt, job, run_id, failures)]
    if failures:
        raise ShardError(
            f"{len(failures)} of {len(shards)} shards failed, the first: {failures[0]}; what was scored is stored; fix "
            "the errors that Prefect shows for the runs, then run the night again"
        )


def patiently(ask: Callable[[], T]) -> T:
    """Return the server's answer, asking again while the server is unreachable.

    Raises:
        ShardError: it was unreachable for PATIENCE_S.
    """
    deadline = time.monotonic() + PATIENCE_S
    while True:
        try:
            return ask()
        except httpx.HTTPError as error:
            if isinstance(error, httpx.HTTPStatusError) and not error.response.is_server_error:
                raise
            if time.monotonic() > deadline:
                raise ShardError(
                    f"Prefect server {prefect_server()}: unreachable for {PATIENCE_S:.0f} s ({type(error).__name__}); "
                    "start it and run the night again; what was scored is stored"
                ) from None
            time.sleep(LOOK_S)


def _check(
    client: SyncPrefectClient, attempt: _Attempt, job: Job, run_id: str, failures: list[str]
) -> Iterator[_Attempt]:
    """Check on an attempt: yield it if it is still active, or its retry; yield nothing if the shard has ended."""
    flow_run = patiently(partial(client.read_flow_run, attempt.run))
    state = flow_run.state
    if state is None or not state.is_final():
        _warn_if_waiting(attempt, flow_run)
        yield attempt
    elif not state.is_completed():
        ending = _ending(state)
        if state.is_cancelled() or attempt.number >= ATTEMPTS:
            failures.append(f"shard {attempt.shard.number}: {ending}")
        else:
            wait_s = pause_s(state, attempt.number)
            again = f" in {wait_s:g} s" if wait_s else ""
            log.warning("shard %d: %s; restarting it%s", attempt.shard.number, ending, again)
            yield patiently(partial(_submit, attempt.shard, job, run_id, attempt.number + 1, wait_s))


def pause_s(state: State, number: int) -> float:
    """Seconds between an attempt and the next: a pause after a failure, none after a crash, as another machine can act.

    Args:
        state: how the attempt ended.
        number: number of the attempt, 1 for the first.
    """
    return 0.0 if state.is_crashed() else PAUSES_S[number - 1]


def _ending(state: State) -> str:
    first = (state.message or "").partition("\n")[0]
    return f"{state.name or state.type.value} ({first})" if first else str(state.name or state.type.value)


def _submit(shard: Shard, job: Job, run_id: str, number: int, wait_s: float = 0.0) -> _Attempt:
    flow_run = run_deployment(
        DEPLOYMENT,
        timeout=0,
        scheduled_time=datetime.now(UTC) + timedelta(seconds=wait_s),
        flow_run_name=f"shard {shard.number} of {job.night}, attempt {number}",
        # Submits each attempt only once, even if the server's answer was lost and the request is repeated.
        idempotency_key=f"{run_id}-{shard.number}-{number}",
        parameters={"request": shard_request(shard, job, run_id).model_dump(mode="json")},
    )
    assert isinstance(flow_run, FlowRun)  # not a coroutine: there is no event loop here
    return _Attempt(shard, flow_run.id, number, time.monotonic() + wait_s)


def shard_request(shard: Shard, job: Job, run_id: str) -> ShardRequest:
    """The request for a shard's run."""
    return ShardRequest(
        run=job.request.model_copy(update={"bundle": job.bundle.address, "data_dir": None}),
        night=job.night,
        recordings=tuple(shard.ids),
        run_id=UUID(run_id),
        shard=shard.number,
        options=job.options,
        **asdict(job.provenance),
    )


def _warn_if_waiting(attempt: _Attempt, flow_run: FlowRun) -> None:
    """Warn once that no worker takes a shard."""
    waiting = flow_run.start_time is None and time.monotonic() - attempt.due > WAITING_S
    if waiting and not attempt.warned:
        attempt.warned = True
        log.warning(
            "no worker has taken shard %d since %s; start one: pmfer worker %s",
            attempt.shard.number,
            (flow_run.created or datetime.now(UTC)).strftime("%H:%M UTC"),
            flow_run.work_pool_name,
        )


def _require_deployment(client: SyncPrefectClient) -> None:
    try:
        client.read_deployment_by_name(DEPLOYMENT)
    except ObjectNotFound:
        raise ConfigurationError(
            f"deployment {DEPLOYMENT}: not on the server {prefect_server()}; run `pmfer deploy`"
        ) from None
