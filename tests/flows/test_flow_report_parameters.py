"""The deployment `report` takes pseudonyms as Prefect's command line hands them on: as JSON if they look like it."""

import json
from pathlib import Path

import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.schema_tools import validate
from privacy_folder import DAYS, copy_ward

from flows.data_folder import DataFolder
from flows.deployed import report
from pmfer.errors import ReportError


@pytest.mark.parametrize(("given", "patient"), [("12", "12"), ('"007"', "007"), ('"null"', "null")])
def test_a_pseudonym_that_looks_like_something_else_is_one(
    ward: DataFolder, tmp_path: Path, given: str, patient: str
) -> None:
    data = copy_ward(ward, tmp_path / "data")
    parameters = {"data_dir": str(data.root), "day": DAYS[1].isoformat(), "patient_id": json.loads(given)}
    validate(parameters, report.parameters.model_dump_for_openapi(), raise_on_error=True)  # as the server does
    with pytest.raises(ReportError, match=f"no session of patient {patient} "):
        report.fn(**report.validate_parameters(parameters))


@pytest.mark.parametrize("given", ["null", "true", "12.0", "[]"])
def test_what_is_no_pseudonym_does_not_mean_all_patients(given: str) -> None:
    parameters = {"data_dir": "data", "day": DAYS[1].isoformat(), "patient_id": json.loads(given)}
    with pytest.raises(ParameterTypeError, match="patient_id"):
        report.validate_parameters(parameters)
