"""Store a single session in a warehouse, as tests mostly do; a night stores several at once."""

import duckdb
import polars as pl

from warehouse.records import BundleRecord, ScoringRecord, SessionRecord, SessionResult
from warehouse.store import store_sessions


def store_session(
    connection: duckdb.DuckDBPyConnection,
    session: SessionRecord,
    scoring: ScoringRecord,
    bundle: BundleRecord,
    frames: pl.DataFrame,
    *,
    consent_required: bool = False,
) -> bool:
    """Whether it was stored; false if this content is already stored with this bundle and these options."""
    result = SessionResult(session, scoring, frames)
    return store_sessions(connection, bundle, [result], consent_required=consent_required) == 1
