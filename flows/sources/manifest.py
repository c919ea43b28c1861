"""A day's list of recordings in place of sidecars: manifest.csv, a line per recording."""

import csv
from collections.abc import Iterator
from pathlib import PurePosixPath
from typing import Any

from flows.csv_table import read_csv
from flows.sources.location import Location, SourceReadError
from flows.sources.names import is_hidden, same_name
from flows.sources.printable import is_plain, printable
from pmfer.errors import QuarantineReason, SessionError

MANIFEST = "manifest.csv"
COLUMNS = ("file", "session_id", "patient_id", "started_at", "consent")
MAX_MANIFEST_BYTES = 16 * 1024 * 1024  # some 150,000 lines
_CONSENTS = {"true": True, "false": False}  # however the letters are written: spreadsheets write TRUE


def read_manifest(location: Location, path: str) -> Iterator[tuple[str, dict[str, Any] | SessionError]]:
    """Each line: the name of its recording with the fields of a sidecar, unchecked, or what is wrong with the line.

    Trouble with the file itself goes by the name of the manifest, and so does that with lines which name no file of
    their own: the first one is told and the others are counted, because a file is quarantined once.
    """
    try:
        reader = read_csv(location.read(path, MAX_MANIFEST_BYTES))
        columns = list(reader.fieldnames or ())
        if len(set(columns)) < len(columns) or "file" not in columns:
            raise ValueError(
                f"its first line must name {', '.join(COLUMNS)}, each once, with commas, semicolons or tabs between"
            )
        lines = [(reader.line_num, line) for line in reader]
    except (SourceReadError, ValueError, csv.Error) as error:
        reason = (isinstance(error, SourceReadError) and error.strerror) or str(error)
        yield MANIFEST, _invalid(f"not a readable manifest ({printable(reason)})")
        return
    seen: set[str] = set()
    nameless: list[str] = []
    for number, line in lines:
        name = same_name(line.get("file") or "")
        if not _is_file_name(name):
            nameless.append(f"line {number}, file '{printable(name)}' is not a plain file name")
        elif is_hidden(name):
            nameless.append(f"line {number}, file {name} is a hidden file")
        elif None in line:
            yield name, _invalid(f"line {number} ({name}): more fields than columns")
        elif name in seen:
            nameless.append(f"line {number}, file: {name} is listed twice")
        else:
            yield name, _fields(line)
        seen.add(name)
    if nameless:
        others = len(nameless) - 1
        yield MANIFEST, _invalid(nameless[0] + (f", and {others} more like it" if others else ""))


def _fields(line: dict[str, Any]) -> dict[str, Any]:
    """The fields of a sidecar; consent, which is text in CSV, as JSON has it where it is plain."""
    fields = {key: value for key, value in line.items() if key != "file"}
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
