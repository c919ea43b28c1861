"""Everything that a Prefect server must hold for nights to run: work pools, queues, limits, deployments, an automation.

What is there stays as it is, but for the deployments, which are brought up to prefect.yaml: people change the limits of
a pool in Prefect, and the next release must not change them back.
"""

import subprocess
import sys
import sysconfig
from collections.abc import Callable
from dataclasses import dataclass
from datetime import timedelta
from pathlib import Path

from prefect.client.orchestration import SyncPrefectClient, get_client
from prefect.client.schemas.actions import GlobalConcurrencyLimitCreate, WorkPoolCreate
from prefect.client.schemas.objects import StateType
from prefect.events.actions import ChangeFlowRunState
from prefect.events.schemas.automations import AutomationCore, EventTrigger, Posture
from prefect.events.schemas.events import ResourceSpecification
from prefect.exceptions import ObjectAlreadyExists
from prefect.workers.process import ProcessWorker

from flows.prefect_client import HEARTBEAT_S
from flows.score_shard import LIMIT
from flows.settings import environment_with
from pmfer.errors import ConfigurationError

ROOT = Path(__file__).parents[1]  # of the program, from where workers find its flows
DEFINITIONS = "prefect.yaml"
FLOWS = ("nightly", "score-shard", "report", "backfill", "maintenance")
SILENT_S = 3 * HEARTBEAT_S  # seconds without a heartbeat after which a run is dead
SILENT = "no heartbeat: its process or machine is gone"
AUTOMATION = "pmfer: runs without heartbeat have crashed"


@dataclass(frozen=True)
class Pool:
    """A work pool and its queues, each with its priority, 1 the highest."""

    name: str
    description: str
    queues: dict[str, int]


POOLS = (
    Pool("pmfer", "Nights and what else waits or needs no GPU.", {"nights": 1, "by-hand": 2, "maintenance": 3}),
    Pool("pmfer-gpu", "Shards of nights; one worker per GPU, with --limit 1.", {"shards": 1}),
)


def deploy(source: str, data_dir: Path, gpus: int | None, tell: Callable[[str], None]) -> None:
    """Make what is missing on the server, and bring the deployments up to prefect.yaml.

    Args:
        source: what nights and backfills get as their source.
        data_dir: what they get as their data folder.
        gpus: shards that may run at the same time; None: the limit stays, and is 1 where there is none yet.
        tell: gets a line for everything that is made.

    Raises:
        ConfigurationError: the server refuses a deployment, or prefect.yaml is not installed.
    """
    with get_client(sync_client=True) as client:
        for pool in POOLS:
            _make_pool(client, pool, tell)
        _make_limit(client, gpus, tell)
        _make_automation(client, tell)
    _deploy_all(source, data_dir)
    tell("deployments are those of prefect.yaml")


def _make_pool(client: SyncPrefectClient, pool: Pool, tell: Callable[[str], None]) -> None:
    try:
        client.create_work_pool(
            WorkPoolCreate(
                name=pool.name,
                description=pool.description,
                type="process",
                base_job_template=ProcessWorker.get_default_base_job_template(),
            )
        )
        tell(f"work pool {pool.name}: made")
    except ObjectAlreadyExists:
        pass  # people may have changed its limits, which stay
    for queue, priority in pool.queues.items():
        try:
            client.create_work_queue(queue, priority=priority, work_pool_name=pool.name)
            tell(f"queue {pool.name}/{queue}: made")
        except ObjectAlreadyExists:
            pass  # likewise its priority


def _make_limit(client: SyncPrefectClient, gpus: int | None, tell: Callable[[str], None]) -> None:
    try:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=gpus or 1))
        tell(f"concurrency limit {LIMIT}: {gpus or 1}")
    except ObjectAlreadyExists:
        if gpus is not None:
            client.upsert_global_concurrency_limit_by_name(LIMIT, gpus)
            tell(f"concurrency limit {LIMIT}: {gpus}")


def _make_automation(client: SyncPrefectClient, tell: Callable[[str], None]) -> None:
    """Have the server take a run for crashed whose heartbeats stop: its process or machine is gone."""
    if client.read_automations_by_name(AUTOMATION):
        return
    endings = {f"prefect.flow-run.{ending}" for ending in ("Completed", "Failed", "Cancelled", "Crashed")}
    client.create_automation(
        AutomationCore(
            name=AUTOMATION,
            trigger=EventTrigger(
                after={"prefect.flow-run.heartbeat"},
                expect={"prefect.flow-run.heartbeat", *endings},
                match=ResourceSpecification({"prefect.resource.id": ["prefect.flow-run.*"]}),
                # Of our flows only: those of others on the same server may have heartbeats less often.
                match_related=ResourceSpecification(
                    {"prefect.resource.role": ["flow"], "prefect.resource.name": list(FLOWS)}
                ),
                for_each={"prefect.resource.id"},
                posture=Posture.Proactive,
                threshold=1,
                within=timedelta(seconds=SILENT_S),
            ),
            actions=[ChangeFlowRunState(state=StateType.CRASHED, message=SILENT)],
        )
    )
    tell(f"automation '{AUTOMATION}': made")


def definitions() -> Path:
    """Where prefect.yaml lies: beside the program, or where a wheel puts it.

    Raises:
        ConfigurationError: in neither place.
    """
    places = [ROOT, Path(sysconfig.get_path("data")) / "share" / "pmfer"]
    for place in places:
        if (place / DEFINITIONS).is_file():
            return place / DEFINITIONS
    raise ConfigurationError(f"{DEFINITIONS}: neither in {places[0]} nor in {places[1]}; install this release again")


def _deploy_all(source: str, data_dir: Path) -> None:
    command = [sys.executable, "-m", "prefect", "--no-prompt", "deploy", "--all", "--prefect-file", str(definitions())]
    given = {"PMFER_SOURCE": source, "PMFER_DATA_DIR": str(data_dir)}
    done = subprocess.run(command, cwd=ROOT, env=environment_with(given), capture_output=True, text=True, check=False)
    if done.returncode:
        last = (done.stderr.strip() or done.stdout.strip() or "no reason given").splitlines()[-1]
        raise ConfigurationError(f"prefect.yaml: cannot be deployed: {last}")


def require_variables(**given: str) -> None:
    """Refuse a deployment whose parameters would be empty, because Prefect puts nothing in the place of a variable.

    Args:
        given: the variables that prefect.yaml reads, by their names.

    Raises:
        ConfigurationError: one has no value.
    """
    for name in ("PMFER_SOURCE", "PMFER_DATA_DIR"):
        if not given.get(name):
            raise ConfigurationError(f"{name} is not set; use `pmfer deploy`, or set it before `prefect deploy`")
