"""The audit log: who wrote what, appended in the transaction of the write and chained by hash.

An entry never holds a patient_id, nor a hash of one, which anybody could compute who guesses the pseudonym. A patient
is a *subject*: a random word that the table audit_subjects translates. Erasing the patient deletes the translation;
the entries stay as they are, so the chain still verifies.

Reads go into a log of their own (warehouse.read_log), because readers must not wait for the one writer.
"""

import hashlib
import json
import os
import pwd
import re
import secrets
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta
from typing import Any

import duckdb

from pmfer.errors import WarehouseError
from warehouse import sql
from warehouse.transaction import database_path

GENESIS = "0" * 64  # what the first entry follows
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_ACTION = re.compile(r"[a-z][a-z_]{2,63}")


@dataclass(frozen=True)
class Head:
    """Where a chain ends."""

    entries: int  # entries in it
    sha256: str  # of the newest, 64 hex digits; GENESIS while there is none


@dataclass(frozen=True)
class Entry:
    """One entry, as it is hashed."""

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
        """SHA-256 over the canonical form: a JSON array of the fields in their order, 64 hex digits."""
        canonical = json.dumps(list(vars(self).values()), ensure_ascii=True, separators=(",", ":"))
        return hashlib.sha256(canonical.encode()).hexdigest()


def record(
    connection: duckdb.DuckDBPyConnection,
    action: str,
    /,
    *,
    object_id: str | None = None,
    patient_id: str | None = None,
    **details: Any,
) -> None:
    """Append an entry. Call it in the transaction of the write that it speaks of, so that both are stored or neither.

    Args:
        connection: a writer, within a transaction.
        action: what is done, in lower case with underscores; docs/privacy.md lists the actions.
        object_id: what it is done to, by an identifier that no pseudonym can be guessed from: a scoring_id or run_id,
            never a session_id, a path or a quarantine_id.
        patient_id: whom it concerns; stored as a random subject.
        details: counts, dates, reasons, JSON-able; never anything that names a patient, such as a path or a message.

    Raises:
        WarehouseError: the action is misspelt, or the chain was moved by another writer meanwhile: do the transaction
            again.
    """
    if not _ACTION.fullmatch(action):
        raise WarehouseError(f"audit: action {action!r} is not in lower case with underscores; report this as a bug")
    head = current_head(connection)
    entry = Entry(
        number=head.entries + 1,
        recorded_us=(datetime.now(UTC) - _EPOCH) // timedelta(microseconds=1),
        account=account(),
        actor=actor_of(connection),
        action=action,
        object_id=object_id,
        subject=None if patient_id is None else subject_of(connection, patient_id),
        details=json.dumps(details, sort_keys=True, default=str, ensure_ascii=True),
        previous_sha256=head.sha256,
    )
    values = {key: value for key, value in vars(entry).items() if key not in ("number", "recorded_us")}
    times = {"entry": entry.number, "recorded_at": _EPOCH + timedelta(microseconds=entry.recorded_us)}
    connection.execute(sql.statement("append_audit_entry"), {**values, **times, "sha256": entry.sha256})
    connection.execute(sql.statement("move_audit_head"), {"entry": entry.number, "sha256": entry.sha256})


def current_head(connection: duckdb.DuckDBPyConnection) -> Head:
    """Where the log of a warehouse ends.

    Raises:
        WarehouseError: the table of the head was tampered with.
    """
    rows = connection.execute(sql.query("audit_head")).fetchall()
    if len(rows) != 1:
        raise WarehouseError(
            f"warehouse {database_path(connection)}: audit_head has {len(rows)} rows instead of 1; "
            "somebody edited it, restore the file from a snapshot"
        )
    return Head(*rows[0])


def act_as(connection: duckdb.DuckDBPyConnection, actor: str) -> None:
    """Name who acts through this connection, such as a person's or a service's name that is the same on every machine.

    Without it, entries name the account of the operating system. Cursors of the connection have to be told again.
    """
    connection.execute("SET VARIABLE pmfer_actor = $actor", {"actor": actor})


def account() -> str:
    """Account of the operating system under which this process runs; its number if it has no name."""
    try:
        return pwd.getpwuid(os.geteuid()).pw_name
    except KeyError:
        return str(os.geteuid())


def subject_of(connection: duckdb.DuckDBPyConnection, patient_id: str) -> str:
    """What the log calls a patient; a new patient is given a random subject, within the caller's transaction."""
    rows = connection.execute(sql.query("audit_subject"), {"patient_id": patient_id}).fetchall()
    if rows:
        return str(rows[0][0])
    subject = secrets.token_hex(16)
    connection.execute(sql.statement("insert_audit_subject"), {"patient_id": patient_id, "subject": subject})
    return subject


def actor_of(connection: duckdb.DuckDBPyConnection) -> str:
    """Who acts through a connection, see act_as."""
    rows = connection.execute("SELECT getvariable('pmfer_actor')").fetchall()
    return str(rows[0][0] or account())
