"""Reports as data: complete, the same bytes each time, a correct schema, and keys that change with the content."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass, replace
from typing import Any

import duckdb
import jsonschema
import pytest

from reports.data import ReportReader
from reports.document import input_key, report_json, report_schema
from reports.findings import State
from reports.patient import PatientReport
from reports.ward import WardReport
from tools.report_samples import first_session, read_report
from tools.sample_ward import HURTING, SCORING, TODAY, SampleWard


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(report_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def same(value: Any, document: Any) -> bool:
    """Whether a document contains a value of a report, field by field."""
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        return names == list(document) and all(same(getattr(value, name), document[name]) for name in names)
    if isinstance(value, tuple):
        return len(value) == len(document) and all(map(same, value, document))
    return document == (value if isinstance(value, str | int | float | None) else str(value))


def findings_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every finding anywhere in a document."""
    if isinstance(node, dict) and {"state", "lack"} <= node.keys():
        yield node
    for child in node.values() if isinstance(node, dict) else node if isinstance(node, list) else ():
        yield from findings_in(child)


def test_every_sample_keeps_the_schema_and_holds_every_field(
    patients: dict[str, PatientReport], ward: WardReport, validator: jsonschema.Draft202012Validator
) -> None:
    for report in (*patients.values(), ward):
        document = json.loads(report_json(report))
        validator.validate(document)
        assert same(report, document["report"])
        assert document["format_version"] == 2


def test_what_is_not_known_is_null_with_its_reason(patients: dict[str, PatientReport]) -> None:
    document = json.loads(report_json(patients["all_set_aside"]))
    for trend in document["report"]["trends"]:
        finding = trend["finding"]
        assert (finding["value"], finding["state"], finding["lack"]) == (None, "insufficient", "all_set_aside")
    for report in patients.values():
        for finding in findings_in(json.loads(report_json(report))):
            assert (finding["lack"] is None) == (finding["state"] != State.INSUFFICIENT)


def test_the_same_report_gives_the_same_bytes(patients: dict[str, PatientReport]) -> None:
    assert report_json(patients["hostile"]) == report_json(patients["hostile"])
    assert report_json(patients["hostile"]).endswith(b"}\n")


def test_a_document_that_lacks_a_field_breaks_the_schema(
    patients: dict[str, PatientReport], validator: jsonschema.Draft202012Validator
) -> None:
    document = json.loads(report_json(patients["stable"]))
    del document["report"]["trends"][0]["finding"]["state"]
    with pytest.raises(jsonschema.ValidationError):
        validator.validate(document)


def first_report(connection: duckdb.DuckDBPyConnection) -> PatientReport:
    return read_report(ReportReader(connection, SCORING), "p04", TODAY)


def test_the_same_data_gives_the_same_key_and_one_more_session_another(writer: duckdb.DuckDBPyConnection) -> None:
    ward = SampleWard(writer)
    first_session(ward, "p04")
    before = first_report(writer)
    assert input_key(before) == input_key(first_report(writer))
    ward.record("p04", TODAY, HURTING, hours=[15], session_id="afternoon")
    assert input_key(first_report(writer)) != input_key(before)


def test_other_limits_give_another_key(patients: dict[str, PatientReport]) -> None:
    report = patients["stable"]
    wider = replace(report, thresholds=replace(report.thresholds, limit_sigmas=4.0))
    assert input_key(wider) != input_key(report)


def test_the_key_of_an_overview_follows_its_data(ward: WardReport) -> None:
    fewer = replace(ward, usual=ward.usual[1:])
    assert len({input_key(ward), input_key(fewer), input_key(replace(ward))}) == 2
