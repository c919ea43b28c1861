"""Erase a patient from everything below the data folder, and keep a receipt that names nobody.

The order matters, because an interrupted erasure must be able to find what is left. First the plan is recorded. Then
the files are deleted while the database still knows which ones they are, then the rows, and last the rows' bytes.
"""

import json
import os
import secrets
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

import duckdb

from flows.data_folder import DataFolder
from flows.plain_text import printable
from flows.printing import Printing, printing_of
from flows.privacy.file_search import holds
from flows.privacy.name_map import read_names, remove_name
from flows.privacy.patient_files import (
    PatientFile,
    describe,
    files_left,
    find_files,
    locked_reports,
    remove_files,
    require_idle,
    require_removable,
)
from flows.privacy.rerender import (
    outdated_overviews,
    outdated_reports,
    overview_files,
    rerender_overview,
    rerender_reports,
)
from flows.settings import Settings
from flows.sources.sidecar import IDENTIFIER, MANIFEST
from flows.warehouse_access import WarehouseAccess, require_existing
from pmfer.errors import ConfigurationError, WarehouseError
from warehouse import audit, erasure, mentions
from warehouse.address import Address
from warehouse.connection import open_reader
from warehouse.personal import Traces
from warehouse.private_file import write_private
from warehouse.publish import require_room, rewrite, standstill, storage_files

Say = Callable[[str], None]


@dataclass(frozen=True)
class ErasePlan:
    """What an erasure would delete, and what it would leave. Paths in text are relative to the data folder."""

    patient_id: str
    held: erasure.Holdings  # rows of the patient in the warehouse
    files: list[PatientFile]  # to be deleted
    left: list[str]  # other people's files that may contain the identifier; they are left as they are
    pages: list[str]  # our own files that mention the patient, such as reports of others; they are rendered again
    locked: list[str]  # reports of others that none of today's passwords opens
    name_map: Path | None  # if it lists the patient
    unfinished: erasure.Erasure | None  # an earlier erasure of the patient that was interrupted

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do."""
        known = self.held.rows or self.held.mentions or self.name_map or self.unfinished
        # Files that are deleted whoever is in them are no reason to erase somebody who is found nowhere else.
        return not (known or any(file.kind in ("recording", "report") for file in self.files))

    def lines(self) -> list[str]:
        """The plan as text, to be confirmed."""
        lines = [f"the erasure of patient {self.patient_id} deletes:"]
        lines += [f"{count:>10,}  rows in {table}" for table, count in self.held.rows.items()]
        lines += [f"{count:>10,}  mentions by others in {table}" for table, count in self.held.mentions.items()]
        kinds = Counter(file.kind for file in self.files)
        lines += [f"{count:>10,}  files of kind {kind}" for kind, count in sorted(kinds.items())]
        if self.name_map:
            lines.append(f"{1:>10}  line of the name map")
        if self.unfinished:
            lines.append(f"{'':>10}  what an interrupted erasure left")
        lines.append(
            f"{'':>10}  ward overviews that show the patient, and reports that mention the patient, are rendered again"
        )
        return [*lines, *self.lines_left()]

    def lines_left(self) -> list[str]:
        """What stays although it may mention the patient, so that somebody can check it."""
        lines = [
            f"left as it is: the word {self.patient_id} in {count} texts of others in {table}; it may mean anything"
            for table, count in self.held.words.items()
        ]
        if self.locked:
            lines.append(
                f"not searched: {len(self.locked)} reports that no current password opens, such as {self.locked[0]}; "
                "remove them if they may mention the patient"
            )
        return lines + [f"left as it is: {printable(path)}, which may mention the patient" for path in self.left]


def erase_patient(
    access: WarehouseAccess,
    patient_id: str,
    settings: Settings,
    confirm: Callable[[Sequence[str]], bool],
    say: Say,
) -> dict[str, dict[str, Any]]:
    """Erase a patient from everything below the data folder. If interrupted at any point, running it again finishes it.

    Args:
        access: to the warehouse and the data folder.
        patient_id: the pseudonym.
        settings: name map, and how reports that show the patient are rendered again.
        confirm: gets the plan, line by line, and returns whether to proceed.
        say: gets a line at the beginning of each step.

    Returns:
        The new receipts by name; none if there was nothing to erase.

    Raises:
        ConfigurationError: the pseudonym is malformed, there is no warehouse, the erasure was not confirmed, Prefect's
            server is running, or a recipient of reports has no password.
        WarehouseError: the warehouse is being written, the database failed, or something still holds the identifier.
    """
    if not IDENTIFIER.fullmatch(patient_id):
        raise ConfigurationError(f"patient '{patient_id}': not a pseudonym; see patient_id in docs/source.md")
    require_existing(access.warehouse)
    require_idle(access.data.prefect_home)
    with standstill(access.warehouse):
        return _erase(access, patient_id, settings, confirm, say)


def _erase(
    access: WarehouseAccess,
    patient_id: str,
    settings: Settings,
    confirm: Callable[[Sequence[str]], bool],
    say: Say,
) -> dict[str, dict[str, Any]]:
    data, warehouse, printing = access.data, access.warehouse, printing_of(settings)
    # Nothing is published until the storage has been rewritten.
    with access.writing(publishes=False) as writer:
        connection = writer.connection
        known = set(erasure.receipts(connection))
        traces = mentions.traces_of(connection, patient_id)
        plan = _plan(connection, data, warehouse, traces, printing, settings.name_map)
        if not plan.is_empty:
            _require_possible(data, warehouse, plan)
            if not confirm(plan.lines()):
                raise ConfigurationError(f"patient {patient_id}: nothing was erased")
            _remove(connection, data, plan, printing, say)
    if not plan.is_empty:
        say("rewriting the database")
        rewrite(warehouse)
        # Searched before it is opened again: closing a second handle on an open database would release its lock.
        for path in storage_files(warehouse):
            if traces.is_sure and holds(path, traces):
                raise WarehouseError(f"erasure of {patient_id}: still found in {path}; report this as a bug")
    with access.writing() as writer:
        connection = writer.connection
        if not plan.is_empty:
            say("publishing")
            writer.publish()
            say("searching for what is left")
            _require_gone(connection, data, warehouse, traces, printing)
            erasure.finish_erasures(connection, {"finished_at": datetime.now(UTC), "files_left": len(plan.left)})
        receipts = erasure.receipts(connection)
        for name, receipt in receipts.items():
            _keep_receipt(data, name, receipt)
        writer.publish()
    for line in () if plan.is_empty else plan.lines_left():
        say(line)
    return {name: receipt for name, receipt in receipts.items() if name not in known}


def _plan(
    connection: duckdb.DuckDBPyConnection,
    data: DataFolder,
    warehouse: Address,
    traces: Traces,
    printing: Printing,
    name_map: Path | None,
) -> ErasePlan:
    held = erasure.holdings(connection, traces.identifier)
    files = find_files(data, warehouse, traces.identifier, held.sources)
    to_delete = {file.path for file in files}
    mentioning = [
        (path, is_ours)
        for path, is_ours in files_left(data, warehouse, traces, printing.passwords)
        if path not in to_delete
    ]
    locked = locked_reports(data, printing.passwords) if traces.is_distinct else []
    return ErasePlan(
        patient_id=traces.identifier,
        held=held,
        files=files,
        left=[data.relative(path) for path, is_ours in mentioning if not is_ours and path.name != MANIFEST],
        pages=[data.relative(path) for path, is_ours in mentioning if is_ours],
        locked=[data.relative(path) for path in locked if path not in to_delete],
        name_map=name_map if traces.identifier in read_names(name_map) else None,
        unfinished=erasure.unfinished_erasure(connection, traces.identifier),
    )


def _require_possible(data: DataFolder, warehouse: Address, plan: ErasePlan) -> None:
    """Check that the erasure can be finished, before anything is deleted.

    Raises:
        ConfigurationError, WarehouseError: a file cannot be deleted, or there is not enough disk space.
    """
    require_removable(plan.files, data, plan.patient_id)
    require_room(warehouse)
    if plan.name_map is not None and not os.access(plan.name_map.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"name map {plan.name_map}: cannot be written; give this account write permission, then run again"
        )


def _remove(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, plan: ErasePlan, printing: Printing, say: Say
) -> None:
    key = secrets.token_bytes(32)
    say(f"key of the hashes on the receipt, shown only here: {key.hex()}")
    receipt: dict[str, Any] = dict(plan.unfinished.receipt) if plan.unfinished else _new_receipt(connection)
    receipt["files"] = [*receipt["files"], *describe(plan.files, key)]
    receipt["name_map"] = receipt["name_map"] or plan.name_map is not None
    record = plan.unfinished or erasure.begin_erasure(connection, plan.patient_id, receipt)
    erasure.note_receipt(connection, record, receipt)
    say("removing files")
    remove_files(plan.files, data, plan.patient_id)
    if plan.name_map is not None:
        remove_name(plan.name_map, plan.patient_id)
    say("deleting rows")
    # The pages are passed on because they show what was on record when they were rendered: a note on them that names
    # the patient may have been corrected since.
    receipt["rows"] = erasure.erase_rows(connection, plan.patient_id, record, receipt, plan.pages)
    say("rendering ward overviews and reports again, without the patient")
    overviews = outdated_overviews(connection, data, printing)
    replaced = [PatientFile(path, "ward overview") for which in overviews for path in overview_files(data, *which)]
    reports = outdated_reports(connection, data)
    replaced += [PatientFile(path, "report of another") for paths in reports.values() for path in paths]
    receipt["files"] = [*receipt["files"], *describe(replaced, key)]
    erasure.note_receipt(connection, record, receipt)
    failures = []
    for which, due in overviews.items():
        failures += rerender_overview(connection, data, which, due, printing)
    failures += rerender_reports(connection, data, reports, printing)
    for line in failures:
        say(f"deleted, but not rendered again: {line}")


def _new_receipt(connection: duckdb.DuckDBPyConnection) -> dict[str, Any]:
    return {
        "format_version": 1,
        "begun_at": datetime.now(UTC),
        "account": audit.account(),
        "actor": audit.actor_of(connection),
        "rows": {},
        "files": [],
        "name_map": False,
    }


def _require_gone(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, warehouse: Address, traces: Traces, printing: Printing
) -> None:
    """Search the tables, the snapshot and all of our files for what is left.

    Raises:
        WarehouseError: something still holds the identifier.
    """
    left = [f"table {name}" for name in erasure.remaining(connection, traces)]
    with open_reader(warehouse) as reader:
        left += [f"table {name} as readers see it" for name in erasure.remaining(reader, traces)]
    of_patient = (
        file.path for file in find_files(data, warehouse, traces.identifier) if file.kind in ("recording", "report")
    )
    ours = (path for path, is_ours in files_left(data, warehouse, traces, printing.passwords) if is_ours)
    left += sorted({data.relative(path) for path in (*of_patient, *ours)})
    if left:
        raise WarehouseError(
            f"erasure of {traces.identifier}: still found in {', '.join(left)}; remove it there, then run this again"
        )


def _keep_receipt(data: DataFolder, name: str, receipt: dict[str, Any]) -> None:
    path = data.receipts / f"{name}.json"
    if not path.exists():
        write_private(path, json.dumps(receipt, indent=1, sort_keys=True) + "\n")
