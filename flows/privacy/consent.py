"""The register of consents: import it from a CSV file, and show it."""

import csv
from collections.abc import Iterator, Sequence
from datetime import date
from pathlib import Path
from typing import Annotated, Self

import polars as pl
from pydantic import BaseModel, BeforeValidator, ConfigDict, StringConstraints, ValidationError, model_validator

from flows.inbox import hand_over_consents
from flows.plain_text import read_csv, require_columns
from flows.sources.sidecar import Identifier
from flows.warehouse_access import WarehouseAccess
from pmfer.errors import ConfigurationError, WarehouseBusyError
from warehouse import queries
from warehouse.connection import open_reader
from warehouse.consent import Consent, record_consents

REQUIRED = ("patient_id", "valid_from", "source")
OPTIONAL = ("valid_to", "withdrawn_on")

_OF_ERASED = "their patients have been erased; a new consent needs another first day or another source"

OptionalDay = Annotated[date | None, BeforeValidator(lambda text: text or None)]


class ConsentLine(BaseModel):
    """One row of the file."""

    model_config = ConfigDict(frozen=True, extra="forbid", str_strip_whitespace=True)

    patient_id: Identifier
    valid_from: date  # YYYY-MM-DD, a local calendar day, like the other dates
    valid_to: OptionalDay = None
    withdrawn_on: OptionalDay = None
    source: Annotated[str, StringConstraints(min_length=1, max_length=200)]

    @model_validator(mode="after")
    def _in_order(self) -> Self:
        if self.valid_to is not None and self.valid_to < self.valid_from:
            raise ValueError(f"valid_to {self.valid_to} is before valid_from {self.valid_from}")
        if self.withdrawn_on is not None and self.withdrawn_on < self.valid_from:
            raise ValueError(f"withdrawn_on {self.withdrawn_on} is before valid_from {self.valid_from}")
        return self


def import_consents(access: WarehouseAccess, file: Path) -> str:
    """Import a file into the register, all of it or nothing; return a line that says what was new.

    While a night is writing the warehouse, the rows are left in the inbox, where the night looks before each session.

    Raises:
        ConfigurationError: the file cannot be read, or a row is wrong. The message gives file, row and field.
        WarehouseError: the database failed.
    """
    consents = read_consents(file)
    access.data.require_writable()
    try:
        changed, skipped = _record(access, consents)
    except WarehouseBusyError:
        hand_over_consents(access.data, access.warehouse.key, consents)
        try:  # the night may have ended without looking again
            changed, skipped = _record(access, consents)
        except WarehouseBusyError:
            return f"{file.name}: {len(consents)} rows; a night is running, which records them before its next session"
    summary = f"{file.name}: {len(consents)} rows, {changed} new or changed"
    return summary + (f", {skipped} skipped: {_OF_ERASED}" if skipped else "")


def _record(access: WarehouseAccess, consents: Sequence[Consent]) -> tuple[int, int]:
    with access.writing() as writer:
        return record_consents(writer.connection, consents)


def read_consents(file: Path) -> list[Consent]:
    """The rows of a file: a header with names from REQUIRED and OPTIONAL in any order, a period of consent per row.

    Raises:
        ConfigurationError: the file cannot be read, or a row is wrong. The message gives file, row and field.
    """
    try:
        return list(_consents(read_csv(file.read_bytes()), file))
    except OSError as error:
        raise ConfigurationError(f"{file}: cannot be read ({error.strerror}); check the path") from None
    except csv.Error as error:
        raise ConfigurationError(f"{file}: not a CSV file in UTF-8 ({error})") from None


def published_consents(access: WarehouseAccess, patient_id: str | None) -> pl.DataFrame:
    """The register as last published, for one patient or (None) for all.

    Raises:
        WarehouseError: nothing was published yet.
    """
    with open_reader(access.warehouse) as connection:
        access.record_reading("consents")
        return queries.consents(connection, patient_id)


def _consents(lines: "csv.DictReader[str]", file: Path) -> Iterator[Consent]:
    require_columns(lines, file, REQUIRED, OPTIONAL)
    seen: dict[tuple[str, date], int] = {}
    for line in lines:
        where = f"{file}, row {lines.line_num}"
        if None in line:
            raise ConfigurationError(f"{where}: more fields than columns")
        consent = Consent(**vars(_validated(line, where)))
        key = (consent.patient_id, consent.valid_from)
        if key in seen:
            raise ConfigurationError(f"{where}, valid_from: row {seen[key]} has a period from that day already")
        seen[key] = lines.line_num
        yield consent


def _validated(line: dict[str, str], where: str) -> ConsentLine:
    try:
        return ConsentLine.model_validate(line)
    except ValidationError as error:
        first = error.errors(include_url=False)[0]
        field = "".join(f", {part}" for part in first["loc"])
        raise ConfigurationError(f"{where}{field}: {first['msg']}") from None
