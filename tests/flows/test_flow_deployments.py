from pathlib import Path

import pytest
import yaml
from prefect.flows import load_flow_from_entrypoint

ROOT = Path(__file__).parents[2]
DEPLOYMENTS = yaml.safe_load((ROOT / "prefect.yaml").read_text())["deployments"]


@pytest.mark.parametrize("deployment", DEPLOYMENTS, ids=lambda d: d["name"])
def test_an_entrypoint_loads_and_takes_the_parameters_it_is_given(
    deployment: dict[str, object], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.chdir(ROOT)
    flow = load_flow_from_entrypoint(str(deployment["entrypoint"]))
    assert flow.name == deployment["name"]
    parameters = deployment["parameters"]
    assert isinstance(parameters, dict)
    assert set(parameters) <= set(flow.parameters.properties)


def test_the_nightly_run_is_scheduled_in_a_time_zone() -> None:
    (nightly,) = [d for d in DEPLOYMENTS if d["name"] == "nightly"]
    (schedule,) = nightly["schedules"]
    assert schedule["timezone"]
