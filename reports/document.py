"""A report as a JSON document: everything that is printed, as data, and the schema that such a document keeps.

Both follow from the dataclasses of the reports, so a field that one of them gains is in the document and in the schema.
Names are those of the fields; days are ISO 8601; what is not known is null, and `lack` says why.
"""

import json
from dataclasses import dataclass
from functools import cache
from typing import Any, Literal

from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from reports.patient import PatientReport
from reports.ward import WardReport

# Raised when a field goes, is renamed or changes its meaning; a field that is added leaves it as it is.
FORMAT_VERSION: Literal[1] = 1


@dataclass(frozen=True)
class PatientDocument:
    """One patient and day, as printed."""

    format: Literal["pmfer-report"]
    format_version: Literal[1]
    kind: Literal["patient"]
    input_key: str  # SHA-256 over the report and the code that makes it: equal keys, equal reports
    report: PatientReport


@dataclass(frozen=True)
class WardDocument:
    """The ward overview of one day, as printed."""

    format: Literal["pmfer-report"]
    format_version: Literal[1]
    kind: Literal["ward"]
    input_key: str  # likewise
    report: WardReport


def report_json(report: PatientReport | WardReport) -> bytes:
    """The document of a report, UTF-8, the same bytes for the same report.

    Scores and shares are in 0..1 as in the warehouse, not scaled for print. A patient's name is not in it.
    """
    document: PatientDocument | WardDocument
    if isinstance(report, PatientReport):
        document = PatientDocument("pmfer-report", FORMAT_VERSION, "patient", report.input_key(), report)
    else:
        document = WardDocument("pmfer-report", FORMAT_VERSION, "ward", report.input_key(), report)
    return _adapter().dump_json(document, indent=2) + b"\n"


def report_schema() -> str:
    """The JSON Schema (draft 2020-12) of a document, as text that ends with a line break."""
    schema: dict[str, Any] = _adapter().json_schema(mode="serialization")
    schema = {"$schema": GenerateJsonSchema.schema_dialect, "title": "PMFER report", **schema}
    return json.dumps(schema, indent=2) + "\n"


@cache
def _adapter() -> "TypeAdapter[PatientDocument | WardDocument]":
    return TypeAdapter(PatientDocument | WardDocument)
