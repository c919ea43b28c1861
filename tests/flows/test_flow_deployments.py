import asyncio
from datetime import UTC, date, datetime, timedelta
from pathlib import Path

import pytest
import yaml
from prefect.exceptions import ParameterTypeError
from prefect.flows import load_flow_from_entrypoint
from prefect.server.schemas.schedules import CronSchedule

from flows.deploy import FLOWS, POOLS
from flows.deployed import backfill, nightly, previous_day, report
from flows.environment import HEARTBEAT_S
from flows.request import RunRequest
from flows.score_shard import DEPLOYMENT
from pmfer.errors import ConfigurationError

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = {d["name"]: d for d in yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]}


@pytest.mark.parametrize("deployment", DEPLOYMENTS.values(), ids=lambda d: d["name"])
def test_an_entrypoint_loads_and_takes_the_parameters_it_is_given(
    deployment: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(str(deployment["entrypoint"]))
    assert flow.name == deployment["name"]
    parameters = deployment.get("parameters", {})
    assert isinstance(parameters, dict)
    assert set(parameters) <= set(flow.parameters.properties)
    undocumented = [name for name, field in flow.parameters.properties.items() if not field.get("description")]
    assert undocumented == []


def test_what_a_run_may_be_asked_for_is_a_parameter_of_its_own_in_both_flows() -> None:
    """Flat, because Prefect's form and `--param` replace a whole parameter: changing one must keep the rest."""
    fields = {"dispatch_to" if name == "dispatch" else name for name in RunRequest.model_fields}
    assert set(nightly.parameters.properties) - fields == {"night", "time_zone"}
    assert set(backfill.parameters.properties) - fields == {"first", "last"}
    assert fields <= set(nightly.parameters.properties) & set(backfill.parameters.properties)


def test_a_deployment_runs_in_a_pool_and_a_queue_that_are_made() -> None:
    made = {(pool.name, queue) for pool in POOLS for queue in pool.queues}
    pools = [deployment["work_pool"] for deployment in DEPLOYMENTS.values()]
    assert {(pool["name"], pool["work_queue_name"]) for pool in pools} == made
    for pool in pools:
        assert pool["job_variables"]["env"]["PREFECT_FLOWS_HEARTBEAT_FREQUENCY"] == str(HEARTBEAT_S)


def test_every_deployment_is_watched_for_heartbeats() -> None:
    assert set(FLOWS) == set(DEPLOYMENTS)


def test_a_night_does_not_wait_in_the_pool_that_its_shards_need() -> None:
    shard, waiting = DEPLOYMENTS[DEPLOYMENT.partition("/")[2]], ("nightly", "backfill")
    assert all(DEPLOYMENTS[name]["work_pool"]["name"] != shard["work_pool"]["name"] for name in waiting)


@pytest.mark.parametrize("cron", [None, "30 0 * * *", "30 1 * * *", "30 2 * * *"])
def test_every_night_comes_once_over_the_changes_to_and_from_summer_time(cron: str | None) -> None:
    nightly = DEPLOYMENTS["nightly"]
    (schedule,) = nightly["schedules"]
    zone = nightly["parameters"]["time_zone"]
    assert schedule["timezone"] == zone
    clock = CronSchedule(cron=cron or schedule["cron"], timezone=zone)
    for first in (date(2026, 3, 26), date(2026, 10, 22)):  # the clocks change on the 29th and the 25th
        start = datetime(first.year, first.month, first.day, 12, tzinfo=UTC)
        runs = asyncio.run(clock.get_dates(6, start=start))
        # Late runs on a machine in another time zone: the night is the one of the schedule.
        nights = [previous_day(due.astimezone(UTC), zone) for due in runs]
        assert nights == [first + timedelta(days=days) for days in range(6)]


def test_what_makes_no_sense_is_refused_in_one_line(tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match="no such time zone"):
        previous_day(None, "Berlin")
    with pytest.raises(ConfigurationError, match="no such time zone"):
        previous_day(None, "Europe")  # a folder of zones
    with pytest.raises(ConfigurationError, match="is before first"):
        backfill.fn("/srv", tmp_path, date(2026, 3, 2), date(2026, 3, 1))


@pytest.mark.parametrize("implausible", ["0001-01-01", "9999-12-31"])
def test_a_day_that_nothing_can_be_calculated_with_is_refused_before_a_run_starts(implausible: str) -> None:
    place = {"source": "source", "data_dir": "data"}
    with pytest.raises(ParameterTypeError, match="night"):
        nightly.validate_parameters(place | {"night": implausible})
    with pytest.raises(ParameterTypeError, match="first"):
        backfill.validate_parameters(place | {"first": implausible, "last": implausible})
    with pytest.raises(ParameterTypeError, match="day"):
        report.validate_parameters({"data_dir": "data", "day": implausible})
