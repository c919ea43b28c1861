"""A report as data: the JSON document of everything that is printed, the schema that it keeps, and its identity.

A report has two keys. That of its data is known before anything is computed and says whether a report is due; that of
the report itself is told in the document.

All of them follow from the dataclasses of the reports, so a field that one of them gains is in the document and in the
schema. Names are those of the fields; days are ISO 8601; what is not known is null, and `lack` says why.
"""

import hashlib
import json
from dataclasses import asdict, dataclass, is_dataclass
from datetime import date
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import Any, Literal

import polars as pl
from pydantic import TypeAdapter
from pydantic.json_schema import GenerateJsonSchema

from reports.data import ReportData
from reports.fonts import font_versions
from reports.measures import Thresholds
from reports.patient import PatientReport
from reports.ward import WardReport

# Raised when a field goes, is renamed or changes its meaning; a field that is added leaves it as it is.
FORMAT_VERSION: Literal[2] = 2
ROOM = Path(__file__).parent
PRINTING_SUFFIXES = {
    ".py",
    ".j2",
    ".css",
    ".po",
}  # what this room's pages are made by; compiled files are not its source


@dataclass(frozen=True)
class PatientDocument:
    """One patient and day, as printed."""

    format: Literal["pmfer-report"]
    format_version: Literal[2]
    kind: Literal["patient"]
    input_key: str  # SHA-256 over the report and the code that makes it: equal keys, equal reports
    report: PatientReport


@dataclass(frozen=True)
class WardDocument:
    """The ward overview of one day, as printed."""

    format: Literal["pmfer-report"]
    format_version: Literal[2]
    kind: Literal["ward"]
    input_key: str  # likewise
    report: WardReport


def report_json(report: PatientReport | WardReport) -> bytes:
    """The document of a report, UTF-8, the same bytes for the same report.

    Scores and shares are in 0..1 as in the warehouse, not scaled for print. A patient's name is not in it.
    """
    document: PatientDocument | WardDocument
    if isinstance(report, PatientReport):
        document = PatientDocument("pmfer-report", FORMAT_VERSION, "patient", input_key(report), report)
    else:
        document = WardDocument("pmfer-report", FORMAT_VERSION, "ward", input_key(report), report)
    return _adapter(PatientDocument | WardDocument).dump_json(document, indent=2) + b"\n"


def report_schema() -> str:
    """The JSON Schema (draft 2020-12) of a document, as text that ends with a line break."""
    schema: dict[str, Any] = _adapter(PatientDocument | WardDocument).json_schema(mode="serialization")
    schema = {"$schema": GenerateJsonSchema.schema_dialect, "title": "PMFER report", **schema}
    return json.dumps(schema, indent=2) + "\n"


def data_key(data: ReportData, day: date, thresholds: Thresholds) -> str:
    """SHA-256, 64 hex digits, over all that the report of a day rests on: data, limits, code, renderer and libraries.

    Equal keys give equal pages: a report is computed from what is in the key and nothing else.
    """
    made_by = {"room": _room_digest(), **_versions(), **_libraries()}
    rests_on = {"data": vars(data), "day": day, "thresholds": thresholds, **made_by}
    return hashlib.sha256(json.dumps(rests_on, default=_plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, pl.DataFrame):
        if value.is_empty():
            return []
        # One number of 64 bits a row; another version of polars makes others.
        return [*value.columns, hashlib.sha256(value.hash_rows().to_numpy().tobytes()).hexdigest()]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def input_key(report: PatientReport | WardReport) -> str:
    """SHA-256, 64 hex digits, over a report's data, this room's code and templates, the renderer and the fonts.

    Equal keys give equal pages. Nothing in it depends on the time of rendering, so an unchanged report need not be
    rendered again.
    """
    kind: type = type(report)
    document: dict[str, Any] = {
        "kind": kind.__name__,
        # Straight to text: taking a report apart into Python objects first takes ten times as long.
        "report": _adapter(kind).dump_json(report).decode(),
        "room": _room_digest(),
        **_versions(),
    }
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@cache
def _adapter(kind: Any) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


@cache
def _versions() -> dict[str, Any]:
    """The renderer and the fonts, looked up once: it takes as long as the statistics of a report."""
    return {"weasyprint": version("weasyprint"), "fonts": font_versions()}


@cache
def _libraries() -> dict[str, str]:
    """The libraries that compute, looked up once: another version may round differently."""
    return {library: version(library) for library in ("numpy", "polars", "scipy")}


@cache
def _room_digest() -> str:
    """SHA-256 over the names and bytes of this room's files, those of its folders included; read once, as code is."""
    digest = hashlib.sha256()
    for path in sorted(ROOM.rglob("*")):
        if path.suffix in PRINTING_SUFFIXES:
            digest.update(path.relative_to(ROOM).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
