"""The warehouse as the other rooms write it: one object that opens it and owns what must not be forgotten.

Whoever writes is named in the audit log, where that log ends is noted outside of the database, and what was written is
published when the block ends well.
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
        """Give readers what is stored so far, before the block ends; see warehouse.publish.publish."""
        return publish(self.connection, self.address)


@dataclass(frozen=True)
class Warehouse:
    """A warehouse at its address, with the files beside it that bear witness to its logs."""

    address: Address
    audit_head: Path  # where the end of the audit log is noted
    read_log: Path  # the log of reads

    @contextmanager
    def write(self, actor: str | None = None, *, publishes: bool = True) -> Iterator[Writer]:
        """Open it for writing. What the block wrote is published when it ends well.

        Args:
            actor: who acts, for the audit log; None: the account of the operating system.
            publishes: false where what the block leaves is not for readers yet.

        Raises:
            WarehouseError: it cannot be opened, written or published, see open_writer and publish.
        """
        with open_writer(self.address) as connection:
            if actor:
                audit.act_as(connection, actor)
            try:
                note_reads(connection, self.read_log)
            except WarehouseError as error:  # no reason to store nothing
                log.warning("where the log of reads ends was not noted: %s", error)
            before = self._head(connection)
            writer = Writer(connection, self.address)
            try:
                yield writer
                if publishes and self._head(connection) != before:
                    writer.publish()
            except BaseException:
                # A database that broke down refuses this as well; the first error is the one to report.
                with suppress(PmferError):
                    self._note_end(connection)
                raise
            self._note_end(connection)

    def _head(self, connection: duckdb.DuckDBPyConnection) -> audit.Head:
        with one_line_errors(self.address):
            return audit.current_head(connection)

    def _note_end(self, connection: duckdb.DuckDBPyConnection) -> None:
        """Note where the audit log ends; a log that lost entries is left for `pmfer warehouse verify` to name."""
        if not note_head(connection, self.audit_head):
            log.warning("the audit log lost entries that %s notes; run `pmfer warehouse verify`", self.audit_head)
