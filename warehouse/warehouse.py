"""The warehouse as other rooms write it: one object that opens it and does everything that must not be forgotten.

It names in the audit log who writes, notes outside the database where that log ends, and publishes what was written if
the block succeeds.
"""

import logging
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path

import duckdb

from pmfer.errors import PmferError, WarehouseError
from warehouse import audit
from warehouse.address import Address
from warehouse.connection import open_writer
from warehouse.publish import publish
from warehouse.read_log import note_reads
from warehouse.transaction import one_line_errors
from warehouse.verify import note_head

log = logging.getLogger("pmfer.audit")


@dataclass(frozen=True)
class Writer:
    """A warehouse that is open for writing."""

    connection: duckdb.DuckDBPyConnection
    address: Address

    def publish(self) -> bool:
        """Publish what has been stored so far, before the block ends; see warehouse.publish.publish."""
        return publish(self.connection, self.address)


@dataclass(frozen=True)
class Warehouse:
    """A warehouse at its address, with the files outside it that protect its logs."""

    address: Address
    audit_head: Path  # file in which the end of the audit log is noted
    read_log: Path  # file of the read log

    @contextmanager
    def write(self, actor: str | None = None, *, publishes: bool = True) -> Iterator[Writer]:
        """Open it for writing. If the block succeeds, what it wrote is published.

        Args:
            actor: who acts, for the audit log; None: the operating system account.
            publishes: false if readers must not see the state at the end of the block yet.

        Raises:
            WarehouseError: it cannot be opened, written or published; see open_writer and publish.
        """
        with open_writer(self.address) as connection:
            if actor:
                audit.act_as(connection, actor)
            try:
                note_reads(connection, self.read_log)
            except WarehouseError as error:  # this must not prevent storing sessions
                log.warning("could not note where the read log ends: %s", error)
            before = self._head(connection)
            writer = Writer(connection, self.address)
            try:
                yield writer
                if publishes and self._head(connection) != before:
                    writer.publish()
            except BaseException:
                # If the database was invalidated, this fails, too; the error to report is the first one.
                with suppress(PmferError):
                    self._note_end(connection)
                raise
            self._note_end(connection)

    def _head(self, connection: duckdb.DuckDBPyConnection) -> audit.Head:
        with one_line_errors(self.address):
            return audit.current_head(connection)

    def _note_end(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Note where the audit log ends. If it has lost entries, `pmfer warehouse verify` says which."""
        if not note_head(connection, self.audit_head):
            log.warning("the audit log has lost entries noted in %s; run `pmfer warehouse verify`", self.audit_head)
