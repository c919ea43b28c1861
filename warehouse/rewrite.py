"""Writes the storage of a warehouse anew, so that the bytes of deleted rows are gone from it.

DuckDB keeps deleted rows in the free blocks of its file until something else is written there; a lake keeps its
history. Everything here is about the storage; which rows go is decided elsewhere.
"""

import shutil
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pmfer.errors import WarehouseError
from warehouse.address import Address, FileAddress
from warehouse.connection import open_writer
from warehouse.lake import alone, forget_history
from warehouse.lock import WORK_SUFFIX
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


@contextmanager
def standstill(address: Address) -> Iterator[None]:
    """Nobody else works on a lake for as long as it lasts; a file has one writer anyway.

    Raises:
        WarehouseError: a night or a shard is at work.
    """
    if isinstance(address, FileAddress):
        yield
    else:
        with alone(address):
            yield


def require_room(address: Address) -> None:
    """Refuse to begin what `rewrite` could not end.

    Raises:
        WarehouseError: the disk has no room for a second copy of the file.
    """
    if isinstance(address, FileAddress):
        free, needed = shutil.disk_usage(address.path.parent).free, 2 * address.path.stat().st_size
        if free < needed:
            raise WarehouseError(
                f"warehouse {address}: is written anew, and published, and needs {needed / 1e6:.0f} MB for that; "
                f"{free / 1e6:.0f} MB are free: make room"
            )


def storage_files(address: Address) -> Iterator[Path]:
    """The files of a warehouse on this machine, without the snapshot: those that only `rewrite` may touch.

    Those of a lake may lie in object storage and in PostgreSQL; there is then nothing on this machine.
    """
    if isinstance(address, FileAddress):
        yield from _with_companions(address.path, ".wal")
        return
    if address.catalogue == "sqlite":
        yield from _with_companions(Path(address.connection), "-wal", "-shm", "-journal", ".lock", WORK_SUFFIX)
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
