"""Consents that come while a night writes the warehouse: they wait in a file for it, and it looks before every session.

A withdrawal must not wait for the end of a night, and the file of a warehouse has one writer.
"""

import time
from collections.abc import Sequence

import duckdb
import polars as pl

from flows.data_folder import DataFolder
from warehouse.consent import Consent, record_consents
from warehouse.encryption import read_parquet, write_parquet
from warehouse.private_file import private_draft

_SCHEMA = {
    "patient_id": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "withdrawn_on": pl.Date,
    "source": pl.String,
}


def hand_over(data: DataFolder, key: str | None, consents: Sequence[Consent]) -> None:
    """Leave consents for whoever writes the warehouse, encrypted if it is.

    Raises:
        OSError, WarehouseError: the file cannot be written.
    """
    with private_draft(data.inbox / f"consents-{time.time_ns()}.parquet") as draft:
        write_parquet(pl.DataFrame([vars(consent) for consent in consents], schema=_SCHEMA), draft, key)


def take_over(connection: duckdb.DuckDBPyConnection, data: DataFolder, key: str | None) -> tuple[int, int]:
    """Record what was left, the oldest first; how many were new or changed, and how many were passed over.

    Raises:
        WarehouseError: a file cannot be read, or the database refused: nothing may be scored then.
    """
    changed = passed_over = 0
    for path in sorted(data.inbox.glob("consents-*.parquet")):
        rows = read_parquet(path, key).iter_rows(named=True)
        counts = record_consents(connection, [Consent(**row) for row in rows])
        changed, passed_over = changed + counts[0], passed_over + counts[1]
        path.unlink(missing_ok=True)
    return changed, passed_over
