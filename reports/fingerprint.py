"""The identity of a report: what is printed, and what prints it."""

import hashlib
import json
from functools import cache
from importlib.metadata import version
from pathlib import Path
from typing import TYPE_CHECKING, Any

from pydantic import TypeAdapter

from reports.fonts import font_versions

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

ROOM = Path(__file__).parent
PRINTING_SUFFIXES = {
    ".py",
    ".j2",
    ".css",
    ".po",
}  # what this room's pages are made by; compiled files are not its source


def fingerprint(report: "DataclassInstance") -> str:
    """SHA-256, 64 hex digits, over a report's data, this room's code and templates, the renderer and the fonts.

    Nothing in it depends on the time of rendering, so an unchanged report need not be rendered again.
    """
    document: dict[str, Any] = {
        "kind": type(report).__name__,
        # Straight to text: taking a report apart into Python objects first takes ten times as long.
        "report": _adapter(type(report)).dump_json(report).decode(),
        "room": _room_digest(),
        "weasyprint": version("weasyprint"),
        "fonts": font_versions(),
    }
    canonical = json.dumps(document, sort_keys=True, separators=(",", ":"))
    return hashlib.sha256(canonical.encode()).hexdigest()


@cache
def _adapter(kind: type) -> TypeAdapter[Any]:
    return TypeAdapter(kind)


def _room_digest() -> str:
    """SHA-256 over the names and bytes of this room's files."""
    digest = hashlib.sha256()
    for path in sorted(ROOM.rglob("*")):
        if path.suffix in PRINTING_SUFFIXES:
            digest.update(path.relative_to(ROOM).as_posix().encode() + b"\0")
            digest.update(hashlib.sha256(path.read_bytes()).digest())
    return digest.hexdigest()
