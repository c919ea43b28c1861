"""A report as data: the JSON document of everything that is printed, its JSON Schema, and its keys.

A report has two keys. The key of its data is known before anything is computed, and decides whether the report is due.
The key of the report itself is part of the document.

Document and schema follow from the dataclasses of the reports, so a new field appears in both. Names are those of the
fields; days are ISO 8601; unknown values are null, and `lack` says why.
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

# Increased when a field is removed or renamed or changes its meaning, but not when a field is added.
FORMAT_VERSION: Literal[2] = 2
ROOM = Path(__file__).parent
PRINTING_SUFFIXES = {".py", ".j2", ".css", ".po"}  # the source files that decide what a page looks like


@dataclass(frozen=True)
class PatientDocument:
    """The report of one patient and day."""

    format: Literal["pmfer-report"]
    format_version: Literal[2]
    kind: Literal["patient"]
    input_key: str  # SHA-256 of the report and the code that renders it; equal keys mean equal reports
    report: PatientReport


@dataclass(frozen=True)
class WardDocument:
    """The ward overview of one day."""

    format: Literal["pmfer-report"]
    format_version: Literal[2]
    kind: Literal["ward"]
    input_key: str  # likewise
    report: WardReport


def report_json(report: PatientReport | WardReport) -> bytes:
    """The JSON document of a report, UTF-8. The same report gives the same bytes.

    Scores and shares are in 0..1 as in the warehouse, not scaled for print. It never contains a patient's name.
    """
    document: PatientDocument | WardDocument
    if isinstance(report, PatientReport):
        document = PatientDocument("pmfer-report", FORMAT_VERSION, "patient", input_key(report), report)
    else:
        document = WardDocument("pmfer-report", FORMAT_VERSION, "ward", input_key(report), report)
    return _adapter(PatientDocument | WardDocument).dump_json(document, indent=2) + b"\n"


def report_schema() -> str:
    """The JSON Schema (draft 2020-12) of a document, as text that ends with a newline."""
    schema: dict[str, Any] = _adapter(PatientDocument | WardDocument).json_schema(mode="serialization")
    schema = {"$schema": GenerateJsonSchema.schema_dialect, "title": "PMFER report", **schema}
    return json.dumps(schema, indent=2) + "\n"


def data_key(data: ReportData, day: date, thresholds: Thresholds) -> str:
    """SHA-256, 64 hex digits, of everything a day's report depends on: data, limits, code, renderer and libraries.

    Equal keys mean equal pages, because a report is computed from nothing else.
    """
    made_by = {"room": _room_digest(), **_versions(), **_libraries()}
    content = {"data": vars(data), "day": day, "thresholds": thresholds, **made_by}
    return hashlib.sha256(json.dumps(content, default=_plain, sort_keys=True).encode()).hexdigest()


def _plain(value: Any) -> Any:
    if isinstance(value, pl.DataFrame):
        if value.is_empty():
            return []
        # One 64-bit hash per row; they differ between versions of polars.
        return [*value.columns, hashlib.sha256(value.hash_rows().to_numpy().tobytes()).hexdigest()]
    return asdict(value) if is_dataclass(value) and not isinstance(value, type) else str(value)


def input_key(report: PatientReport | WardReport) -> str:
    """SHA-256, 64 hex digits, of a report, this package's code and templates, the renderer and the fonts.

    Equal keys mean equal pages. The time of rendering is not part of it, so an unchanged report need not be rendered
    again.
    """
    kind: type = type(report)
    document: dict[str, Any] = {
        "kind": kind.__name__,
        # Serialise directly: converting the report to Python objects first takes ten times as long.
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
    """Versions of the renderer and the fonts, cached because looking them up takes as long as a report's statistics."""
    return {"weasyprint": version("weasyprint"), "fonts": font_versions()}


@cache
def _libraries() -> dict[str, str]:
    """Versions of the numerical libraries, which may round differently in another version."""
    return {library: version(library) for library in ("numpy", "polars", "scipy")}


@cache
def _room_digest() -> str:
    """SHA-256 of the names and contents of this package's files, including subfolders; computed once per process."""
    digest = hashlib.sha256()
    for path in sorted(ROOM.rglob("*")):
        if path.suffix in PRINTING_SUFFIXES:
            digest.update(path.relative_to(ROOM).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
