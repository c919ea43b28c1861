"""Opening the warehouse on somebody's behalf: who acts is named, and where the audit log ends is noted outside."""

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

from flows.data_folder import DataFolder
from flows.privacy.consent_inbox import take_over
from flows.settings import read_settings
from pmfer.errors import ConfigurationError
from warehouse.address import Address, FileAddress
from warehouse.connection import open_reader
from warehouse.read_log import record_read
from warehouse.warehouse import Warehouse, Writer


@contextmanager
def writing(data: DataFolder, warehouse: Address, *, publishes: bool = True) -> Iterator[Writer]:
    """The warehouse, open for writing in the name of whoever acts, with what waited to be recorded.

    Args:
        data: the data folder, where the end of the audit log is noted.
        warehouse: address of the warehouse.
        publishes: false where what the block leaves is not for readers yet.

    Raises:
        WarehouseError: it cannot be opened, written or published, see warehouse.warehouse.Warehouse.write.
    """
    place = Warehouse(warehouse, data.audit_head, data.read_log)
    with place.write(read_settings().actor, publishes=publishes) as writer:
        take_over(writer.connection, data, warehouse.key)
        yield writer


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


def record_reading(data: DataFolder, action: str, /, **details: Any) -> None:
    """Leave an entry in the log of reads, in the name of whoever acts; see warehouse.read_log.record_read.

    Raises:
        WarehouseError: the log cannot be written; then nothing should be read either.
    """
    record_read(data.read_log, read_settings().actor, action, **details)
