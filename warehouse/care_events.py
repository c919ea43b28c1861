"""Care events: what was done for a patient (doses, therapies, transfers), imported from a file of the facility.

An event is identified by its event_id. Importing the same event again changes nothing; with other content it replaces
the stored one.
"""

from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from datetime import UTC, date, datetime, timedelta
from enum import StrEnum

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from warehouse import audit, sql
from warehouse.consent import with_tombstone
from warehouse.records import digest
from warehouse.sql import registered
from warehouse.transaction import transaction

_TIME = pl.Datetime("us", "UTC")
_SCHEMA: dict[str, pl.DataType | type[pl.DataType]] = {
    "event_id": pl.String,
    "patient_id": pl.String,
    "kind": pl.String,
    "item": pl.String,
    "event_date": pl.Date,
    "started_at": _TIME,
    "utc_offset_s": pl.Int32,
    "ended_at": _TIME,
    "amount": pl.Float64,
    "unit": pl.String,
    "note": pl.String,
    "removed": pl.Boolean,
}


class CareEventKind(StrEnum):
    """What kind of event it is."""

    MEDICATION = "medication"
    THERAPY = "therapy"
    TRANSFER = "transfer"
    CARE = "care"  # washing, positioning, a change of dressing
    OTHER = "other"


@dataclass(frozen=True)
class CareEvent:
    """One event, as stated in the file."""

    patient_id: str  # pseudonym
    kind: CareEventKind
    item: str  # what was given or done, or the destination of a transfer
    started_at: datetime  # with the UTC offset of local time
    ended_at: datetime | None = None  # with a UTC offset, not before started_at
    amount: float | None = None  # in `unit`, above 0
    unit: str | None = None  # None exactly if amount is None
    note: str | None = None
    own_id: str | None = None  # identifier in the system that the file comes from
    removed: bool = False  # whether to delete the event, because it was entered in error

    @property
    def event_id(self) -> str:
        """`own_id`, or without one, the SHA-256 of patient, kind, item and start, 64 hex digits."""
        if self.own_id is not None:
            return self.own_id
        return digest("care event", self.patient_id, self.kind, self.item, str(self.started_at.timestamp()))

    @property
    def event_date(self) -> date:
        """Local calendar day of the start."""
        return self.started_at.date()

    @property
    def utc_offset_s(self) -> int:
        """UTC offset of local time at the start, in seconds."""
        return int((self.started_at.utcoffset() or timedelta()).total_seconds())


@dataclass(frozen=True)
class ImportCounts:
    """How many events an import added, changed and removed."""

    added: int
    changed: int
    removed: int


# Events of event_batch whose identifier is stored for another patient.
_CARE_EVENTS_OF_OTHERS = """
    SELECT event_id
    FROM event_batch
    JOIN care_events AS stored USING (event_id)
    WHERE stored.patient_id <> event_batch.patient_id
    ORDER BY event_id
"""


def events_of_others(connection: duckdb.DuckDBPyConnection, events: Sequence[CareEvent]) -> set[str]:
    """Identifiers among these events that are stored for another patient; such events must not be imported.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection), registered(connection, "event_batch", _batch(events)):
        return {event_id for (event_id,) in connection.execute(_CARE_EVENTS_OF_OTHERS).fetchall()}


def store_care_events(connection: duckdb.DuckDBPyConnection, events: Sequence[CareEvent], source: str) -> ImportCounts:
    """Import events, all or none, with an entry in the audit log for every patient with changes.

    Events of patients who were erased are skipped.

    Args:
        connection: a writer.
        events: with different identifiers.
        source: name of the file that they come from, without its folder.

    Returns:
        What changed; all zero if everything was stored already.

    Raises:
        WarehouseError: an event is stored for another patient, or the database failed; nothing was stored.
    """
    with transaction(connection):
        erased = with_tombstone(connection, "patient", {event.patient_id for event in events})
        return _store([event for event in events if event.patient_id not in erased], connection, source)


# Delete the care events that event_changes changes or removes.
_DELETE_CARE_EVENTS = "DELETE FROM care_events WHERE event_id IN (SELECT event_id FROM event_changes)"
# Store the care events of event_batch that are new or changed according to event_changes.
_INSERT_CARE_EVENTS = """
    INSERT INTO care_events BY NAME
    SELECT
        event_id, patient_id, kind, item, event_date, started_at, utc_offset_s, ended_at, amount, unit, note,
        $source AS source, now() AS imported_at
    FROM event_batch
    WHERE event_id IN (SELECT event_id FROM event_changes WHERE change <> 'removed')
"""


def _store(events: Sequence[CareEvent], connection: duckdb.DuckDBPyConnection, source: str) -> ImportCounts:
    with registered(connection, "event_batch", _batch(events)):
        conflicts = connection.execute(_CARE_EVENTS_OF_OTHERS).fetchall()
        if conflicts:
            raise WarehouseError(f"care event {conflicts[0][0]}: stored for another patient; remove it there first")
        changes = connection.execute(sql.query("care_event_changes")).pl()
        if changes.is_empty():
            return ImportCounts(0, 0, 0)
        with registered(connection, "event_changes", changes):
            connection.execute(_DELETE_CARE_EVENTS)
            connection.execute(_INSERT_CARE_EVENTS, {"source": source})
        for (patient_id,), rows in changes.group_by("patient_id", maintain_order=True):
            audit.record(connection, "care_events_imported", patient_id=str(patient_id), **vars(_counts(rows)))
    return _counts(changes)


def _batch(events: Sequence[CareEvent]) -> pl.DataFrame:
    columns = {name: [getattr(event, name) for event in events] for name in _SCHEMA}
    for name in ("started_at", "ended_at"):
        columns[name] = [None if at is None else at.astimezone(UTC) for at in columns[name]]
    return pl.DataFrame(columns, schema=_SCHEMA)


def _counts(changes: pl.DataFrame) -> ImportCounts:
    counts = Counter(changes["change"])
    return ImportCounts(counts["added"], counts["changed"], counts["removed"])
