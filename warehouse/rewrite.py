"""Writes the storage of a warehouse anew, so that the bytes of deleted rows are gone from it.

DuckDB keeps deleted rows in the free blocks of its file until something else is written there; a lake keeps its
history. Everything here is about the storage; which rows go is decided elsewhere.
"""

from collections.abc import Iterator
from pathlib import Path

from warehouse.address import Address, FileAddress
from warehouse.connection import open_writer
from warehouse.lake import forget_history
from warehouse.publish import copy_database, flush, remove_database
from warehouse.transaction import one_line_errors


def rewrite(address: Address) -> None:
    """Leave nothing of a warehouse but its present content. Interrupted at any point, it is whole and can be repeated.

    Nobody may have it open for writing, this process included. A file takes the room of a second one while it works.

    Raises:
        WarehouseError: it is open, or there is no room for the copy; what was there is as it was.
    """
    if isinstance(address, FileAddress):
        _rewrite_file(address)
    else:
        forget_history(address)


def storage_files(address: Address) -> Iterator[Path]:
    """The files of a warehouse on this machine, without the snapshot: those that only `rewrite` may touch.

    Those of a lake may lie in object storage and in PostgreSQL; there is then nothing on this machine.
    """
    if isinstance(address, FileAddress):
        yield from _with_companions(address.path, ".wal")
        return
    if address.catalogue == "sqlite":
        yield from _with_companions(Path(address.connection), "-wal", "-shm", "-journal", ".lock")
    if not address.data.startswith("s3://"):
        yield from (path for path in sorted(Path(address.data).rglob("*")) if path.is_file())


def _with_companions(path: Path, *endings: str) -> Iterator[Path]:
    names = (path, *(path.with_name(path.name + ending) for ending in endings))
    yield from (name for name in names if name.is_file())


def _rewrite_file(address: FileAddress) -> None:
    draft = address.path.with_name(f".{address.path.name}.rewritten")
    with one_line_errors(address):
        connection = open_writer(address)
        try:
            remove_database(draft)
            connection.execute("CHECKPOINT")
            copy_database(connection, draft, address.key)
            flush(draft)
            # While the old file is still held, so that no other process can write into it in between.
            draft.replace(address.path)
            flush(address.path.parent)
        finally:
            connection.close()
            remove_database(draft)
