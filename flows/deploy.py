"""Set up a Prefect server for nights: work pools, queues, a limit, deployments and an automation.

Deployments are updated to match prefect.yaml. Everything else is only created if missing: people change the limits of
pools in Prefect, and a new release must not change them back.
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

from flows.environment import HEARTBEAT_S
from flows.score_shard import LIMIT
from flows.settings import environment_with
from pmfer.errors import ConfigurationError

ROOT = Path(__file__).parents[1]  # of the program; the paths of flows are relative to it
DEFINITIONS = "prefect.yaml"
FLOWS = ("nightly", "score-shard", "report", "backfill", "maintenance")
SILENT_S = 3 * HEARTBEAT_S  # seconds without a heartbeat after which a run is dead
SILENT = "no heartbeat: its process or machine is gone"
AUTOMATION = "pmfer: runs without heartbeat have crashed"


@dataclass(frozen=True)
class Pool:
    """A work pool and its queues."""

    name: str
    description: str
    queues: dict[str, int]  # priority by name; 1 is the highest


POOLS = (
    Pool("pmfer", "Nights and other runs that need no GPU.", {"nights": 1, "by-hand": 2, "maintenance": 3}),
    Pool("pmfer-gpu", "Shards of nights; one worker per GPU, with --limit 1.", {"shards": 1}),
)


def deploy(source: str, data_dir: Path, gpus: int | None, tell: Callable[[str], None]) -> None:
    """Create what is missing on the server, and update the deployments to prefect.yaml.

    Args:
        source: source of nights and backfills.
        data_dir: data folder of all deployments.
        gpus: number of shards that may run at the same time; None: keep the limit, or set it to 1 if there is none.
        tell: gets a line for everything that is created.

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
        pass  # it stays as it is: people may have changed its limits
    for queue, priority in pool.queues.items():
        try:
            client.create_work_queue(queue, priority=priority, work_pool_name=pool.name)
            tell(f"queue {pool.name}/{queue}: made")
        except ObjectAlreadyExists:
            pass  # likewise: people may have changed its priority


def _make_limit(client: SyncPrefectClient, gpus: int | None, tell: Callable[[str], None]) -> None:
    try:
        client.create_global_concurrency_limit(GlobalConcurrencyLimitCreate(name=LIMIT, limit=gpus or 1))
        tell(f"concurrency limit {LIMIT}: {gpus or 1}")
    except ObjectAlreadyExists:
        if gpus is not None:
            client.upsert_global_concurrency_limit_by_name(LIMIT, gpus)
            tell(f"concurrency limit {LIMIT}: {gpus}")


def _make_automation(client: SyncPrefectClient, tell: Callable[[str], None]) -> None:
    """Have the server mark a run as crashed when its heartbeats stop, because its process or machine is gone."""
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
                # Only our flows: other flows on the same server may send heartbeats less often.
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
    """The path of prefect.yaml: beside the program, or where a wheel installs it.

    Raises:
        ConfigurationError: it is in neither place.
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
    """Refuse a deployment with empty parameters: Prefect silently replaces a variable that is not set with nothing.

    Args:
        given: the variables that prefect.yaml reads, by name.

    Raises:
        ConfigurationError: one of them has no value.
    """
    for name in ("PMFER_SOURCE", "PMFER_DATA_DIR"):
        if not given.get(name):
            raise ConfigurationError(f"{name} is not set; use `pmfer deploy`, or set it before `prefect deploy`")
