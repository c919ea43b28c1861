"""Checks that a chain of log entries is unaltered: in itself, and against heads that were noted elsewhere.

Only such a note can reveal that the newest entries of a chain were removed. The head of the audit log is noted in a
small file outside the database, and that of the read log in a file beside it.
"""

import json
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pmfer.errors import WarehouseError
from warehouse.audit import GENESIS, Entry, Head, current_head
from warehouse.private_file import write_private
from warehouse.transaction import database_path, one_line_errors


@dataclass(frozen=True)
class Link:
    """One entry of a chain, as it is stored."""

    number: int
    previous_sha256: str  # as stored
    stored_sha256: str
    computed_sha256: str  # of the entry's content, as stored


@dataclass(frozen=True)
class Note:
    """A head of a chain that was noted earlier."""

    where: str  # where it was noted, such as the name of a file
    head: Head


def find_break(links: Sequence[Link], notes: Iterable[Note]) -> str | None:
    """The first place where a chain was altered, in words; None if it is intact.

    Args:
        links: the entries in the order of their numbers.
        notes: heads of this chain, noted at any time; without them a loss at the end cannot be detected.
    """
    return _broken_link(links) or next((text for note in notes if (text := _contradiction(links, note))), None)


def verify_log(connection: duckdb.DuckDBPyConnection, notes: Iterable[Note] = ()) -> tuple[Head, str | None]:
    """Check the audit log of a warehouse.

    Args:
        connection: an open warehouse.
        notes: heads noted outside the warehouse.

    Returns:
        Where the log ends, and the first break in words; None if there is none.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        links = _links(connection)
        inside = current_head(connection)
    end = Head(len(links), links[-1].stored_sha256 if links else GENESIS)
    fault = find_break(links, [Note("audit_head", inside), *notes])
    if fault is None and inside.entries < end.entries:
        fault = f"entry {inside.entries + 1}: added by hand, audit_head ends with {inside.entries}"
    return end, fault


# The audit log in order, with times in microseconds since 1970.
_AUDIT_ENTRIES = """
    SELECT
        entry, epoch_us(recorded_at) AS recorded_us, account, actor, action, object_id, subject,
        CAST(details AS VARCHAR) AS details, previous_sha256, sha256
    FROM audit_log
    ORDER BY entry
"""


def _links(connection: duckdb.DuckDBPyConnection) -> list[Link]:
    links = []
    for row in connection.execute(_AUDIT_ENTRIES).fetchall():
        *content, stored = row
        links.append(Link(content[0], content[-1], stored, Entry(*content).sha256))
    return links


def _broken_link(links: Sequence[Link]) -> str | None:
    previous = GENESIS
    for expected, link in enumerate(links, start=1):
        if link.number > expected:
            return f"entry {expected}: missing"
        # The order of two entries with the same number is undefined, so look for a second one before checking hashes.
        twice = expected < len(links) and links[expected].number == link.number
        if twice or link.number < expected:
            return f"entry {link.number}: exists more than once; one was inserted, or two writers forked the log"
        if link.previous_sha256 != previous:
            return f"entry {link.number}: does not follow the entry before it; one of the two was replaced or altered"
        if link.computed_sha256 != link.stored_sha256:
            return f"entry {link.number}: altered; its content does not match its hash"
        previous = link.stored_sha256
    return None


def _contradiction(links: Sequence[Link], note: Note) -> str | None:
    noted = note.head
    if noted.entries > len(links):
        return (
            f"entry {len(links) + 1}: missing; {note.where} ends with entry {noted.entries}, the log with {len(links)}"
        )
    if noted.entries and links[noted.entries - 1].stored_sha256 != noted.sha256:
        return f"entry {noted.entries}: not the one in {note.where}; it or an earlier one was rewritten"
    return None


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
        raise WarehouseError(f"{path}: not a readable head of a log ({error}); somebody altered it") from None


def write_head(path: Path, head: Head) -> None:
    """Write a head to a file (0600), replacing it completely or not at all.

    Raises:
        WarehouseError: it cannot be written.
    """
    text = json.dumps({"entries": head.entries, "sha256": head.sha256}) + "\n"
    try:
        write_private(path, text)
    except OSError as error:
        raise WarehouseError(f"{path}: cannot be written ({error.strerror}); make room or grant access") from None


# The hash of one entry of the audit log.
_AUDIT_ENTRY_HASH = "SELECT sha256 FROM audit_log WHERE entry = $entry"


def note_head(connection: duckdb.DuckDBPyConnection, path: Path) -> bool:
    """Note where the audit log of a warehouse ends, unless the log has lost the entry noted before.

    Args:
        connection: an open warehouse, outside of a transaction.
        path: the file; missing folders are created for the owner only.

    Returns:
        False if the log does not contain the entry noted in the file. The file is then left unchanged as proof.

    Raises:
        WarehouseError: the file cannot be read or written, or the database failed.
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
