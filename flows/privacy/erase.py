"""Erase a patient from everything below the data folder; a receipt that names nobody stays.

The order matters, because an interrupted erasure must find what is left: what is going to be removed is written down
first, then the files go while the database still knows which they are, then the rows, then the bytes of the rows.
"""

import json
import os
import re
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
from flows.privacy.ward_again import renew_reports, renew_ward, stale_reports, stale_wards, ward_files
from flows.settings import Settings
from flows.sources.sidecar import MANIFEST
from flows.warehouse_access import require_existing, writing
from pmfer.errors import ConfigurationError, WarehouseError
from warehouse import audit, erasure, mentions
from warehouse.address import Address
from warehouse.connection import open_reader
from warehouse.personal import Traces
from warehouse.private_file import write_private
from warehouse.publish import require_room, rewrite, standstill, storage_files

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Say = Callable[[str], None]


@dataclass(frozen=True)
class ErasePlan:
    """What would go."""

    patient_id: str
    held: erasure.Holdings
    files: list[PatientFile]
    left: list[str]  # files that are none of ours and may hold the identifier, relative to the data folder
    pages: list[str]  # files of ours that stay and speak of the patient, such as reports of others, likewise
    locked: list[str]  # reports of others that no password of today opens, likewise
    name_map: Path | None  # if the patient stands in it
    unfinished: erasure.Erasure | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do at all."""
        known = self.held.rows or self.held.mentions or self.name_map or self.unfinished
        # Files that go whoever is in them are no reason to erase somebody who is in nothing else.
        return not (known or any(file.kind in ("recording", "report") for file in self.files))

    def lines(self) -> list[str]:
        """The plan for people."""
        lines = [f"what goes of patient {self.patient_id}:"]
        lines += [f"{count:>10,}  rows in {table}" for table, count in self.held.rows.items()]
        lines += [f"{count:>10,}  mentions by others in {table}" for table, count in self.held.mentions.items()]
        kinds = Counter(file.kind for file in self.files)
        lines += [f"{count:>10,}  files of kind {kind}" for kind, count in sorted(kinds.items())]
        if self.name_map:
            lines.append(f"{1:>10}  line of the name map")
        if self.unfinished:
            lines.append(f"{'':>10}  what an interrupted erasure left")
        lines.append(
            f"{'':>10}  ward overviews that show the patient, and reports that speak of the patient, are rendered again"
        )
        return [*lines, *self.lines_left()]

    def lines_left(self) -> list[str]:
        """What stays although it may speak of the patient: somebody has to look."""
        lines = [
            f"left as it is: the word {self.patient_id} in {count} texts of others in {table}; it may mean anything"
            for table, count in self.held.words.items()
        ]
        if self.locked:
            lines.append(
                f"not searched: {len(self.locked)} reports that no password of today opens, such as {self.locked[0]}; "
                "remove them if they may speak of the patient"
            )
        return lines + [f"left as it is: {printable(path)}, which may speak of the patient" for path in self.left]


def erase_patient(
    data: DataFolder,
    warehouse: Address,
    patient_id: str,
    settings: Settings,
    confirm: Callable[[Sequence[str]], bool],
    say: Say,
) -> dict[str, dict[str, Any]]:
    """Erase a patient from everything below the data folder. Interrupted at any point, it is run again and finishes.

    Args:
        data: the data folder.
        warehouse: address of the warehouse.
        patient_id: the pseudonym.
        settings: say where the name map is, and how reports that show the patient are written anew.
        confirm: is shown what goes, a line each, and says whether it may.
        say: is told each step as it begins.

    Returns:
        The new receipts by name; none if there was nothing to erase.

    Raises:
        ConfigurationError: there is no such identifier or warehouse, Prefect's server is running, or a recipient of
            reports has no password.
        WarehouseError: the warehouse is being written or refused, or something still holds the identifier.
    """
    if not _IDENTIFIER.fullmatch(patient_id):
        raise ConfigurationError(f"patient '{patient_id}': not a pseudonym; see patient_id in docs/source.md")
    require_existing(warehouse)
    require_idle(data.prefect_home)
    with standstill(warehouse):
        return _erase(data, warehouse, patient_id, settings, confirm, say)


def _erase(
    data: DataFolder,
    warehouse: Address,
    patient_id: str,
    settings: Settings,
    confirm: Callable[[Sequence[str]], bool],
    say: Say,
) -> dict[str, dict[str, Any]]:
    printing = printing_of(settings)
    # Nothing of it is published before the storage is written anew.
    with writing(data, warehouse, publishes=False) as writer:
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
        say("writing the database anew")
        rewrite(warehouse)
        # Before anybody opens it again: a second handle on an open database would give its lock away.
        for path in storage_files(warehouse):
            if traces.is_sure and holds(path, traces):
                raise WarehouseError(f"erasure of {patient_id}: still found in {path}; report this as a bug")
    with writing(data, warehouse) as writer:
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
    going = {file.path for file in files}
    speaking = [
        (path, is_ours)
        for path, is_ours in files_left(data, warehouse, traces, printing.passwords)
        if path not in going
    ]
    locked = locked_reports(data, printing.passwords) if traces.is_distinct else []
    return ErasePlan(
        patient_id=traces.identifier,
        held=held,
        files=files,
        left=[data.relative(path) for path, is_ours in speaking if not is_ours and path.name != MANIFEST],
        pages=[data.relative(path) for path, is_ours in speaking if is_ours],
        locked=[data.relative(path) for path in locked if path not in going],
        name_map=name_map if traces.identifier in read_names(name_map) else None,
        unfinished=erasure.unfinished_erasure(connection, traces.identifier),
    )


def _require_possible(data: DataFolder, warehouse: Address, plan: ErasePlan) -> None:
    """Refuse what could not be ended, before anything is removed.

    Raises:
        ConfigurationError, WarehouseError: a file cannot be removed, or there is no room.
    """
    require_removable(plan.files, data, plan.patient_id)
    require_room(warehouse)
    if plan.name_map is not None and not os.access(plan.name_map.parent, os.W_OK | os.X_OK):
        raise ConfigurationError(
            f"name map {plan.name_map}: cannot be written; give this account the right to, then run again"
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
    # Pages say what was on record when they were printed: a note that names the patient may have been corrected since.
    receipt["rows"] = erasure.erase_rows(connection, plan.patient_id, record, receipt, plan.pages)
    say("renewing ward overviews and reports that speak of the patient")
    stale = stale_wards(connection, data, printing)
    shown = [PatientFile(path, "ward overview") for overview in stale for path in ward_files(data, *overview)]
    speaking = stale_reports(connection, data)
    shown += [PatientFile(path, "report of another") for paths in speaking.values() for path in paths]
    receipt["files"] = [*receipt["files"], *describe(shown, key)]
    erasure.note_receipt(connection, record, receipt)
    failures = [line for one, due in stale.items() for line in renew_ward(connection, data, one, due, printing)]
    failures += renew_reports(connection, data, speaking, printing)
    for line in failures:
        say(f"removed, and not made anew: {line}")


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
    """Look for what is left, in the tables, in the snapshot and in every file of ours."""
    left = [f"table {name}" for name in erasure.remaining(connection, traces)]
    with open_reader(warehouse) as reader:
        left += [f"table {name} as readers see it" for name in erasure.remaining(reader, traces)]
    mine = (
        file.path for file in find_files(data, warehouse, traces.identifier) if file.kind in ("recording", "report")
    )
    ours = (path for path, is_ours in files_left(data, warehouse, traces, printing.passwords) if is_ours)
    left += sorted({data.relative(path) for path in (*mine, *ours)})
    if left:
        raise WarehouseError(
            f"erasure of {traces.identifier}: still found in {', '.join(left)}; remove it there, then run this again"
        )


def _keep_receipt(data: DataFolder, name: str, receipt: dict[str, Any]) -> None:
    path = data.receipts / f"{name}.json"
    if not path.exists():
        write_private(path, json.dumps(receipt, indent=1, sort_keys=True) + "\n")
