"""Check a whole warehouse: all its contracts, and that nobody altered the audit log or the read log."""

import json
from collections.abc import Callable
from pathlib import Path

from flows.warehouse_access import WarehouseAccess, require_existing
from pmfer.errors import WarehouseError
from warehouse.address import Address
from warehouse.audit import Head
from warehouse.connection import open_writer
from warehouse.contracts import broken_contracts, contract_rules, refuse
from warehouse.read_log import noted_reads, verify_reads
from warehouse.verify import Note, read_head, verify_log


def check_contracts(warehouse: Address, tell: Callable[[str], None]) -> None:
    """Check every contract over every row, with a line to `tell` for each.

    Raises:
        WarehouseError: there is no warehouse, it is being written, or a contract does not hold. The message names all
            broken ones.
    """
    require_existing(warehouse)
    with open_writer(warehouse) as connection:
        breaches = broken_contracts(connection)
        broken = {breach.name for breach in breaches}
        for name, rule in contract_rules().items():
            tell(f"{'BROKEN' if name in broken else 'holds':<6}  {name}: {rule}")
        refuse(connection, breaches)


def verify_logs(access: WarehouseAccess) -> list[str]:
    """Check both logs; return a line for each.

    Raises:
        WarehouseError: there is no warehouse, it is being written, or a log is not whole. The message names the first
            bad entry.
    """
    data, warehouse = access.data, access.warehouse
    require_existing(warehouse)
    noted = read_head(data.audit_head)
    notes = [*([Note(data.audit_head.name, noted)] if noted else []), *_receipts(data.receipts)]
    with open_writer(warehouse) as connection:
        log, trouble = verify_log(connection, notes)
        known_reads = noted_reads(connection, data.read_log)
    if trouble is None and noted is None and log.entries:
        trouble = f"{data.audit_head.name} is missing; without it, a loss of the newest entries cannot be detected"
    reads, reads_trouble = verify_reads(data.read_log, known_reads)
    _require_whole(warehouse, "audit log", trouble)
    _require_whole(data.read_log, "read log", reads_trouble)
    return [_sentence("audit log", log), _sentence("read log", reads)]


def _require_whole(path: object, name: str, trouble: str | None) -> None:
    if trouble is not None:
        raise WarehouseError(f"{path}: {name} is not whole: {trouble}")


def _sentence(name: str, head: Head) -> str:
    return f"{name}: whole, {head.entries} entries, head {head.sha256}"


def _receipts(folder: Path) -> list[Note]:
    """The heads of the audit log that receipts of erasures recorded; the log must still contain them."""
    notes = []
    for path in sorted(folder.glob("ERASURE-*.json")):
        try:
            head = json.loads(path.read_text(encoding="utf-8"))["audit_head"]
            notes.append(Note(path.name, Head(int(head["entries"]), str(head["sha256"]))))
        except (OSError, ValueError, KeyError, TypeError) as error:
            raise WarehouseError(f"{path}: not a readable receipt ({error}); somebody altered it") from None
    return notes
