"""The read log: who read what. A file of one JSON object per line, chained by hash; its head is in a second file.

It is not a table, so that reads do not wait for a writer and the snapshot can stay read-only. Like the audit log it
contains nothing that names a patient: neither the text of a query nor a path.
"""

import fcntl
import hashlib
import json
import os
import socket
from collections.abc import Iterator, Sequence
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import IO, Any

import duckdb

from pmfer.errors import WarehouseError
from warehouse import audit
from warehouse.audit import GENESIS, Head, account
from warehouse.private_file import make_private_folder
from warehouse.transaction import database_path, one_line_errors, transaction
from warehouse.verify import Link, Note, find_break, read_head, write_head

_TAIL_BYTES = 64 * 1024  # longer than any line


def record_read(log: Path, actor: str | None, action: str, /, **details: Any) -> None:
    """Append an entry. Call it before handing out what is read. Several processes may do so at the same time.

    Args:
        log: file of the log; if it is missing, it is created for its owner only.
        actor: who reads; None: the operating system account.
        action: what is read, such as `sql` or `report`.
        details: counts, dates and names of tables that JSON can hold; never anything that names a patient, such as the
            text of a query.

    Raises:
        WarehouseError: the log cannot be written. Then nothing must be read either.
    """
    try:
        make_private_folder(log.parent)
        with _locked(log) as stream:
            before = _before(_last(stream), read_head(head_of(log)))
            entry = {
                "entry": before.entries + 1,
                "recorded_at": datetime.now(UTC).isoformat(timespec="microseconds"),
                "account": account(),
                "actor": actor or account(),
                "action": action,
                "details": details,
                "previous_sha256": before.sha256,
            }
            line = json.dumps(entry, default=str)
            sha256 = _line_hash(line)
            stream.seek(0, os.SEEK_END)
            stream.write(f'{line[:-1]}, "sha256": "{sha256}"}}\n'.encode())
            stream.flush()
            os.fsync(stream.fileno())
            write_head(head_of(log), Head(before.entries + 1, sha256))
    except (OSError, ValueError, KeyError) as error:
        reason = (isinstance(error, OSError) and error.strerror) or error
        raise WarehouseError(
            f"read log {log}: cannot be written ({reason}); nothing was read: repair the log or grant access to it"
        ) from None


def note_reads(connection: duckdb.DuckDBPyConnection, log: Path) -> None:
    """Note in the audit log where the read log ends, if that has changed.

    Without this, somebody could remove the read log together with its head unnoticed.

    Raises:
        WarehouseError: the head cannot be read, or the database failed.
    """
    head = read_head(head_of(log))
    if head is not None and head not in (note.head for note in noted_reads(connection, log)):
        with transaction(connection):
            audit.record(connection, "reads_noted", place=_place(log), **vars(head))


# The heads of a read log that were noted in the audit log.
_READS_NOTED = """
    SELECT
        CAST(json_extract_string(details, '$.entries') AS BIGINT) AS entries,
        json_extract_string(details, '$.sha256') AS sha256
    FROM audit_log
    WHERE action = 'reads_noted' AND json_extract_string(details, '$.place') = $place
    ORDER BY entry
"""


def noted_reads(connection: duckdb.DuckDBPyConnection, log: Path) -> list[Note]:
    """The heads of this read log that were noted in the audit log.

    Raises:
        WarehouseError: the database failed.
    """
    with one_line_errors(database_path(connection)):
        rows = connection.execute(_READS_NOTED, {"place": _place(log)}).fetchall()
    return [Note("the audit log", Head(int(entries), str(sha256))) for entries, sha256 in rows]


def verify_reads(log: Path, notes: Sequence[Note] = ()) -> tuple[Head, str | None]:
    """Check the read log. A log that does not exist counts as whole, unless a head of it was noted.

    Args:
        log: file of the log.
        notes: heads noted elsewhere, see noted_reads.

    Returns:
        Where the log ends, and the first break in words; None if there is none.

    Raises:
        WarehouseError: the log or its head cannot be read.
    """
    noted = read_head(head_of(log))
    try:
        lines = log.read_text(encoding="utf-8").splitlines() if log.exists() else []
    except (OSError, UnicodeDecodeError) as error:
        raise WarehouseError(f"read log {log}: cannot be read ({error})") from None
    links = []
    for number, line in enumerate(lines, start=1):
        try:
            links.append(_link(line))
        except (ValueError, KeyError, TypeError):
            return Head(len(lines), GENESIS), f"entry {number}: altered; it is not a valid entry"
    end = Head(len(links), links[-1].stored_sha256 if links else GENESIS)
    if noted is None and links:
        return end, f"{head_of(log).name} is missing; without it, a loss of the newest entries cannot be detected"
    fault = find_break(links, [*([Note(head_of(log).name, noted)] if noted else []), *notes])
    # An entry is written before the head; a process killed in between leaves exactly one extra entry.
    if fault is None and noted and end.entries > noted.entries + 1:
        fault = f"entry {noted.entries + 1}: added by hand, {head_of(log).name} ends with {noted.entries}"
    return end, fault


def head_of(log: Path) -> Path:
    """The file that holds the head of a read log."""
    return log.with_name(f"{log.stem}-head.json")


def _link(line: str) -> Link:
    body, separator, rest = line.rpartition(', "sha256": "')
    entry = json.loads(line)
    if not separator or rest != f'{entry["sha256"]}"}}':
        raise ValueError("no hash at the end of the line")
    return Link(int(entry["entry"]), str(entry["previous_sha256"]), str(entry["sha256"]), _line_hash(body + "}"))


def _line_hash(line: str) -> str:
    return hashlib.sha256(line.encode()).hexdigest()


@contextmanager
def _locked(log: Path) -> Iterator[IO[bytes]]:
    """The log, open for appending and locked for this process."""
    descriptor = os.open(log, os.O_RDWR | os.O_CREAT | os.O_APPEND, 0o600)
    with os.fdopen(descriptor, "r+b") as stream:
        fcntl.flock(stream, fcntl.LOCK_EX)
        yield stream


def _last(stream: IO[bytes]) -> Link | None:
    """The last entry, after removing an incomplete line that a killed process left."""
    size = stream.seek(0, os.SEEK_END)
    start = max(0, size - _TAIL_BYTES)
    stream.seek(start)
    tail = stream.read()
    whole = tail[: tail.rfind(b"\n") + 1]
    if len(whole) < len(tail):
        stream.truncate(start + len(whole))
    return _link(whole.splitlines()[-1].decode()) if whole else None


def _before(last: Link | None, noted: Head | None) -> Head:
    """The head that the next entry follows: the noted one, so that a log that was tampered with stays broken.

    If a process was killed after writing an entry and before noting it, the log has one entry more, which then counts.
    """
    noted = noted or Head(0, GENESIS)
    if last is not None and (last.number, last.previous_sha256) == (noted.entries + 1, noted.sha256):
        return Head(last.number, last.stored_sha256)
    return noted


def _place(log: Path) -> str:
    """Identifies the log among those of all machines and data folders. It does not depend on the log's content."""
    return hashlib.sha256(f"{socket.gethostname()}:{log.absolute()}".encode()).hexdigest()[:16]
