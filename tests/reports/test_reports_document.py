"""JSON: everything printed, the same bytes each time, and what the schema says of it is true."""

import json
from collections.abc import Iterator
from dataclasses import fields, is_dataclass
from typing import Any

import jsonschema
import pytest

from reports.document import report_json, report_schema
from reports.patient import PatientReport
from reports.trend import State
from reports.ward import WardReport


@pytest.fixture(scope="module")
def validator() -> jsonschema.Draft202012Validator:
    schema = json.loads(report_schema())
    jsonschema.Draft202012Validator.check_schema(schema)
    return jsonschema.Draft202012Validator(schema)


def same(value: Any, document: Any) -> bool:
    """Whether a value of a report stands in a document, field by field."""
    if is_dataclass(value):
        names = [field.name for field in fields(value)]
        return names == list(document) and all(same(getattr(value, name), document[name]) for name in names)
    if isinstance(value, tuple):
        return len(value) == len(document) and all(map(same, value, document))
    return document == (value if isinstance(value, str | int | float | None) else str(value))


def findings_in(node: Any) -> Iterator[dict[str, Any]]:
    """Every finding of a document, wherever it stands."""
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
        assert document["format_version"] == 1


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
