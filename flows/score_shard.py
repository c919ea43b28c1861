"""Shards as runs of their own: Prefect workers on any machine score them into the common lake, and the night waits.

`dispatch` hands shards out and `score_shard` is what a worker runs. The night's run waits in another work pool than its
shards: in theirs, enough nights would leave no worker to score anything.
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

from flows.environment import set_up_worker
from flows.job import Job, job_of
from flows.logs import hide, log_context, nameless_errors
from flows.plan import plan_night, quarantine_record
from flows.prefect_client import prefect_server
from flows.scoring import score_sessions
from flows.settings import Settings, read_settings
from flows.shards import Shard, ShardRequest, recording_id
from flows.sources.discovery import list_night
from flows.sources.source import list_nights
from flows.warehouse_access import require_existing, writing
from pmfer.bundle import Bundle, find_bundle
from pmfer.errors import BundleError, ConfigurationError, PmferError
from warehouse import quarantine, runs
from warehouse.address import FileAddress
from warehouse.connection import open_reader
from warehouse.transaction import at_work

LIMIT = "pmfer-shards"  # global limit of shards that run at the same time, whatever pool they are in
DEPLOYMENT = "score-shard/score-shard"
LOOK_S = 2.0  # seconds between two looks at the runs
PAUSES_S = (30.0, 120.0)  # before a shard that failed is tried again: PostgreSQL may have been restarted meanwhile
ATTEMPTS = 1 + len(PAUSES_S)  # runs of one shard
WAITING_S = 300.0  # seconds after which a shard that no worker takes is worth a line
PATIENCE_S = 600.0  # seconds that the server may be away; shards go on without it

log = logging.getLogger("pmfer.shard")

T = TypeVar("T")


@flow(name="score-shard")
def score_shard(request: ShardRequest, data_dir: Path | None = None) -> None:
    """Score some sessions of a night; the nightly flow starts this one.

    Args:
        request: which sessions, and what the nightly run decided. This machine must reach the source too, and have the
            bundle, in the same folder or where PMFER_BUNDLE says.
        data_dir: folder for copies while they are scored; left out, PMFER_DATA_DIR of this machine.

    Raises:
        PmferError: the source or the warehouse cannot be used or is another one than that of the nightly run, or the
            bundle or the detector of the nightly run is not on this machine.
    """
    settings = read_settings(data_dir=data_dir)
    set_up_worker(settings)
    job = job_of(request.run, settings, request.night, _bundle(settings, request), request.options)
    _require_same_method(job, request.options_sha256)
    job.data.require_writable()
    run_id, wanted = str(request.run_id), frozenset(request.recordings)
    _require_same_places(job, run_id)
    # A lease that cannot be renewed for a while is no reason to throw away what is half scored.
    with (
        nameless_errors(),
        log_context(run=run_id, shard=str(request.shard)),
        concurrency(LIMIT, strict=True, raise_on_lease_renewal_failure=False),
    ):
        listing = list_night(job.source, job.night, lambda uri: recording_id(uri) in wanted)
        hide(listing.identities())
        with writing(job.data, job.warehouse) as writer, at_work(writer.connection):
            connection = writer.connection
            plan = plan_night(connection, listing, job)
            log.info("%d of %d recordings are to be scored", len(plan.pending), len(wanted))
            for session in plan.quarantined:
                quarantine.add_quarantine(connection, quarantine_record(session, job.night, run_id))
            score_sessions(connection, plan.pending, job, run_id)


def _require_same_places(job: Job, run_id: str) -> None:
    """Refuse a machine that reads or stores elsewhere than the nightly run: its shard would end well and be missed."""
    require_existing(job.warehouse)
    with open_reader(job.warehouse) as reader:
        if not runs.knows_run(reader, run_id):
            raise ConfigurationError(
                f"warehouse {job.warehouse}: does not know the nightly run; give every worker the same PMFER_WAREHOUSE"
            )
    if job.night not in list_nights(job.source):
        raise ConfigurationError(
            f"source {job.source.url}: has no folder {job.night} on this machine; mount it as the nightly run has it"
        )


def _bundle(settings: Settings, request: ShardRequest) -> Bundle:
    address = request.run.bundle
    assert address is not None, "the nightly run resolves it"
    try:
        return find_bundle(request.bundle_id, address, settings.bundle)
    except BundleError as error:
        raise BundleError(
            f"{error}, and the night is scored with it; copy its folder to {address} on this machine, or wherever its "
            "PMFER_BUNDLE says"
        ) from None


def _require_same_method(job: Job, options_sha256: str) -> None:
    if job.provenance.options_sha256 != options_sha256:
        raise ConfigurationError(
            f"detector {job.options.detector}: its file, or the release, is not the one that the night is scored "
            "with; install the same release, or copy the same file to this machine"
        )


class ShardError(PmferError):
    """Shards of a night did not come to an end."""


@dataclass
class _Attempt:
    """A run of a shard."""

    shard: Shard
    run: UUID
    number: int  # 1 for the first
    due: float  # by the monotonic clock
    complained: bool = False


def require_dispatchable(job: Job) -> None:
    """Refuse what workers cannot do, before anything is done.

    Raises:
        ConfigurationError: the warehouse is a file, or there is no server that workers could ask.
    """
    if isinstance(job.warehouse, FileAddress):
        raise ConfigurationError(
            f"--dispatch workers: the warehouse {job.warehouse} is a file, which has one writer; give a lake in "
            "PMFER_WAREHOUSE, as ducklake:postgres:..., or leave --dispatch at process"
        )
    if not prefect_server():
        raise ConfigurationError(
            "--dispatch workers: no Prefect server is named; set PREFECT_API_URL, or leave --dispatch at process"
        )


def dispatch(shards: Sequence[Shard], job: Job, run_id: str) -> None:
    """Have workers score all shards. A shard whose run ends otherwise than completed, or dies, is taken up again.

    A run whose process or machine is gone is found dead by the heartbeats that it owes the server (flows/deploy.py).
    What it had stored by then its successor leaves alone.

    Raises:
        ConfigurationError: the deployment is not there.
        ShardError: a shard was cancelled or failed ATTEMPTS times, and the others came to an end; or see `patiently`.
    """
    with get_client(sync_client=True) as client:
        _require_deployment(client)
        going = [patiently(partial(_submit, shard, job, run_id, 1)) for shard in shards]
        failures: list[str] = []
        while going:
            time.sleep(LOOK_S)
            going = [after for attempt in going for after in _look(client, attempt, job, run_id, failures)]
    if failures:
        raise ShardError(
            f"{len(failures)} of {len(shards)} shards failed, the first: {failures[0]}; what was scored is stored: see "
            "the runs in Prefect, correct what they say and run the night again"
        )


def patiently(ask: Callable[[], T]) -> T:
    """What a server answers, which may be away for a while.

    Raises:
        ShardError: it was for PATIENCE_S.
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
                    f"Prefect server {prefect_server()}: away for {PATIENCE_S:.0f} s ({type(error).__name__}); start "
                    "it and run the night again, what was scored is stored"
                ) from None
            time.sleep(LOOK_S)


def _look(
    client: SyncPrefectClient, attempt: _Attempt, job: Job, run_id: str, failures: list[str]
) -> Iterator[_Attempt]:
    """The attempt that goes on after a look at this one, if any does."""
    flow_run = patiently(partial(client.read_flow_run, attempt.run))
    state = flow_run.state
    if state is None or not state.is_final():
        _complain(attempt, flow_run)
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
    """Seconds between an attempt and the next. What failed may need time; for a machine that died another stands in.

    Args:
        state: how the attempt ended.
        number: of the attempt, 1 for the first.
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
        # The same attempt of the same run is submitted once, even where the answer to the request was lost.
        idempotency_key=f"{run_id}-{shard.number}-{number}",
        parameters={"request": shard_request(shard, job, run_id).model_dump(mode="json")},
    )
    assert isinstance(flow_run, FlowRun)  # called outside of an event loop
    return _Attempt(shard, flow_run.id, number, time.monotonic() + wait_s)


def shard_request(shard: Shard, job: Job, run_id: str) -> ShardRequest:
    """What the run of a shard is asked for."""
    return ShardRequest(
        run=job.request.model_copy(update={"bundle": job.bundle.address, "data_dir": None}),
        night=job.night,
        recordings=tuple(shard.ids),
        run_id=UUID(run_id),
        shard=shard.number,
        options=job.options,
        **asdict(job.provenance),
    )


def _complain(attempt: _Attempt, flow_run: FlowRun) -> None:
    """Say once that no worker takes a shard."""
    waiting = flow_run.start_time is None and time.monotonic() - attempt.due > WAITING_S
    if waiting and not attempt.complained:
        attempt.complained = True
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
