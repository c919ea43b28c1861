"""Read what the recorder states about a session. The files are untrusted: they may hold anything.

NAME.json     the sidecar of one recording
manifest.csv  instead of sidecars, a line per recording
"""

import csv
import json
import re
from collections.abc import Callable, Iterable, Iterator
from contextlib import suppress
from datetime import datetime
from pathlib import PurePosixPath
from typing import Annotated, Any

from pydantic import (
    AfterValidator,
    AwareDatetime,
    BaseModel,
    BeforeValidator,
    ConfigDict,
    ValidationError,
    WrapValidator,
)
from pydantic_core import PydanticCustomError

from flows.data_folder import WARD
from flows.plain_text import is_plain, printable, read_csv
from flows.sources.location import Location, SourceReadError
from flows.sources.names import PLAUSIBLE_YEARS, is_hidden, same_name
from pmfer.errors import QuarantineReason, SessionError
from warehouse.records import Situation

MAX_SIDECAR_BYTES = 64 * 1024  # a sidecar has a few hundred bytes; a larger file is something else
MANIFEST = "manifest.csv"
MANIFEST_COLUMNS = ("file", "session_id", "patient_id", "started_at", "consent")
OPTIONAL_COLUMNS = ("ward", "room", "situation")  # may be missing or empty
MAX_MANIFEST_BYTES = 16 * 1024 * 1024  # some 150,000 lines
_CONSENTS = {"true": True, "false": False}  # in any case: spreadsheets write TRUE

IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")
_WRITTEN_OUT = re.compile(r"\d{4}-\d{2}-\d{2}[T ]")
_FAULTS = {  # pydantic's errors in words for people who write sidecars
    "missing": "is missing",
    "extra_forbidden": "is not a field of a sidecar, remove it",
    "string_type": "must be text in quotation marks",
}


def _plain_word(identifier: str) -> str:
    """Refuse separators and a leading dot, because an id becomes a file name."""
    if not IDENTIFIER.fullmatch(identifier):
        raise PydanticCustomError(
            "identifier", "may have up to 64 letters a to z, digits and . _ -, and must begin with a letter or digit"
        )
    return identifier


Identifier = Annotated[str, AfterValidator(_plain_word)]


def _no_page_of_the_ward(pseudonym: str) -> str:
    """Refuse a pseudonym whose report would overwrite the overview."""
    if pseudonym.lower() == WARD:
        raise PydanticCustomError("ward", "'ward' names the page of the whole ward, give the patient another pseudonym")
    return pseudonym


def _written_out(moment: object, parse: Callable[[object], datetime]) -> datetime:
    """Refuse a bare number: pydantic would take it for seconds since 1970, and the day would be that in UTC."""
    with suppress(ValidationError):
        if isinstance(moment, datetime) or (isinstance(moment, str) and _WRITTEN_OUT.match(moment)):
            return parse(moment)
    raise PydanticCustomError("moment", "must be written as 2026-03-02T09:00:00+01:00, with the offset from UTC")


def _in_plausible_year(moment: datetime) -> datetime:
    if moment.year not in PLAUSIBLE_YEARS:
        raise PydanticCustomError("year", "is in an implausible year, check the recorder's clock")
    return moment


def _yes_or_no(consent: object) -> object:
    """Refuse anything but a boolean: consent must not be guessed from 1, "on" or "y"."""
    if not isinstance(consent, bool):
        raise PydanticCustomError("consent", "must be true or false, without quotation marks")
    return consent


class Sidecar(BaseModel):
    """What the recorder states about a session."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    session_id: Identifier
    patient_id: Annotated[Identifier, AfterValidator(_no_page_of_the_ward)]  # a pseudonym
    # ISO 8601 with offset; its calendar day is the day where the patient is
    started_at: Annotated[AwareDatetime, WrapValidator(_written_out), AfterValidator(_in_plausible_year)]
    consent: Annotated[bool, BeforeValidator(_yes_or_no)]
    ward: Identifier | None = None  # where it was recorded
    room: Identifier | None = None
    situation: Situation | None = None  # what went on


def read_sidecar(location: Location, path: str, name: str) -> dict[str, Any] | SessionError:
    """Read the fields of a sidecar without checking them. If the file cannot be read, return the error.

    Args:
        location: the source.
        path: path of the sidecar in the source.
        name: name of the sidecar for messages.
    """
    try:
        text = location.read(path, MAX_SIDECAR_BYTES).decode("utf-8-sig")  # editors on Windows may write a BOM
        content = json.loads(text, object_pairs_hook=_without_duplicates)
        if not isinstance(content, dict):
            raise ValueError("not a JSON object")
    except RecursionError:
        return _unreadable(name, "nested too deeply")
    except SourceReadError as error:
        return _unreadable(name, str(error.strerror or error))
    except ValueError as error:
        return _unreadable(name, str(error))
    return content


def checked(raw: dict[str, Any]) -> Sidecar:
    """Check the fields of a sidecar.

    Raises:
        ValueError: one line that says which field is wrong, and why.
    """
    try:
        return Sidecar.model_validate(raw)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = ".".join(str(part) for part in first["loc"]) or "sidecar"
        raise ValueError(printable(f"{field}: {_FAULTS.get(first['type'], first['msg'])}")) from None


def _without_duplicates(fields: list[tuple[str, Any]]) -> dict[str, Any]:
    """Make a JSON object; refuse a field that is given twice, because it is unclear which one is meant."""
    unique: dict[str, Any] = {}
    for name, value in fields:
        if name in unique:
            raise ValueError(f"{name}: given twice")
        unique[name] = value
    return unique


def _unreadable(name: str, why: str) -> SessionError:
    return SessionError(QuarantineReason.SIDECAR_INVALID, f"{name}: not a readable sidecar ({printable(why)})")


def read_manifest(location: Location, path: str) -> Iterator[tuple[str, dict[str, Any] | SessionError]]:
    """Read the lines of a manifest: yield each recording's name with its unchecked fields, or with the line's error.

    An error of the manifest itself is yielded under the manifest's name. So are lines that name no valid file, or one
    that is listed already: a file is quarantined only once, so the first such line is described and the others are
    counted.
    """
    try:
        reader = read_csv(location.read(path, MAX_MANIFEST_BYTES))
        columns = list(reader.fieldnames or ())
        if len(set(columns)) < len(columns) or "file" not in columns:
            raise ValueError(
                f"its first line must name {', '.join(MANIFEST_COLUMNS)}, each once, with commas, semicolons or tabs "
                "between"
            )
        lines = [(reader.line_num, same_name(line.get("file") or ""), line) for line in reader]
    except (SourceReadError, ValueError, csv.Error) as error:
        reason = (isinstance(error, SourceReadError) and error.strerror) or str(error)
        yield MANIFEST, _invalid(f"not a readable manifest ({printable(reason)})")
        return
    disputed = _listed_differently((name, line) for _, name, line in lines)
    seen: set[str] = set()
    nameless: list[str] = []
    for number, name, line in lines:
        if not _is_file_name(name):
            nameless.append(f"line {number}, file '{printable(name)}' is not a plain file name")
        elif is_hidden(name):
            nameless.append(f"line {number}, file {name} is a hidden file")
        elif None in line:
            yield name, _invalid(f"line {number} ({name}): more fields than columns")
        elif name in seen:
            nameless.append(f"line {number}, file: {name} is listed twice")
        elif name in disputed:
            yield name, _invalid(f"{name} is listed twice, with different details")
        else:
            yield name, _fields(line)
        seen.add(name)
    if nameless:
        others = len(nameless) - 1
        yield MANIFEST, _invalid(nameless[0] + (f", and {others} more like it" if others else ""))


def _listed_differently(lines: Iterable[tuple[str, dict[str, Any]]]) -> set[str]:
    """The names of recordings whose lines differ. They are refused, because the lines may disagree on consent."""
    first: dict[str, dict[str, Any]] = {}
    stated = ((name, {**line, "file": name}) for name, line in lines)  # names may differ in their Unicode form
    return {name for name, fields in stated if first.setdefault(name, fields) != fields}


def _fields(line: dict[str, Any]) -> dict[str, Any]:
    """The fields of a line, as a sidecar would have them.

    Consent is text in CSV and becomes a boolean if it is `true` or `false`. Fields that are optional in a sidecar may
    be empty here.
    """
    fields = {key: value for key, value in line.items() if key != "file" and (value or key not in OPTIONAL_COLUMNS)}
    consent = fields.get("consent")
    return {**fields, "consent": _CONSENTS.get(consent.lower(), consent)} if isinstance(consent, str) else fields


def _is_file_name(name: str) -> bool:
    return (
        name not in ("", ".", "..", MANIFEST)
        and PurePosixPath(name).name == name
        and "\\" not in name
        and is_plain(name)
    )


def _invalid(what: str) -> SessionError:
    return SessionError(QuarantineReason.SIDECAR_INVALID, f"{MANIFEST}: {what}; see docs/source.md")
