"""Checks that a chain of entries is what it was: in itself, and against heads that were noted elsewhere.

Of a chain that lost its newest entries nothing tells but such a note: the head of the audit log stands in a small file
outside of the database, that of the read log beside it.
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
    computed_sha256: str  # over what is stored


@dataclass(frozen=True)
class Note:
    """What somebody noted of a chain earlier."""

    where: str  # such as a file's name
    head: Head


def find_break(links: Sequence[Link], notes: Iterable[Note]) -> str | None:
    """The first place at which a chain is not what it was, in words; None if it is whole.

    Args:
        links: the entries in the order of their numbers.
        notes: heads of this chain that were noted at any time; without them a loss at the end cannot be seen.
    """
    return _broken_link(links) or next((text for note in notes if (text := _contradiction(links, note))), None)


def verify_log(connection: duckdb.DuckDBPyConnection, notes: Iterable[Note] = ()) -> tuple[Head, str | None]:
    """Check the audit log of a warehouse.

    Args:
        connection: an open warehouse.
        notes: heads noted outside of it.

    Returns:
        Where the log ends, and the first break in words, or None.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        links = _links(connection)
        inside = current_head(connection)
    end = Head(len(links), links[-1].stored_sha256 if links else GENESIS)
    trouble = find_break(links, [Note("audit_head", inside), *notes])
    if trouble is None and inside.entries < end.entries:
        trouble = f"entry {inside.entries + 1}: added by hand, audit_head ends with {inside.entries}"
    return end, trouble


# The audit log in order, times as microseconds since 1970.
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
        # Which of two entries of one number comes first is chance, so look ahead before judging what it holds.
        twice = expected < len(links) and links[expected].number == link.number
        if twice or link.number < expected:
            return f"entry {link.number}: there more than once; one was inserted, or two writers forked the log"
        if link.previous_sha256 != previous:
            return f"entry {link.number}: does not follow the entry before it; one of the two was exchanged or altered"
        if link.computed_sha256 != link.stored_sha256:
            return f"entry {link.number}: altered; its content does not give its hash"
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
        raise WarehouseError(f"{path}: no readable head of an audit log ({error}); somebody altered it") from None


def write_head(path: Path, head: Head) -> None:
    """Replace the head in a file (0600), whole or not at all.

    Raises:
        WarehouseError: it cannot be written.
    """
    text = json.dumps({"entries": head.entries, "sha256": head.sha256}) + "\n"
    try:
        write_private(path, text)
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
