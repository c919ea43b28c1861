"""Import care events from a CSV file, all of them or none."""

import csv
from collections.abc import Iterable
from dataclasses import dataclass
from datetime import UTC, datetime, timedelta, timezone
from pathlib import Path
from typing import Annotated, Any, Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    StringConstraints,
    ValidationError,
    ValidationInfo,
    model_validator,
)

from flows.plain_text import read_csv, require_columns
from flows.sources.sidecar import Identifier
from flows.warehouse_access import WarehouseAccess
from pmfer.errors import ConfigurationError
from warehouse.care_events import CareEvent, CareEventKind, events_of_others, store_care_events
from warehouse.consent import ConsentRegister, read_register

REQUIRED = ("patient_id", "kind", "item", "started_at")
OPTIONAL = ("ended_at", "amount", "unit", "note", "event_id", "removed")
_MAX_FAULTS = 100  # bad rows to report; a file with more is probably something else
_FIRST_YEAR = 1990  # earlier years are typing errors


def _given_time(value: Any, info: ValidationInfo) -> datetime:
    """Parse a time of the file. A time without an offset is read in the caller's zone.

    Raises:
        ValueError: it is not a time, is ambiguous, or is out of range.
    """
    try:
        time = datetime.fromisoformat(str(value))
    except ValueError:
        raise ValueError("not a time; write it as 2026-03-02T09:30:00+01:00") from None
    if len(str(value)) <= len("2026-03-02"):
        raise ValueError("a day without a time; write it as 2026-03-02T09:30:00+01:00")
    context = info.context or {}
    zone = context.get("zone")
    if time.tzinfo is None and zone is None:
        raise ValueError("has no offset from UTC; write it as 2026-03-02T09:30:00+01:00, or give --zone")
    if zone is not None and time.tzinfo is None:
        time = _in_zone(time, zone)
    if time.year < _FIRST_YEAR:
        raise ValueError(f"is before {_FIRST_YEAR}")
    if "now" in context and time > context["now"]:
        raise ValueError("is in the future; only past events are imported")
    return time


def _in_zone(time: datetime, zone: ZoneInfo) -> datetime:
    early, late = (time.replace(tzinfo=zone, fold=fold).utcoffset() or timedelta() for fold in (0, 1))
    if early > late:
        raise ValueError("is ambiguous, because the clocks went back; add the UTC offset")
    if early < late:
        raise ValueError("does not exist, because the clocks went forward")
    return time.replace(tzinfo=timezone(early))


Time = Annotated[datetime, BeforeValidator(_given_time)]
Word = Annotated[str, StringConstraints(min_length=1, max_length=200, pattern=r"^[^\x00-\x1f\x7f]*$")]


class CareEventLine(BaseModel):
    """One row of the file, without its empty fields."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    patient_id: Identifier
    kind: CareEventKind
    item: Word
    started_at: Time
    ended_at: Time | None = None
    amount: Annotated[float | None, Field(gt=0, allow_inf_nan=False)] = None
    unit: Annotated[Word | None, StringConstraints(max_length=20)] = None
    note: Annotated[str | None, StringConstraints(max_length=500)] = None
    event_id: Identifier | None = None
    removed: bool = False

    @model_validator(mode="after")
    def _fits_together(self) -> Self:
        if self.ended_at is not None and self.ended_at < self.started_at:
            raise ValueError("ended_at is before started_at")
        if (self.amount is None) != (self.unit is None):
            raise ValueError("amount and unit belong together; give both or neither")
        return self

    def event(self) -> CareEvent:
        """The row as it is stored."""
        values = {name: value for name, value in vars(self).items() if name != "event_id"}
        return CareEvent(**values, own_id=self.event_id)


@dataclass(frozen=True)
class EventFile:
    """The content of a file: its events, and its faults."""

    events: dict[int, CareEvent]  # by row; the header is row 1
    faults: list[str]  # a line for each bad row, with file, row and column


@dataclass(frozen=True)
class ImportResult:
    """The result of an import."""

    message: str  # one line
    faults: tuple[str, ...] = ()  # a line for each bad row; if there are any, nothing was imported


def import_events(access: WarehouseAccess, file: Path, zone: str | None) -> ImportResult:
    """Import a file, all of it or nothing.

    Events of patients without consent for that day are left out, and counted.

    Args:
        access: to the warehouse and the data folder.
        file: CSV, see docs/warehouse.md.
        zone: time zone for times without an offset, such as Europe/Berlin; None: refuse such times.

    Raises:
        ConfigurationError: the file cannot be read or is not a CSV file of care events, or there is no such zone.
        WarehouseError: the warehouse is being written, or the database failed.
    """
    read = read_events(file, zone)
    if read.faults:
        return _refused(file, read.faults)
    access.data.require_writable()
    with access.writing() as writer:
        foreign = events_of_others(writer.connection, list(read.events.values()))
        if foreign:
            return _refused(
                file,
                [
                    f"{file}, row {row}, event_id: stored as an event of another patient; remove it there first"
                    for row, event in read.events.items()
                    if event.event_id in foreign
                ],
            )
        wanted = _consented(read.events.values(), read_register(writer.connection), access.consent_required)
        counts = store_care_events(writer.connection, wanted, file.name)
    known = len(wanted) - counts.added - counts.changed - counts.removed
    message = (
        f"{file.name}: {len(read.events)} rows, {counts.added} new, {counts.changed} changed, "
        f"{counts.removed} removed, {known} as before"
    )
    left_out = len(read.events) - len(wanted)
    return ImportResult(message + (f", {left_out} left out: no consent for their day" if left_out else ""))


def read_events(file: Path, zone: str | None = None, now: datetime | None = None) -> EventFile:
    """Read a file: a header with names from REQUIRED and OPTIONAL in any order, then one event per row.

    Args:
        file: CSV in UTF-8, with commas, semicolons or tabs.
        zone: time zone for times without an offset; None: refuse such times.
        now: no event may be later than this; None: the current time plus a minute of tolerance.

    Raises:
        ConfigurationError: the file cannot be read or is not a CSV file of care events, or there is no such zone.
    """
    context = {"zone": _zone(zone), "now": now or datetime.now(UTC) + timedelta(minutes=1)}
    try:
        return _read(read_csv(file.read_bytes()), file, context)
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except csv.Error as error:
        raise ConfigurationError(f"{file}: not a CSV file in UTF-8 ({error}); save it as one") from None


def _read(lines: "csv.DictReader[str]", file: Path, context: dict[str, Any]) -> EventFile:
    require_columns(lines, file, REQUIRED, OPTIONAL)
    events: dict[int, CareEvent] = {}
    rows: dict[str, int] = {}  # row number by event id
    faults = []
    for line in lines:
        row = lines.line_num
        where = f"{file}, row {row}"
        event = _event(line, where, context)
        if isinstance(event, str):
            faults.append(event)
        elif event.event_id in rows:
            same = "event_id" if event.own_id else "started_at"
            faults.append(f"{where}, {same}: row {rows[event.event_id]} is the same event; keep one")
        else:
            events[row] = event
            rows[event.event_id] = row
        if len(faults) == _MAX_FAULTS:
            break
    return EventFile(events, faults)


def _event(line: dict[str, Any], where: str, context: dict[str, Any]) -> CareEvent | str:
    """The event of a row, or a line that says what is wrong with the row."""
    if None in line:
        return f"{where}: more fields than columns"
    if None in line.values():
        return f"{where}: fewer fields than columns"
    given = {name: text.strip() for name, text in line.items() if text.strip()}
    try:
        return CareEventLine.model_validate(given, context=context).event()
    except ValidationError as error:
        # The value itself is not quoted: it may be a name that somebody wrote instead of a pseudonym.
        first = error.errors(include_url=False)[0]
        field = "".join(f", {part}" for part in first["loc"][:1])
        what = "empty" if first["type"] == "missing" else first["msg"].removeprefix("Value error, ")
        return f"{where}{field}: {what}"


def _zone(name: str | None) -> ZoneInfo | None:
    try:
        return ZoneInfo(name) if name is not None else None
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ConfigurationError(f"--zone {name}: no such time zone; give a name such as Europe/Berlin") from None


def _consented(events: Iterable[CareEvent], register: ConsentRegister, required: bool) -> list[CareEvent]:
    """The events that may be stored. Removing an event needs no consent."""
    return [
        event
        for event in events
        if event.removed or register.refusal(event.patient_id, event.event_date, required) is None
    ]


def _refused(file: Path, faults: list[str]) -> ImportResult:
    shown = tuple(faults[:_MAX_FAULTS])
    count = "1 row is" if len(shown) == 1 else f"{len(shown)} rows are"
    count = f"at least {count}" if len(shown) == _MAX_FAULTS else count
    return ImportResult(f"{file}: {count} wrong; nothing was imported, correct the file and import it again", shown)
