"""Make and restore backups of what cannot be made again: folders of plain files, with their hashes.

    BACKUP/backup.json                  list of the files; written last, so a backup without it is incomplete
    BACKUP/published/warehouse.duckdb   the snapshot, encrypted if the warehouse is
    BACKUP/audit/, receipts/, reports/  as below the data folder

While a backup is made it holds the warehouse, so no night runs meanwhile. A lake is backed up with the tools of its
parts, see docs/runbook.md. A backup contains no key, password or setting.
"""

import json
import os
import shutil
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace
from datetime import UTC, datetime, timedelta
from pathlib import Path, PurePosixPath
from typing import Any

from flows.data_folder import DataFolder
from flows.monitoring import failure_noticed
from flows.settings import Settings
from flows.warehouse_access import WarehouseAccess, access_of, require_existing
from pmfer import __version__
from pmfer.bundle import sha256_file
from pmfer.errors import ConfigurationError, WarehouseError
from warehouse.address import Address, FileAddress
from warehouse.audit import current_head
from warehouse.connection import logs_beside, remove_logs, require_opens
from warehouse.private_file import make_private_folder, write_private
from warehouse.publish import copy_database, flush
from warehouse.transaction import one_line_errors
from warehouse.warehouse import Writer

MANIFEST_FILE = "backup.json"
FORMAT_VERSION = 1
SNAPSHOT = "published/warehouse.duckdb"
FOLDERS = ("audit", "receipts", "reports")
NAME = "%Y-%m-%d-%H%M%S"  # of a backup below `backup_to`: its start, UTC
NAME_PATTERN = "[0-9]" * 4 + "-[0-9][0-9]-[0-9][0-9]-" + "[0-9]" * 6
DRAFT = ".restoring"  # below the data folder, so that restored files can be renamed into place

Say = Callable[[str], None]


@dataclass(frozen=True)
class Backup:
    """The content of a backup's manifest."""

    folder: Path
    made_at: datetime
    files: dict[str, str]  # path below the folder -> SHA-256


def make_backup(access: WarehouseAccess, out: Path) -> Backup:
    """Copy everything that cannot be made again: all stored rows, published or not, the logs, receipts and reports.

    Args:
        access: to the data folder and the warehouse, which must be a file.
        out: a new or empty folder.

    Raises:
        ConfigurationError: the warehouse is a lake or missing, or the folder cannot be written, is not empty or is
            below the data folder.
        WarehouseError: the warehouse is in use, or the database failed.
    """
    data, address = access.data, _file(access.warehouse)
    require_existing(address)
    if out.resolve().is_relative_to(data.root.resolve()):
        raise ConfigurationError(f"{out}: is below the data folder; keep backups on another disk")
    files: dict[str, str] = {}
    try:
        make_private_folder(out)
        if any(out.iterdir()):
            raise ConfigurationError(f"{out}: is not empty; give each backup a folder of its own")
        with _removed_unless_complete(out):
            with access.writing() as writer:
                head = current_head(writer.connection)
                files[SNAPSHOT] = _copy_warehouse(writer, out / SNAPSHOT)
                for name, path in _contents(data):
                    files[name] = _copy(path, out / name)
            made_at = datetime.now(UTC)
            document = {
                "format_version": FORMAT_VERSION,
                "made_at": made_at.isoformat(),
                "code_version": __version__,
                "encrypted": address.key is not None,
                "audit_head": {"entries": head.entries, "sha256": head.sha256},
                "files": files,
            }
            write_private(out / MANIFEST_FILE, json.dumps(document, indent=1) + "\n")
            flush(out)
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be written ({error.strerror}); make room or grant access") from None
    return Backup(out, made_at, files)


@contextmanager
def _removed_unless_complete(folder: Path) -> Iterator[None]:
    """Remove a backup that fails, which would fill the disk and look like a backup."""
    try:
        yield
    except BaseException:
        shutil.rmtree(folder, ignore_errors=True)
        raise


def back_up(settings: Settings, out: Path | None, say: Say) -> Backup:
    """Make a backup in a folder; without one, add it below `backup_to` and then delete expired ones.

    Args:
        settings: the data folder, the warehouse, and who is told if this fails.
        out: a new or empty folder.
        say: gets a line about the new backup, and one for each deleted backup.

    Raises:
        ConfigurationError, WarehouseError: see make_backup, add_backup and remove_old_backups. A notice was sent.
    """
    with failure_noticed(settings, "the backup"):
        access = access_of(settings)
        if out is not None:
            backup = make_backup(access, out)
            say(_sentence(backup))
        else:
            backup = add_backup(access, settings, say)
            remove_old_backups(access.warehouse, settings, say)
    return backup


def add_backup(access: WarehouseAccess, settings: Settings, say: Say) -> Backup:
    """Make a backup in a new folder below `backup_to`.

    Args:
        access: to the data folder and the warehouse, which must be a file.
        settings: for `backup_to`.
        say: gets a line about the new backup.

    Raises:
        ConfigurationError: see require_place and make_backup.
        WarehouseError: see make_backup.
    """
    folder = require_place(access.warehouse, settings)
    backup = make_backup(access, folder / datetime.now(UTC).strftime(NAME))
    say(_sentence(backup))
    return backup


def _sentence(backup: Backup) -> str:
    return f"{backup.folder}: {len(backup.files)} files"


def remove_old_backups(warehouse: Address, settings: Settings, say: Say) -> None:
    """Delete the backups below `backup_to` that are older than `retain_backups_days`.

    Call it after add_backup, so that existing backups are kept if a full or missing disk prevents a new one.

    Args:
        warehouse: address of the warehouse, which must be a file.
        settings: for `backup_to` and `retain_backups_days`.
        say: gets a line for each deleted backup.

    Raises:
        ConfigurationError: see require_place; or a backup cannot be deleted.
    """
    folder = require_place(warehouse, settings)
    if settings.retain_backups_days is None:
        return
    for old in _begun_before(folder, datetime.now(UTC) - timedelta(days=settings.retain_backups_days)):
        try:
            shutil.rmtree(old)
        except OSError as error:
            raise ConfigurationError(f"{old}: cannot be removed ({error.strerror}); grant access") from None
        say(f"{old}: past its retention period, deleted")


def require_place(warehouse: Address, settings: Settings) -> Path:
    """The folder for backups.

    Raises:
        ConfigurationError: the warehouse is a lake, no folder is set, or the folder does not exist.
    """
    _file(warehouse)
    if settings.backup_to is None:
        raise ConfigurationError("backup: no folder is named; give one, or set PMFER_BACKUP_TO")
    folder = settings.backup_to.absolute()
    # Never created here: if its disk is not mounted, the backup would end up on the same disk as the original.
    if not folder.is_dir():
        raise ConfigurationError(f"{folder}: no such folder; mount or make it, or correct PMFER_BACKUP_TO")
    return folder


def restore_backup(access: WarehouseAccess, folder: Path, say: Say) -> Backup:
    """Check every file of a backup, then put it in its place. If interrupted, running it again finishes it.

    Args:
        access: to the data folder, which must hold no warehouse, and the warehouse's address, which must be a file.
        folder: the backup.
        say: gets a line at the beginning of each step.

    Raises:
        ConfigurationError: there is no backup, or the data folder holds other files or cannot be written.
        WarehouseError: a file of the backup is missing, altered or not listed, or the key is not the one that it was
            encrypted with. Nothing was restored.
    """
    data, address = access.data, _file(access.warehouse)
    data.require_writable()
    draft = data.root / DRAFT
    interrupted = draft.is_dir() and not address.path.exists()
    say("checking the backup")
    found = read_backup(folder)
    other = next(_files_of_another(found, data, address), None)
    if other and not interrupted:
        raise ConfigurationError(f"{other}: already exists; restore into an empty data folder")
    say("restoring")
    shutil.rmtree(draft, ignore_errors=True)
    for name, sha256 in found.files.items():
        if _copy(folder / name, draft / name) != sha256:
            raise WarehouseError(f"{folder / name}: changed while it was read; nothing was restored")
    # Checked before anything is put in place, because the key may be the wrong one.
    require_opens(replace(address, published=draft / SNAPSHOT))
    # The warehouse may be on another disk, so it is copied there first and then renamed, to appear all at once.
    beside = address.path.with_name(f".{address.path.name}{DRAFT}")
    _copy(draft / SNAPSHOT, beside)
    for name in FOLDERS:
        shutil.rmtree(data.root / name, ignore_errors=True)
        if (draft / name).is_dir():
            (draft / name).replace(data.root / name)
    make_private_folder(address.published.parent)
    remove_logs(address.published)
    (draft / SNAPSHOT).replace(address.published)
    # Last, because from now on there is a warehouse. If there is one already, an interrupted restoration put it there,
    # and it may be in use.
    if not address.path.exists():
        beside.replace(address.path)
    beside.unlink(missing_ok=True)
    shutil.rmtree(draft)
    os.sync()
    return found


def read_backup(folder: Path) -> Backup:
    """Read a backup's manifest, and check that the backup holds exactly the listed files, unaltered.

    Raises:
        ConfigurationError: there is no complete backup, or it has another format version.
        WarehouseError: a file is missing, altered or not listed, or the manifest cannot be read.
    """
    try:
        document: dict[str, Any] = json.loads((folder / MANIFEST_FILE).read_text(encoding="utf-8"))
        if document["format_version"] != FORMAT_VERSION:
            raise ConfigurationError(f"{folder}: a backup of another release; restore it with that one")
        made_at = datetime.fromisoformat(document["made_at"])
        files = {str(name): str(sha256) for name, sha256 in document["files"].items()}
    except FileNotFoundError:
        raise ConfigurationError(f"{folder}: no complete backup; {MANIFEST_FILE} is missing") from None
    except (OSError, ValueError, KeyError, TypeError, AttributeError) as error:
        raise WarehouseError(f"{folder / MANIFEST_FILE}: cannot be read ({error}); take another backup") from None
    for name in files:
        if not _is_ours(name):
            raise WarehouseError(f"{folder}: lists '{name}', which is not a file of a backup; take another backup")
    present = {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} - {MANIFEST_FILE}
    for name in sorted({*files, *present, SNAPSHOT}):
        path = folder / name
        if name not in files:
            raise WarehouseError(f"{path}: is not listed in {MANIFEST_FILE}; take another backup")
        if name not in present or path.is_symlink() or sha256_file(path) != files[name]:
            raise WarehouseError(f"{path}: is missing or altered; take another backup")
    return Backup(folder, made_at, files)


def _begun_before(folder: Path, limit: datetime) -> list[Path]:
    """Backups that add_backup began before `limit`, complete or not. Folders that people named themselves are left."""
    named = [path for path in folder.glob(NAME_PATTERN) if path.is_dir() and not path.is_symlink()]
    return sorted(path for path in named if path.name < limit.strftime(NAME))


def _files_of_another(backup: Backup, data: DataFolder, address: FileAddress) -> Iterator[Path]:
    """Existing files where a restoration would write that are not the backup's own files from an interrupted one."""
    places = {SNAPSHOT: address.published} | {name: data.root / name for name in backup.files if name != SNAPSHOT}
    expected = {path: backup.files[name] for name, path in places.items()} | {address.path: backup.files[SNAPSHOT]}
    present = [path for path in (address.path, *logs_beside(address.path), address.published) if path.exists()]
    present += [path for name in FOLDERS for path in (data.root / name).rglob("*") if not path.is_dir()]
    return (path for path in present if path not in expected or sha256_file(path) != expected[path])


def _contents(data: DataFolder) -> Iterator[tuple[str, Path]]:
    for folder in FOLDERS:
        for path in sorted((data.root / folder).rglob("*")):
            if path.is_file() and not path.is_symlink():
                yield data.relative(path), path


def _is_ours(name: str) -> bool:
    """Whether a path stays below the folder and is one that a backup contains."""
    parts = PurePosixPath(name).parts
    return name == SNAPSHOT or (len(parts) > 1 and parts[0] in FOLDERS and ".." not in parts)


def _copy_warehouse(writer: Writer, target: Path) -> str:
    """Copy the database as a snapshot that only its owner can read; return the hash of the copy.

    The copy is made without publishing, so that rows which break a contract are backed up but do not reach readers.
    """
    make_private_folder(target.parent)
    with one_line_errors(target):
        copy_database(writer.connection, target, writer.address.key)
        flush(target)
    return sha256_file(target)


def _copy(source: Path, target: Path) -> str:
    """Copy a file so that only its owner can read it, and flush it to disk; return the hash of the copy."""
    make_private_folder(target.parent)
    shutil.copyfile(source, target)
    target.chmod(0o600)
    flush(target)
    return sha256_file(target)


def _file(warehouse: Address) -> FileAddress:
    if not isinstance(warehouse, FileAddress):
        raise ConfigurationError(
            f"{warehouse}: a lake is backed up by pg_dump and a copy of its data folder; see docs/runbook.md"
        )
    return warehouse
