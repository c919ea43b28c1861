"""Find and delete a patient's files below the data folder.

They are found by the folder layout, the sidecars and the warehouse, never by searching their content: a short pseudonym
occurs in many files of other patients.
"""

import csv
import hashlib
import hmac
import io
import json
import os
import re
from collections import defaultdict
from collections.abc import Collection, Iterable, Iterator, Sequence
from dataclasses import dataclass
from pathlib import Path, PurePosixPath

from flows.data_folder import DataFolder
from flows.plain_text import read_csv
from flows.printing import SUFFIXES
from flows.privacy.file_search import files_below, holds, is_database, is_locked
from flows.privacy.rerender import is_overview
from flows.sources.names import SIDECAR_SUFFIX, is_video, same_name, stem, suffix
from flows.sources.sidecar import MANIFEST, MAX_SIDECAR_BYTES
from pmfer.errors import ConfigurationError
from warehouse.address import Address
from warehouse.personal import Traces
from warehouse.private_file import private_draft
from warehouse.publish import storage_files


@dataclass(frozen=True)
class PatientFile:
    """A file to be deleted."""

    path: Path
    kind: str  # recording, report, export, staged, digests, prefect or copy


def find_files(data: DataFolder, warehouse: Address, patient_id: str, sources: Sequence[str] = ()) -> list[PatientFile]:
    """All files below the data folder that an erasure of the patient deletes.

    These are the patient's reports and recordings. Staged files, exports, content hashes of recordings, Prefect's state
    and copies of the database beside it are also deleted, whoever is in them: they hold many patients in forms that
    cannot be edited, and all of them can be made again.

    Args:
        data: the data folder.
        warehouse: address of the warehouse, whose own files stay.
        patient_id: the pseudonym.
        sources: paths of the patient's videos relative to their source, according to the warehouse.

    Raises:
        OSError: a file cannot be read.
    """
    ours = _ours(data)
    kept = {*storage_files(warehouse), data.published}
    days = {PurePosixPath(uri).parts[0] for uri in sources}
    files = [PatientFile(path, "recording") for path in sorted(set(_recordings(data, ours, patient_id, sources)))]
    for folder in ours:
        for path in files_below(folder):
            kind = None if path in kept else _kind(data, path, patient_id, days)
            if kind is not None:
                files.append(PatientFile(path, kind))
    return files


def files_left(
    data: DataFolder, warehouse: Address, traces: Traces, passwords: Collection[str]
) -> Iterator[tuple[Path, bool]]:
    """Files below the data folder that may hold the identifier, each with whether this software wrote it.

    The warehouse's own files are skipped. Any other database may hold the identifier, because databases compress their
    content. PDFs are opened with the recipients' passwords.

    Raises:
        OSError: a file cannot be read.
    """
    ours = _ours(data)
    kept = {*storage_files(warehouse), data.published}
    for path in files_below(data.root):
        if path in kept:
            continue
        is_other_database = not path.is_symlink() and is_database(path)
        if is_other_database or traces.in_text(data.relative(path)) or holds(path, traces, passwords):
            yield path, any(path.is_relative_to(folder) for folder in ours)


def locked_reports(data: DataFolder, passwords: Collection[str]) -> list[Path]:
    """Reports that none of the passwords opens, for example because a recipient's password has changed.

    Raises:
        OSError: a file cannot be read.
    """
    return [path for path in files_below(data.root / "reports") if is_locked(path, passwords)]


def require_removable(files: Iterable[PatientFile], data: DataFolder, patient_id: str) -> None:
    """Check that all files can be deleted, before any is.

    Raises:
        ConfigurationError: a file, or a manifest with lines of the patient, is in a folder that cannot be written.
    """
    manifests = (path for path in _outside(data, _ours(data)) if _lists_patient(path, patient_id))
    for path in (*(file.path for file in files), *manifests):
        if not os.access(path.parent, os.W_OK | os.X_OK):
            raise ConfigurationError(f"{path}: cannot be removed; give this account write permission for its folder")


def remove_files(files: Iterable[PatientFile], data: DataFolder, patient_id: str) -> None:
    """Delete the files, the patient's lines in manifests, and folders of exports that are then empty.

    Raises:
        OSError: one cannot be removed.
    """
    for file in files:
        file.path.unlink(missing_ok=True)
    for path in list(_outside(data, _ours(data))):
        if _lists_patient(path, patient_id):
            _rewrite_manifest(path, patient_id)
    for folder in sorted((path for path in data.exports.rglob("*") if path.is_dir()), reverse=True):
        if not any(folder.iterdir()):
            folder.rmdir()
    os.sync()  # so that they stay deleted even after a loss of power


def describe(files: Iterable[PatientFile], key: bytes) -> list[dict[str, str | int]]:
    """What the receipt says about each file: its kind, size and hash.

    The hash is keyed, because the content behind a plain hash could be guessed: the report of a patient without data,
    for example, depends only on the pseudonym and the day.

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
    """Refuse to continue while a process, such as a Prefect server, has a file below the folder open.

    Raises:
        ConfigurationError: names the process.
    """
    inside = f"{folder.resolve()}{os.sep}"
    for link in Path("/proc").glob("[0-9]*/fd/*"):
        try:
            target = str(link.readlink())
        except OSError:
            continue  # the process has ended, or belongs to another account
        if target.startswith(inside):
            raise ConfigurationError(
                f"{folder}: process {link.parts[2]} has it open, perhaps a Prefect server; stop it, then run this again"
            )


def _ours(data: DataFolder) -> tuple[Path, ...]:
    """The folders that only this software writes, so that they contain no recordings of a source."""
    return (
        data.warehouse.parent,
        data.published.parent,
        data.lake,
        data.root / "reports",
        data.staging,
        data.digests_folder,
        data.prefect_home,
        data.exports,
        data.inbox,
        data.audit_head.parent,
        data.receipts,
        data.metrics.parent,
        data.unfinished,
        data.server_secret.parent,
    )


def _kind(data: DataFolder, path: Path, patient_id: str, days: Iterable[str]) -> str | None:
    """The kind of a file in one of our folders, if it is to be deleted; None if it stays."""
    if path.is_relative_to(data.staging):
        return "staged"
    if path.is_relative_to(data.exports):
        return "export"
    if path.is_relative_to(data.prefect_home):
        return "prefect"
    if path.is_relative_to(data.warehouse.parent) or path.is_relative_to(data.published.parent):
        return "copy"
    if path.is_relative_to(data.digests_folder) and (path.stem in days or path.suffix == ".jsonl"):
        return "digests"
    if path.is_relative_to(data.root / "reports") and not is_overview(path, data):
        return "report" if _is_report_of(path.name, patient_id) else None
    return None


def _is_report_of(name: str, patient_id: str) -> bool:
    """Whether a file is the patient's report in any format, or a draft that a killed rendering left.

    The whole name has to match: `12.json.json` is the report of patient `12.json`, not of `12`.
    """
    forms = rf"{re.escape(patient_id)}\.(?:{'|'.join(SUFFIXES)})"
    return re.fullmatch(rf"{forms}|\.{forms}\.\w+", name) is not None


def _outside(data: DataFolder, ours: Sequence[Path]) -> Iterator[Path]:
    """The files below the data folder that are not in one of our folders, such as those of a source."""
    for path in files_below(data.root):
        if not any(path.is_relative_to(folder) for folder in ours):
            yield path


def _recordings(data: DataFolder, ours: Sequence[Path], patient_id: str, sources: Sequence[str]) -> Iterator[Path]:
    """The patient's recordings according to their sidecars and manifests, or if these do not say, to the warehouse.

    A recording that a sidecar or manifest assigns to somebody else is left alone, even if another source of information
    says otherwise.
    """
    wanted = {same_name(uri) for uri in sources}
    folders: defaultdict[Path, list[Path]] = defaultdict(list)
    for path in _outside(data, ours):
        folders[path.parent].append(path)
    for folder, paths in folders.items():
        owners = _owners(paths)
        for path in paths:
            at = same_name(f"{folder.name}/{path.name}")
            if owners[path] == {patient_id} or (not owners[path] and is_video(path.name) and at in wanted):
                yield path


def _owners(paths: Sequence[Path]) -> defaultdict[Path, set[str]]:
    """The patients to whom the sidecars and the manifest of one folder assign each of its files."""
    names: defaultdict[str, list[Path]] = defaultdict(list)
    for path in paths:
        names[same_name(path.name)].append(path)
        if is_video(path.name):
            names[f"{same_name(stem(path.name))}{SIDECAR_SUFFIX}"].append(path)
    owners: defaultdict[Path, set[str]] = defaultdict(set)
    for path in paths:
        if path.name == MANIFEST:
            stated = [(row.get("file") or "", row.get("patient_id")) for row in _rows(path)]
        elif suffix(path.name) == SIDECAR_SUFFIX:
            stated = [(f"{stem(path.name)}{SIDECAR_SUFFIX}", patient := _patient_of(path)), (path.name, patient)]
        else:
            continue
        for name, patient_id in stated:
            for owned in names[same_name(name)] if patient_id else ():
                owners[owned].add(patient_id or "")
    return owners


def _patient_of(sidecar: Path) -> str | None:
    """The patient that a sidecar names; None if it names none, or is not a sidecar."""
    try:
        if sidecar.stat().st_size > MAX_SIDECAR_BYTES:
            return None
        content = json.loads(sidecar.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError):
        return None
    patient_id = content.get("patient_id") if isinstance(content, dict) else None
    return patient_id if isinstance(patient_id, str) else None


def _rows(manifest: Path) -> list[dict[str, str]]:
    try:
        return list(read_csv(manifest.read_bytes(), strict=False))
    except (OSError, csv.Error):
        return []  # not a manifest


def _lists_patient(path: Path, patient_id: str) -> bool:
    return path.name == MANIFEST and any(row.get("patient_id") == patient_id for row in _rows(path))


def _rewrite_manifest(manifest: Path, patient_id: str) -> None:
    rows = read_csv(manifest.read_bytes(), strict=False)
    text = io.StringIO()
    writer = csv.DictWriter(text, rows.fieldnames or (), extrasaction="ignore", dialect=rows.reader.dialect)
    writer.writeheader()
    writer.writerows(row for row in rows if row.get("patient_id") != patient_id)
    with private_draft(manifest) as draft:
        draft.write_text(text.getvalue(), encoding="utf-8")
        draft.chmod(manifest.stat().st_mode & 0o777)  # so that whoever wrote it can still use it


def _keyed_hash(path: Path, key: bytes) -> str:
    if path.is_symlink():
        return hmac.new(key, os.fsencode(path.readlink()), "sha256").hexdigest()
    with path.open("rb") as stream:
        return hashlib.file_digest(stream, lambda: hmac.new(key, digestmod="sha256")).hexdigest()
