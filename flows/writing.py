"""Opening the warehouse on somebody's behalf: who acts is named, and where the audit log ends is noted outside."""

import logging
from collections.abc import Iterator
from contextlib import closing, contextmanager, suppress
from typing import Any

import duckdb

from flows.data_folder import DataFolder
from flows.privacy.consent_inbox import take_over
from flows.settings import read_settings
from pmfer.errors import ConfigurationError, PmferError, WarehouseError
from warehouse import audit
from warehouse.address import Address, FileAddress
from warehouse.connection import open_reader, open_writer
from warehouse.head_file import note_head
from warehouse.read_log import note_reads, record_read

log = logging.getLogger("pmfer.audit")


@contextmanager
def writing(data: DataFolder, warehouse: Address) -> Iterator[duckdb.DuckDBPyConnection]:
    """The warehouse, open for writing, with what waited to be recorded.

    Args:
        data: the data folder, where the end of the audit log is noted.
        warehouse: address of the warehouse.

    Raises:
        WarehouseError: it cannot be opened or written, see warehouse.connection.open_writer.
    """
    actor = read_settings().actor
    with closing(open_writer(warehouse)) as connection:
        if actor:
            audit.act_as(connection, actor)
        try:
            note_reads(connection, data.read_log)
        except WarehouseError as error:  # no reason to store nothing
            log.warning("where the log of reads ends was not noted: %s", error)
        take_over(connection, data, warehouse.key)
        try:
            yield connection
        except BaseException:
            # A database that broke down refuses this as well; the first error is the one to report.
            with suppress(PmferError):
                note_end(connection, data)
            raise
        note_end(connection, data)


def require_existing(warehouse: Address) -> None:
    """Refuse an address at which there is no warehouse: opened for writing, it would become a new one.

    Raises:
        ConfigurationError, WarehouseError: there is none.
    """
    if isinstance(warehouse, FileAddress):
        if not warehouse.path.is_file():
            raise ConfigurationError(f"{warehouse}: no warehouse there; name another --data-dir")
    else:
        open_reader(warehouse).close()


def note_end(connection: duckdb.DuckDBPyConnection, data: DataFolder) -> None:
    """Note where the audit log ends; a log that lost entries is left for `pmfer warehouse verify` to name.

    Raises:
        WarehouseError: the note cannot be read or written.
    """
    if not note_head(connection, data.audit_head):
        log.warning("the audit log lost entries that %s notes; run `pmfer warehouse verify`", data.audit_head)


def record_reading(data: DataFolder, action: str, /, **details: Any) -> None:
    """Leave an entry in the log of reads, in the name of whoever acts; see warehouse.read_log.record_read.

    Raises:
        WarehouseError: the log cannot be written; then nothing should be read either.
    """
    record_read(data.read_log, read_settings().actor, action, **details)
