"""Shards as runs of their own: Prefect workers on any machine take them, and the night waits for all of them.

The night's run waits in another work pool than its shards: where it waited in theirs, enough nights would leave no
worker to work on anything.
"""

import logging
import time
from collections.abc import Callable, Iterator, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime, timedelta
from functools import partial
from typing import TypeVar
from uuid import UUID

import httpx
from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.objects import FlowRun, State
from prefect.deployments import run_deployment
from prefect.exceptions import ObjectNotFound

from flows.job import Job
from flows.settings import prefect_server
from flows.shards import Shard, ShardRequest
from pmfer.errors import ConfigurationError, PmferError
from warehouse.address import FileAddress

DEPLOYMENT = "score-shard/score-shard"
LOOK_S = 2.0  # seconds between two looks at the runs
PAUSES_S = (30.0, 120.0)  # before a shard that failed is tried again: PostgreSQL may have been restarted meanwhile
ATTEMPTS = 1 + len(PAUSES_S)  # runs of one shard
WAITING_S = 300.0  # seconds after which a shard that no worker takes is worth a line

PATIENCE_S = 600.0  # seconds that the server may be away; shards go on without it

log = logging.getLogger("pmfer.dispatch")

T = TypeVar("T")


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
            log.warning("shard %d: %s; it is taken up again%s", attempt.shard.number, ending, again)
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
            "no worker has taken shard %d since %s; start one: prefect worker start --pool %s",
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
