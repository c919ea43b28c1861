"""A polars frame that statements read by a name, for as long as they run."""

from collections.abc import Iterator
from contextlib import contextmanager, suppress

import duckdb
import polars as pl


@contextmanager
def registered(connection: duckdb.DuckDBPyConnection, name: str, batch: pl.DataFrame) -> Iterator[None]:
    """Let statements in the block read a frame as the relation `name`; nothing is copied."""
    connection.register(name, batch)
    try:
        yield
    finally:
        # In a transaction that failed this is refused, and done by the rollback.
        with suppress(duckdb.Error):
            connection.unregister(name)
