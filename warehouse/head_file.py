"""The head of a chain in a small file beside it, so that a chain that lost its newest entries is found out."""

import json
import os
import tempfile
from pathlib import Path

import duckdb

from pmfer.errors import WarehouseError
from warehouse.audit import Head, current_head
from warehouse.folders import make_private_folder
from warehouse.transaction import database_path, one_line_errors


def read_head(path: Path) -> Head | None:
    """The head in a file; None if there is none.

    Raises:
        WarehouseError: the file is not one of these.
    """
    try:
        document = json.loads(path.read_text(encoding="utf-8"))
        return Head(int(document["entries"]), str(document["sha256"]))
    except FileNotFoundError:
        return None
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WarehouseError(f"{path}: no readable head of an audit log ({error}); somebody altered it") from None


def write_head(path: Path, head: Head) -> None:
    """Replace the head in a file (0600), whole or not at all.

    Raises:
        WarehouseError: it cannot be written.
    """
    text = json.dumps({"entries": head.entries, "sha256": head.sha256}) + "\n"
    try:
        make_private_folder(path.parent)
        descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
        try:
            with os.fdopen(descriptor, "w", encoding="utf-8") as stream:
                stream.write(text)
                stream.flush()
                os.fsync(stream.fileno())
            Path(name).replace(path)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise WarehouseError(f"{path}: cannot be written ({error.strerror}); make room or give access") from None


# The hash of one entry of the audit log.
_AUDIT_ENTRY_HASH = "SELECT sha256 FROM audit_log WHERE entry = $entry"


def note_head(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Note where the audit log of a warehouse ends, unless the log lost what was noted before.

    Args:
        connection: an open warehouse, outside of a transaction.
        path: the file; folders that are missing are made for the owner only.

    Returns:
        False, with the file left as it was, when the log does not hold the entry noted there: the file is the proof.

    Raises:
        WarehouseError: the file cannot be read or written, or the database refused.
    """
    before = read_head(path)
    with one_line_errors(database_path(connection)):
        head = current_head(connection)
        if before == head:
            return True
        if before is not None and before.entries:
            rows = connection.execute(_AUDIT_ENTRY_HASH, {"entry": before.entries}).fetchall()
            if rows != [(before.sha256,)]:
                return False
    write_head(path, head)
    return True
