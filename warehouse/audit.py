"""The audit log: who wrote what. Entries are appended in the transaction of the write and chained by hash.

An entry never contains a patient_id, nor a hash of one, which anybody who guesses the pseudonym could compute. A
patient appears as a *subject*: a random identifier that the table audit_subjects maps to the patient_id. Erasing a
patient deletes that mapping; the entries stay as they are, so the chain still verifies.

Reads have their own log (warehouse.read_log), because readers must not wait for the single writer.
"""

import hashlib
import json
import os
import pwd
import re
import secrets
from collections.abc import Mapping, Sequence, Set
from dataclasses import dataclass, field
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from warehouse.sql import registered
from warehouse.transaction import database_path

GENESIS = "0" * 64  # previous_sha256 of the first entry
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ACTION = re.compile(r"[a-z][a-z_]{2,63}")


@dataclass(frozen=True)
class Head:
    """Where a chain ends."""

    entries: int  # number of entries
    sha256: str  # of the newest entry, 64 hex digits; GENESIS if there is none


@dataclass(frozen=True)
class Entry:
    """One entry, with the fields that are hashed."""

    number: int  # from 1
    recorded_us: int  # microseconds since 1970-01-01 UTC
    account: str  # of the operating system
    actor: str
    action: str
    object_id: str | None
    subject: str | None
    details: str  # JSON text
    previous_sha256: str

    @property
    def sha256(self) -> str:
        """SHA-256 of the canonical form, a JSON array of the fields in their order; 64 hex digits."""
        canonical = json.dumps(list(vars(self).values()), ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


@dataclass(frozen=True)
class Event:
    """Something to be logged."""

    action: str  # what was done, in lower case with underscores; docs/privacy.md lists the actions
    # What it was done to. The identifier must not reveal a pseudonym: a scoring_id or run_id, never a session_id, a
    # path or a quarantine_id.
    object_id: str | None = None
    patient_id: str | None = None  # whom it concerns; stored as a random subject
    # Counts, dates and reasons that JSON can hold; never anything that names a patient, such as a path or a message.
    details: Mapping[str, Any] = field(default_factory=dict)


def record(
    connection: duckdb.DuckDBPyConnection,
    action: str,
    /,
    *,
    object_id: str | None = None,
    patient_id: str | None = None,
    **details: Any,
) -> None:
    """Append one entry; see record_all and Event."""
    record_all(connection, [Event(action, object_id, patient_id, details)])


# Move the head of the audit log to its newest entry.
_MOVE_AUDIT_HEAD = """
    UPDATE audit_head
    SET entries = $entry, sha256 = $sha256
    WHERE entries = $entries_before AND sha256 = $sha256_before
"""


def record_all(connection: duckdb.DuckDBPyConnection, events: Sequence[Event]) -> None:
    """Append entries. Call it in the same transaction as the writes, so that both are stored or neither.

    Args:
        connection: a writer, within a transaction.
        events: what to log, in order; at least one.

    Raises:
        WarehouseError: an action is not in lower case with underscores, audit_head was tampered with, or another writer
            has appended in the meantime: repeat the transaction.
    """
    for event in events:
        if not _ACTION.fullmatch(event.action):
            raise WarehouseError(
                f"audit log: action {event.action!r} is not in lower case with underscores; report this as a bug"
            )
    before = head = current_head(connection)
    subjects = _subjects_of(connection, {event.patient_id for event in events if event.patient_id is not None})
    now_us = (datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1)
    actor, of_account = actor_of(connection), account()
    entries = []
    for event in events:
        entry = Entry(
            number=head.entries + 1,
            recorded_us=now_us,
            account=of_account,
            actor=actor,
            action=event.action,
            object_id=event.object_id,
            subject=None if event.patient_id is None else subjects[event.patient_id],
            details=json.dumps(event.details, sort_keys=True, default=str, ensure_ascii=True),
            previous_sha256=head.sha256,
        )
        head = Head(entry.number, entry.sha256)
        entries.append(entry)
    _append(connection, entries)
    moved = {"entry": head.entries, "sha256": head.sha256}
    connection.execute(_MOVE_AUDIT_HEAD, {**moved, "entries_before": before.entries, "sha256_before": before.sha256})


# Number and hash of the newest entry of the audit log.
_AUDIT_HEAD = "SELECT entries, sha256 FROM audit_head"


def current_head(connection: duckdb.DuckDBPyConnection) -> Head:
    """Where the audit log of a warehouse ends.

    Raises:
        WarehouseError: the table audit_head was tampered with.
    """
    rows = connection.execute(_AUDIT_HEAD).fetchall()
    if len(rows) != 1:
        raise WarehouseError(
            f"warehouse {database_path(connection)}: audit_head has {len(rows)} rows instead of 1; "
            "somebody edited it: restore the file from a snapshot"
        )
    return Head(*rows[0])


def act_as(connection: duckdb.DuckDBPyConnection, actor: str) -> None:
    """Set who acts through this connection: the name of a person or service, the same on every machine.

    Without it, entries name the operating system account. Every cursor of the connection needs a call of its own.
    """
    connection.execute("SET VARIABLE pmfer_actor = $actor", {"actor": actor})


def account() -> str:
    """The operating system account that runs this process; its number if it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def subject_of(connection: duckdb.DuckDBPyConnection, patient_id: str) -> str:
    """The subject that stands for a patient in the log; a new patient gets one, within the caller's transaction."""
    return _subjects_of(connection, {patient_id})[patient_id]


def actor_of(connection: duckdb.DuckDBPyConnection) -> str:
    """Who acts through a connection; see act_as."""
    rows = connection.execute("SELECT getvariable('pmfer_actor')").fetchall()
    return str(rows[0][0] or account())


# The subjects of these patients; no row for patients who are not in the audit log.
_AUDIT_SUBJECTS = """
    SELECT patient_id, subject
    FROM audit_subjects
    WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
"""


def known_subjects(connection: duckdb.DuckDBPyConnection, patient_ids: Set[str]) -> dict[str, str]:
    """Subjects by patient_id, without patients who are not in the log."""
    return dict(connection.execute(_AUDIT_SUBJECTS, {"patient_ids": sorted(patient_ids)}).fetchall())


# Assign subjects to patients.
_INSERT_AUDIT_SUBJECTS = """
    INSERT INTO audit_subjects (patient_id, subject)
    SELECT unnest($patient_ids), unnest($subjects)
"""


def _subjects_of(connection: duckdb.DuckDBPyConnection, patient_ids: Set[str]) -> dict[str, str]:
    """Subjects by patient_id; new patients get a random one."""
    subjects = known_subjects(connection, patient_ids)
    new = {patient_id: secrets.token_hex(16) for patient_id in sorted(patient_ids - subjects.keys())}
    if new:
        values = {"patient_ids": list(new), "subjects": list(new.values())}
        connection.execute(_INSERT_AUDIT_SUBJECTS, values)
    return subjects | new


# Append entries to the audit log, registered as entry_batch.
_APPEND_AUDIT_ENTRIES = "INSERT INTO audit_log BY NAME FROM entry_batch"


def _append(connection: duckdb.DuckDBPyConnection, entries: Sequence[Entry]) -> None:
    rows = [
        {
            **vars(entry),
            "entry": entry.number,
            "recorded_at": _EPOCH + timedelta(microseconds=entry.recorded_us),
            "sha256": entry.sha256,
        }
        for entry in entries
    ]
    nullable = {"object_id": pl.String, "subject": pl.String}
    batch = pl.DataFrame(rows, schema_overrides=nullable, infer_schema_length=None).drop("number", "recorded_us")
    with registered(connection, "entry_batch", batch):
        connection.execute(_APPEND_AUDIT_ENTRIES)
