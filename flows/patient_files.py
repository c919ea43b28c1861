"""A patient's files below the data folder: which they are, and removing them."""

import csv
import hashlib
import hmac
import io
import json
import os
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from pathlib import Path

from flows.csv_table import read_csv
from flows.data_folder import DataFolder
from flows.file_search import files_below, holds, is_database
from flows.printing import SUFFIXES
from flows.sources import MANIFEST, MAX_SIDECAR_BYTES
from flows.sources.names import is_video, same_name, stem
from flows.ward_again import is_ward_file
from pmfer.errors import ConfigurationError
from warehouse.address import Address
from warehouse.rewrite import storage_files
from warehouse.traces import Traces


@dataclass(frozen=True)
class PatientFile:
    """A file that goes."""

    path: Path
    kind: str  # recording, report, export, staged, prefect, copy or other


def find_files(data: DataFolder, warehouse: Address, traces: Traces) -> list[PatientFile]:
    """Every file below the data folder that goes with the patient.

    Those are the patient's reports and recordings, and whatever else holds the identifier. Staged files, exports, the
    state of Prefect's temporary server and copies of the database go as a whole, whoever is in them: they hold many
    patients in forms that cannot be edited, and all of them can be made again.

    Raises:
        OSError: a file cannot be read.
    """
    kept = {*storage_files(warehouse), data.published}
    recordings = set(_recordings(data.root, traces.identifier))
    found = []
    for path in files_below(data.root):
        if path in kept:
            continue
        kind = "recording" if path in recordings else _kind(data, path, traces)
        if kind is not None:
            found.append(PatientFile(path, kind))
    return found


def remove_files(files: Iterable[PatientFile], data: DataFolder, traces: Traces) -> None:
    """Remove the files, the patient's lines in manifests, and folders named after the patient or emptied of an export.

    Raises:
        OSError: one cannot be removed.
    """
    for file in files:
        file.path.unlink(missing_ok=True)
    for manifest in data.root.rglob(MANIFEST):
        _rewrite_manifest(manifest, traces.identifier)
    for folder in sorted((path for path in data.root.rglob("*") if path.is_dir()), reverse=True):
        if (traces.in_text(folder.name) or data.exports in folder.parents) and not any(folder.iterdir()):
            folder.rmdir()
    os.sync()  # that they are gone is to be true after a loss of power too


def describe(files: Iterable[PatientFile], key: bytes) -> list[dict[str, str | int]]:
    """What a receipt says of each file: its kind, size and hash.

    The hash is keyed. A plain one could be guessed: the report of a patient without data, for example, follows from the
    pseudonym and the day alone.

    Raises:
        OSError: one cannot be read.
    """
    key_id = hashlib.sha256(key).hexdigest()[:16]
    return [
        {
            "kind": file.kind,
            "bytes": file.path.lstat().st_size,
            "hmac_sha256": _keyed_hash(file.path, key),
            "key_id": key_id,
        }
        for file in files
    ]


def require_idle(folder: Path) -> None:
    """Refuse to go on while a process has a file below the folder open, such as a Prefect server.

    Raises:
        ConfigurationError: names the process.
    """
    inside = f"{folder.resolve()}{os.sep}"
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(link.readlink())
        except OSError:
            continue  # it ended, or it is somebody else's
        if target.startswith(inside):
            raise ConfigurationError(
                f"{folder}: process {link.parts[2]} has it open, a Prefect server perhaps; stop it, then run this again"
            )


def _kind(data: DataFolder, path: Path, traces: Traces) -> str | None:
    below = path.relative_to(data.root)
    if path.is_relative_to(data.staging):
        return "staged"
    if path.is_relative_to(data.exports):
        return "export"
    if path.is_relative_to(data.prefect_home):
        return "prefect"
    beside = path.is_relative_to(data.warehouse.parent) or path.is_relative_to(data.published.parent)
    if beside or (not path.is_symlink() and is_database(path)):
        return "copy"
    if below.parts[0] == "reports" and _is_report_of(path.name, traces.identifier):
        return "report"
    if is_ward_file(path, data):
        return None  # rendered again without the patient, see flows.ward_again
    return "other" if traces.in_text(below.as_posix()) or holds(path, traces) else None


def _is_report_of(name: str, patient_id: str) -> bool:
    """The report itself in any form, or what a rendering that was killed left of it."""
    return name.removeprefix(".").startswith(tuple(f"{patient_id}.{suffix}" for suffix in SUFFIXES))


def _recordings(root: Path, patient_id: str) -> Iterator[Path]:
    """Sidecars of the patient and the videos beside them, and the videos that manifests say are the patient's."""
    for sidecar in root.rglob("*.[jJ][sS][oO][nN]"):
        if _patient_of(sidecar) == patient_id:
            yield sidecar
            yield from (path for path in sidecar.parent.iterdir() if _is_video_of(path, sidecar))
    for manifest in root.rglob(MANIFEST):
        rows = _rows(manifest)
        names = {same_name(row.get("file") or "") for row in rows if row.get("patient_id") == patient_id}
        yield from (path for path in manifest.parent.iterdir() if same_name(path.name) in names)


def _patient_of(sidecar: Path) -> str | None:
    try:
        if sidecar.stat().st_size > MAX_SIDECAR_BYTES:
            return None
        content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    patient_id = content.get("patient_id") if isinstance(content, dict) else None
    return patient_id if isinstance(patient_id, str) else None


def _is_video_of(path: Path, sidecar: Path) -> bool:
    return is_video(path.name) and same_name(stem(path.name)) == same_name(stem(sidecar.name))


def _rows(manifest: Path) -> list[dict[str, str]]:
    try:
        return list(read_csv(manifest.read_bytes(), strict=False))
    except (OSError, csv.Error):
        return []  # no manifest; if it holds the identifier it goes as a whole


def _rewrite_manifest(manifest: Path, patient_id: str) -> None:
    rows = _rows(manifest)
    kept = [row for row in rows if row.get("patient_id") != patient_id]
    if len(kept) == len(rows):
        return
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), extrasaction="ignore")
    writer.writeheader()
    writer.writerows(kept)
    draft = manifest.with_name(f".{manifest.name}.draft")
    draft.write_text(text.getvalue(), encoding="utf-8")
    draft.replace(manifest)


def _keyed_hash(path: Path, key: bytes) -> str:
    if path.is_symlink():
        return hmac.new(key, os.fsencode(path.readlink()), "sha256").hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hmac.new(key, digestmod="sha256")).hexdigest()
