"""The inbox: consents and scored sessions that wait below the data folder for the next writer of the warehouse.

Consents wait while a night is writing, because a warehouse file has only one writer. The night checks the inbox before
every session, so that a withdrawal takes effect before the night ends. Scored sessions wait to be stored in a lake
together, because a lake runs one transaction at a time, and one with fifty sessions takes little longer than one with a
single session. Whoever opens the warehouse for writing next stores what a killed run left here. Storing a session again
changes nothing. The files are encrypted if the warehouse is.
"""

import io
import logging
import time
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path

import duckdb
import polars as pl
from pydantic import TypeAdapter

from flows.data_folder import DataFolder
from pmfer.errors import SessionError, WarehouseError
from warehouse import runs, store
from warehouse.consent import Consent, record_consents
from warehouse.encryption import read_parquet, write_parquet
from warehouse.private_file import private_draft
from warehouse.records import BundleRecord, ScoringRecord, SessionRecord, SessionResult

_CONSENTS = {
    "patient_id": pl.String,
    "valid_from": pl.Date,
    "valid_to": pl.Date,
    "withdrawn_on": pl.Date,
    "source": pl.String,
}
_BUNDLE, _SESSION, _SCORING = TypeAdapter(BundleRecord), TypeAdapter(SessionRecord), TypeAdapter(ScoringRecord)

log = logging.getLogger("pmfer.inbox")


def hand_over_consents(data: DataFolder, key: str | None, consents: Sequence[Consent]) -> None:
    """Leave consents for the next writer of the warehouse.

    Raises:
        OSError, WarehouseError: the file cannot be written.
    """
    with private_draft(data.inbox / f"consents-{time.time_ns()}.parquet") as draft:
        write_parquet(pl.DataFrame([vars(consent) for consent in consents], schema=_CONSENTS), draft, key)


def take_over_consents(connection: duckdb.DuckDBPyConnection, data: DataFolder, key: str | None) -> None:
    """Record the consents in the inbox, oldest first.

    Raises:
        WarehouseError: a file cannot be read, or the database failed. Nothing may be scored then.
    """
    for path in sorted(data.inbox.glob("consents-*.parquet")):
        record_consents(connection, [Consent(**row) for row in read_parquet(path, key).iter_rows(named=True)])
        path.unlink(missing_ok=True)


def hand_over_session(data: DataFolder, key: str | None, bundle: BundleRecord, result: SessionResult) -> None:
    """Put a scored session into the inbox until it is stored together with others.

    Raises:
        OSError: the file cannot be written.
        WarehouseError: the file cannot be written, or the batch breaks a rule; the inbox is then unchanged.
    """
    store.require_storable(bundle, [result])  # a session that can never be stored must not wait in the inbox
    frames = io.BytesIO()
    result.frames.write_ipc(frames, compression="zstd")
    row = {
        "bundle": _BUNDLE.dump_json(bundle).decode(),
        "session": _SESSION.dump_json(result.session).decode(),
        "scoring": _SCORING.dump_json(result.scoring).decode(),
        "frames": frames.getvalue(),
    }
    with private_draft(_path(data, bundle, result)) as draft:
        write_parquet(pl.DataFrame([row]), draft, key)


def take_over_sessions(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, key: str | None, *, consent_required: bool
) -> None:
    """Store the sessions that a killed run left. Refused ones are dropped; the next run of their night says why.

    Raises:
        WarehouseError: a file cannot be read, or the database failed.
    """
    found = list(_sessions(data, key))
    for bundle in {bundle.bundle_id: bundle for bundle, _ in found}.values():
        ours: list[SessionResult] = []
        foreign: list[SessionResult] = []
        for result in (result for other, result in found if other.bundle_id == bundle.bundle_id):
            (ours if runs.knows_run(connection, result.scoring.run_id) else foreign).append(result)
        if ours:
            refused = store_together(connection, data, bundle, ours, consent_required=consent_required)
            log.info("sessions that an earlier run had scored, now stored: %d", len(ours) - len(refused))
        if foreign:
            _forget(data, bundle, foreign)
            log.warning("scored sessions of another warehouse, removed from the inbox: %d", len(foreign))


def store_together(
    connection: duckdb.DuckDBPyConnection,
    data: DataFolder,
    bundle: BundleRecord,
    results: Sequence[SessionResult],
    *,
    consent_required: bool,
) -> dict[str, SessionError]:
    """Store sessions in one transaction, and remove them from the inbox.

    If the warehouse refuses one of them, each is stored separately, so that the others are not affected.

    Returns:
        Why a session was refused, by session id.

    Raises:
        WarehouseError: the database failed; the sessions stay in the inbox.
    """
    refused = {}
    try:
        store.store_sessions(connection, bundle, results, consent_required=consent_required)
    except SessionError:
        for result in results:
            try:
                store.store_sessions(connection, bundle, [result], consent_required=consent_required)
            except SessionError as error:
                refused[result.session.session_id] = error
    _forget(data, bundle, results)
    return refused


def _forget(data: DataFolder, bundle: BundleRecord, results: Iterable[SessionResult]) -> None:
    for result in results:
        _path(data, bundle, result).unlink(missing_ok=True)


def _path(data: DataFolder, bundle: BundleRecord, result: SessionResult) -> Path:
    """The file of a result. Its name is the result's identity, which reveals no patient."""
    identity = store.scoring_id(result.session.content_sha256, bundle.bundle_id, result.scoring.options_sha256)
    return data.inbox / f"session-{identity}.parquet"


def _sessions(data: DataFolder, key: str | None) -> Iterator[tuple[BundleRecord, SessionResult]]:
    for path in sorted(data.inbox.glob("session-*.parquet")):
        try:
            yield _read(path, key)
        except WarehouseError:
            if path.exists():
                raise
            # Another process on this machine has stored it since it was listed.


def _read(path: Path, key: str | None) -> tuple[BundleRecord, SessionResult]:
    row = read_parquet(path, key).row(0, named=True)
    session, scoring = _SESSION.validate_json(row["session"]), _SCORING.validate_json(row["scoring"])
    return _BUNDLE.validate_json(row["bundle"]), SessionResult(session, scoring, pl.read_ipc(row["frames"]))
