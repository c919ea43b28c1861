"""Export the warehouse as Parquet files by day, for use with other tools."""

import shutil
from collections.abc import Iterator
from datetime import date
from pathlib import Path

from flows.data_folder import DataFolder
from flows.privacy.file_search import files_below
from flows.warehouse_access import WarehouseAccess
from pmfer.errors import ConfigurationError
from warehouse.connection import open_reader
from warehouse.export import Export, is_export, write_export


def export_warehouse(access: WarehouseAccess, out: Path | None, first: date | None, last: date | None) -> list[str]:
    """Export what was last published; return lines that say what was written. No writer has to finish first.

    The files appear all at once and replace an older export. If the warehouse has a key, they are encrypted with it.
    The export is recorded in the read log before it can be used.

    Args:
        access: to the warehouse and the data folder.
        out: folder to write; None: one below the data folder, which `pmfer erase` covers.
        first: first local calendar day; None: from the beginning.
        last: last local calendar day, included; None: to the end.

    Raises:
        ConfigurationError: the folder is in use for something else, cannot be written, or the days are in the wrong
            order.
        WarehouseError: nothing was published yet, the read log cannot be written, or the disk is full.
    """
    if first is not None and last is not None and last < first:
        raise ConfigurationError(f"--from {first} --to {last}: the last day is before the first; swap them")
    data, warehouse = access.data, access.warehouse
    data.require_writable()
    target = (out or data.exports / "warehouse").absolute()
    _require_replaceable(target)
    draft = target.with_name(f".{target.name}.draft")
    try:
        shutil.rmtree(draft, ignore_errors=True)  # left by an export that was killed
        with open_reader(warehouse) as connection:
            export = write_export(connection, draft, key=warehouse.key, first=first, last=last)
        access.record_reading(
            "export",
            rows=export.rows,
            first=first,
            last=last,
            encrypted=warehouse.key is not None,
            manifest_sha256=export.manifest_sha256,
        )
        _put_in_place(draft, target)
    except OSError as error:
        raise ConfigurationError(f"{target}: cannot be written ({error.strerror}); choose another --out") from None
    finally:
        shutil.rmtree(draft, ignore_errors=True)
    return list(_lines(export, data, target, warehouse.key is not None))


def _lines(export: Export, data: DataFolder, target: Path, encrypted: bool) -> Iterator[str]:
    for name, count in export.rows.items():
        yield f"{count:>12,}  rows of {name}"
    span = f"{export.days[0]} to {export.days[-1]}" if export.days else "no day"
    yield f"{span}, {'encrypted' if encrypted else 'not encrypted'}: {target}"
    if not target.is_relative_to(data.root):
        yield "it is outside the data folder, where `pmfer erase` does not reach it: delete it when you are done"


def _require_replaceable(target: Path) -> None:
    if not target.exists() or is_export(target):
        return
    if not target.is_dir() or any(files_below(target)):
        raise ConfigurationError(f"{target}: holds files that are not an export; name a new folder with --out")


def _put_in_place(draft: Path, target: Path) -> None:
    old = target.with_name(f".{target.name}.old")
    shutil.rmtree(old, ignore_errors=True)
    if target.exists():
        target.rename(old)
    draft.rename(target)
    shutil.rmtree(old, ignore_errors=True)
