"""`pmfer erase`: a patient goes from everything below the data folder, and a receipt that names nobody stays.

The order matters, because an interrupted erasure must find what is left: what is going to be removed is written down
first, then the files go while the database still knows which they are, then the rows, then the bytes of the rows.
"""

import json
import re
import secrets
import sys
from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import closing
from dataclasses import dataclass
from datetime import UTC, datetime
from typing import Any

import duckdb
import typer

from flows.data_folder import DataFolder
from flows.file_search import files_below, holds
from flows.name_map import read_names, remove_name
from flows.patient_files import PatientFile, describe, find_files, remove_files, require_idle
from flows.printing import Printing, printing_of
from flows.private_file import write_private
from flows.settings import read_settings
from flows.sources.printable import printable
from flows.ward_again import renew_ward, stale_wards, ward_files
from flows.writing import require_existing, writing
from pmfer.errors import ConfigurationError, WarehouseError
from warehouse import audit, erasure
from warehouse.address import Address
from warehouse.connection import open_reader
from warehouse.publish import publish
from warehouse.rewrite import rewrite, storage_files
from warehouse.traces import Traces

_IDENTIFIER = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]{0,63}")

Say = Callable[[str], None]


@dataclass(frozen=True)
class ErasePlan:
    """What would go."""

    patient_id: str
    rows: dict[str, int]  # by table
    files: list[PatientFile]
    in_name_map: bool
    unfinished: erasure.Erasure | None

    @property
    def is_empty(self) -> bool:
        """Whether there is nothing to do at all."""
        return not (self.rows or self.files or self.in_name_map or self.unfinished)

    def lines(self, data: DataFolder) -> list[str]:
        """The plan for people."""
        lines = [f"what goes of patient {self.patient_id}:"]
        lines += [f"{count:>10,}  rows in {table}" for table, count in self.rows.items()]
        kinds = Counter(file.kind for file in self.files)
        lines += [f"{count:>10,}  files of kind {kind}" for kind, count in sorted(kinds.items())]
        lines += [f"{'':>10}  {printable(data.relative(file.path))}" for file in self.files if file.kind == "other"]
        if self.in_name_map:
            lines.append(f"{1:>10}  line of the name map")
        if self.unfinished:
            lines.append(f"{'':>10}  what an interrupted erasure left")
        lines.append(f"{'':>10}  ward overviews that show the patient are rendered again")
        return lines


def erase_patient(
    data: DataFolder, warehouse: Address, patient_id: str, confirm: Callable[[Sequence[str]], bool], say: Say
) -> dict[str, dict[str, Any]]:
    """Erase a patient from everything below the data folder. Interrupted at any point, it is run again and finishes.

    Args:
        data: the data folder.
        warehouse: address of the warehouse.
        patient_id: the pseudonym.
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
        raise ConfigurationError(f"patient '{patient_id}': no pseudonym; see patient_id in docs/source.md")
    require_existing(warehouse)
    require_idle(data.prefect_home)
    printing = printing_of(read_settings())  # before anything is removed: a password may be missing
    with writing(data, warehouse) as connection:
        known = set(erasure.receipts(connection))
        traces = erasure.traces_of(connection, patient_id)
        plan = _plan(connection, data, warehouse, traces)
        if not plan.is_empty:
            if not confirm(plan.lines(data)):
                raise ConfigurationError(f"patient {patient_id}: nothing was erased")
            _remove(connection, data, plan, traces, printing, say)
    if not plan.is_empty:
        say("writing the database anew")
        rewrite(warehouse)
        # Before anybody opens it again: a second handle on an open database would give its lock away.
        for path in storage_files(warehouse):
            if holds(path, traces):
                raise WarehouseError(f"erasure of {patient_id}: still found in {path}; report this as a bug")
    with writing(data, warehouse) as connection:
        if not plan.is_empty:
            say("publishing")
            publish(connection, warehouse)
            say("searching for what is left")
            searched = _require_gone(connection, data, warehouse, traces)
            erasure.finish_erasures(connection, {"finished_at": datetime.now(UTC), "files_searched": searched})
        receipts = erasure.receipts(connection)
        for name, receipt in receipts.items():
            _keep_receipt(data, name, receipt)
        publish(connection, warehouse)
    return {name: receipt for name, receipt in receipts.items() if name not in known}


def ask_for(patient_id: str, yes: bool) -> Callable[[Sequence[str]], bool]:
    """How the command line confirms: it shows the plan and, unless `yes`, asks whoever sits there."""

    def confirm(lines: Sequence[str]) -> bool:
        for line in lines:
            typer.echo(line)
        if yes:
            return True
        if not sys.stdin.isatty():
            raise ConfigurationError(f"patient {patient_id}: nobody is there to ask; give --yes to erase")
        return typer.confirm(f"Erase patient {patient_id} for good?")

    return confirm


def _plan(connection: duckdb.DuckDBPyConnection, data: DataFolder, warehouse: Address, traces: Traces) -> ErasePlan:
    held = erasure.holdings(connection, traces.identifier)
    unfinished = erasure.unfinished_erasure(connection, traces.identifier)
    files = find_files(data, warehouse, traces)
    # Files that go whoever is in them are no reason to erase somebody who is in nothing else.
    if not (held.rows or unfinished or any(file.kind in ("recording", "report", "other") for file in files)):
        files = []
    in_map = traces.identifier in read_names(read_settings().name_map)
    return ErasePlan(traces.identifier, dict(held.rows), files, in_map, unfinished)


def _remove(
    connection: duckdb.DuckDBPyConnection,
    data: DataFolder,
    plan: ErasePlan,
    traces: Traces,
    printing: Printing,
    say: Say,
) -> None:
    key = secrets.token_bytes(32)
    say(f"key of the hashes on the receipt, shown only here: {key.hex()}")
    receipt: dict[str, Any] = dict(plan.unfinished.receipt) if plan.unfinished else _new_receipt(connection)
    receipt["files"] = [*receipt["files"], *describe(plan.files, key)]
    receipt["name_map"] = receipt["name_map"] or plan.in_name_map
    record = plan.unfinished or erasure.begin_erasure(connection, plan.patient_id, receipt)
    erasure.note_receipt(connection, record, receipt)
    say("removing files")
    remove_files(plan.files, data, traces)
    name_map = read_settings().name_map
    if plan.in_name_map and name_map is not None:
        remove_name(name_map, plan.patient_id)
    say("deleting rows")
    receipt["rows"] = erasure.erase_rows(connection, plan.patient_id, record, receipt)
    say("renewing ward overviews")
    stale = stale_wards(connection, data, printing)
    shown = [PatientFile(path, "ward overview") for day in stale for path in ward_files(data, day)]
    receipt["files"] = [*receipt["files"], *describe(shown, key)]
    erasure.note_receipt(connection, record, receipt)
    for day, due in stale.items():
        renew_ward(connection, data, day, due, printing)


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


def _require_gone(connection: duckdb.DuckDBPyConnection, data: DataFolder, warehouse: Address, traces: Traces) -> int:
    """Search every file, and query every table of the warehouse and of the snapshot; how many files were searched."""
    left = [f"table {name}" for name in erasure.remaining_mentions(connection, traces)]
    with closing(open_reader(warehouse)) as reader:
        left += [f"table {name} as readers see it" for name in erasure.remaining_mentions(reader, traces)]
    files = list(files_below(data.root))
    storage = set(storage_files(warehouse))
    for path in files:
        # The files of the warehouse are open now; they were searched when they were written anew.
        if path not in storage and (traces.in_text(data.relative(path)) or holds(path, traces)):
            left.append(data.relative(path))
    if left:
        raise WarehouseError(
            f"erasure of {traces.identifier}: still found in {', '.join(left)}; remove it there, then run this again"
        )
    return len(files)


def _keep_receipt(data: DataFolder, name: str, receipt: dict[str, Any]) -> None:
    path = data.receipts / f"{name}.json"
    if not path.exists():
        write_private(path, json.dumps(receipt, indent=1, sort_keys=True) + "\n")
