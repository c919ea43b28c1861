"""Writes to the warehouse. Every function is one transaction: its rows appear together or not at all.

Each does nothing when what it would write is already there, so that a night can be run again after any interruption.
"""

import json
from collections.abc import Collection, Mapping, Sequence
from contextlib import suppress
from typing import Any

import duckdb
import polars as pl

from pmfer.errors import QuarantineReason, SessionError, WarehouseError
from warehouse import audit, sql
from warehouse.consent import read_register
from warehouse.frames import check_frames, extra_scores
from warehouse.records import (
    BundleRecord,
    QuarantineRecord,
    ReportRecord,
    RunOutcome,
    RunRecord,
    ScoringRecord,
    SessionRecord,
    digest,
)
from warehouse.transaction import database_path, one_line_errors, transaction

_FRAME_STATEMENTS = ("insert_frame_scores", "insert_session_rollups", "insert_au_quantiles", "insert_episodes")
_EXTRA_STATEMENTS = ("insert_frame_extra_scores", "insert_phrase_quantiles")


def scoring_id(content_sha256: str, bundle_id: str, options_sha256: str) -> str:
    """Identity of a result, 64 hex digits: the same content, bundle and options are never stored twice."""
    return digest(content_sha256, bundle_id, options_sha256)


def check_session(connection: duckdb.DuckDBPyConnection, session: SessionRecord) -> None:
    """Check that a session does not contradict what is stored; worth doing before its video is decoded.

    Raises:
        SessionError: there is no consent, or none on record for the day (NO_CONSENT), the start has no UTC offset
            (SIDECAR_INVALID), the same bytes are stored as another session (DUPLICATE_CONTENT), or the session is
            stored with other bytes, another patient or another start (SESSION_CONFLICT).
        WarehouseError: the database refused.
    """
    name = f"session {session.session_id} ({session.source_uri})"
    if not session.consent:
        raise SessionError(QuarantineReason.NO_CONSENT, f"{name}: no consent; nothing of it may be stored")
    if session.started_at.tzinfo is None:
        raise SessionError(QuarantineReason.SIDECAR_INVALID, f"{name}: started_at has no UTC offset; add it")
    refusal = read_register(connection).refusal(session.patient_id, session.session_date)
    if refusal:
        raise SessionError(QuarantineReason.NO_CONSENT, f"{name}: {refusal}; nothing of it may be stored")
    keys = {
        "session_id": session.session_id,
        "content_sha256": session.content_sha256,
        "patient_id": session.patient_id,
        "started_at": session.started_at,
    }
    with one_line_errors(database_path(connection)):
        alike = connection.execute(sql.query("sessions_alike"), keys).fetchall()
    for stored_id, same_video, same_patient, same_start in alike:
        if stored_id != session.session_id:
            raise SessionError(
                QuarantineReason.DUPLICATE_CONTENT,
                f"{name}: the same video is stored as {stored_id}; remove one of them",
            )
        if not (same_video and same_patient and same_start):
            other = "video" if not same_video else "patient" if not same_patient else "start"
            raise SessionError(
                QuarantineReason.SESSION_CONFLICT,
                f"{name}: stored already with another {other}; correct the sidecar or give it another session_id",
            )


def store_session(
    connection: duckdb.DuckDBPyConnection,
    session: SessionRecord,
    scoring: ScoringRecord,
    bundle: BundleRecord,
    frames: pl.DataFrame,
) -> bool:
    """Store a scored session: patient, bundle, session, scoring, frames and their rollups, quantiles and episodes.

    Its source leaves the quarantine. Nothing is read of the frames stored before, however many there are.

    Args:
        connection: from open_writer.
        session: the session.
        scoring: how it was scored; its frame counts must be those of the batch.
        bundle: what scored it.
        frames: one row per sampled frame, see warehouse.frames; a column more for every additional phrase.

    Returns:
        False, with nothing written, when this content was stored with this bundle and these options before.

    Raises:
        SessionError: the session contradicts what is stored, see check_session.
        WarehouseError: the batch breaks a rule, or the database refused.
    """
    check_frames(frames, session.session_id, bundle.extra_columns)
    _check_counts(session, scoring, frames)
    identity = scoring_id(session.content_sha256, bundle.bundle_id, scoring.options_sha256)
    with transaction(connection):
        check_session(connection, session)
        if connection.execute(sql.query("scorings_existing"), {"scoring_ids": [identity]}).fetchall():
            return False
        _insert_session(connection, session, bundle)
        _insert_scoring(connection, identity, session, bundle, scoring)
        _insert_frames(connection, identity, frames, bundle.extra_columns)
        connection.execute(sql.statement("delete_quarantine"), {"source_uri": session.source_uri})
        audit.record(
            connection,
            "session_stored",
            object_id=identity,
            patient_id=session.patient_id,
            session_date=session.session_date,
            run_id=scoring.run_id,
            bundle_id=bundle.bundle_id,
            frames=frames.height,
        )
    return True


def start_run(connection: duckdb.DuckDBPyConnection, run: RunRecord) -> None:
    """Record that a run started. Runs of the same night that never finished were killed and are marked failed.

    Raises:
        WarehouseError: the run_id was used before, or the database refused.
    """
    with transaction(connection):
        connection.execute(sql.statement("fail_interrupted_runs"), {"night": run.night})
        if not _changed(connection, "insert_run", {**vars(run), "options": _json(run.options)}):
            raise WarehouseError(f"run {run.run_id}: it is stored already; use another identifier")
        audit.record(connection, "run_started", object_id=run.run_id, night=run.night, bundle_id=run.bundle_id)


def finish_run(connection: duckdb.DuckDBPyConnection, run_id: str, outcome: RunOutcome) -> None:
    """Record how a run ended. A completed one makes its bundle and options active, unless a later night has others.

    Raises:
        WarehouseError: no such run is running, or the database refused.
    """
    with transaction(connection):
        if not _changed(connection, "finish_run", {"run_id": run_id, **vars(outcome)}):
            raise WarehouseError(f"run {run_id}: not running, so it cannot be finished; start it first")
        counts = {key: value for key, value in vars(outcome).items() if key != "message"}  # it may name a session
        audit.record(connection, "run_finished", object_id=run_id, **counts)
        before = connection.execute(sql.query("active_bundle")).fetchall()
        connection.execute(sql.statement("activate_bundle"), {"run_id": run_id})
        after = connection.execute(sql.query("active_bundle")).fetchall()
        if after != before:
            bundle_id, options_sha256 = after[0]
            audit.record(connection, "bundle_activated", object_id=bundle_id, options_sha256=options_sha256)


def add_quarantine(connection: duckdb.DuckDBPyConnection, record: QuarantineRecord) -> bool:
    """Set a session aside. A source has one row: a new trouble takes the place of an earlier one.

    Returns:
        False, with nothing written, when the same trouble with the same file is recorded already.

    Raises:
        WarehouseError: the database refused.
    """
    values = {**vars(record), "quarantine_id": record.quarantine_id, "reason": str(record.reason)}
    with transaction(connection):
        added = _changed(connection, "insert_quarantine", values) > 0
        if added:
            keys = {"source_uri": record.source_uri, "quarantine_id": record.quarantine_id}
            connection.execute(sql.statement("delete_quarantine_before"), keys)
            audit.record(
                connection, "session_set_aside", patient_id=record.patient_id, night=record.night, reason=record.reason
            )
    return added


def lift_quarantine(connection: duckdb.DuckDBPyConnection, source_uri: str) -> bool:
    """Take a source out of quarantine; true if it was in.

    store_session does so itself: this is for a source whose session turns out to be stored already.

    Raises:
        WarehouseError: the database refused.
    """
    with transaction(connection):
        lifted = _changed(connection, "delete_quarantine", {"source_uri": source_uri})
        if lifted:
            audit.record(connection, "quarantine_lifted", rows=lifted)
    return lifted > 0


def record_report(connection: duckdb.DuckDBPyConnection, record: ReportRecord) -> bool:
    """Record a rendered report in place of an older one of the same kind, patient and date.

    Returns:
        False, with nothing written, when the same file made from the same input is recorded already.

    Raises:
        WarehouseError: the database refused.
    """
    with transaction(connection):
        recorded = _changed(connection, "upsert_report", {**vars(record), "report_id": record.report_id}) > 0
        if recorded:
            audit.record(
                connection,
                "report_rendered",
                object_id=record.run_id,
                patient_id=record.patient_id,
                kind=record.kind,
                report_date=record.report_date,
            )
    return recorded


def forget_report(connection: duckdb.DuckDBPyConnection, record: ReportRecord) -> bool:
    """Take a report whose file is gone off the record; true if it was on it.

    Raises:
        WarehouseError: the database refused.
    """
    with transaction(connection):
        removed = _changed(connection, "delete_report", {"report_id": record.report_id}) > 0
        if removed:
            audit.record(
                connection,
                "report_removed",
                patient_id=record.patient_id,
                kind=record.kind,
                report_date=record.report_date,
            )
    return removed


def _changed(connection: duckdb.DuckDBPyConnection, statement: str, values: Mapping[str, Any]) -> int:
    """Run a statement that writes; returns how many rows it inserted, updated or deleted."""
    ((count,),) = connection.execute(sql.statement(statement), values).fetchall()
    return int(count)


def _check_counts(session: SessionRecord, scoring: ScoringRecord, frames: pl.DataFrame) -> None:
    counted = {
        "frames_sampled": frames.height,
        "frames_with_face": frames.filter(pl.col("face_count") > 0).height,
        "frames_scored": frames["reason"].null_count(),
    }
    for name, count in counted.items():
        stated = getattr(scoring, name)
        if stated != count:
            raise WarehouseError(
                f"score batch of session {session.session_id}: {name} is stated as {stated}, the batch has {count}; "
                "nothing was stored, report this as a bug"
            )


def _insert_session(connection: duckdb.DuckDBPyConnection, session: SessionRecord, bundle: BundleRecord) -> None:
    connection.execute(sql.statement("insert_patient"), {"patient_id": session.patient_id})
    connection.execute(sql.statement("insert_bundle"), {**vars(bundle), "card": _json(bundle.card)})
    derived = {"session_date": session.session_date, "utc_offset_s": session.utc_offset_s}
    connection.execute(sql.statement("insert_session"), {**vars(session), **derived})


def _insert_scoring(
    connection: duckdb.DuckDBPyConnection,
    identity: str,
    session: SessionRecord,
    bundle: BundleRecord,
    scoring: ScoringRecord,
) -> None:
    keys = {"scoring_id": identity, "session_id": session.session_id, "bundle_id": bundle.bundle_id}
    connection.execute(sql.statement("insert_scoring"), {**vars(scoring), **keys, "options": _json(scoring.options)})


def _insert_frames(
    connection: duckdb.DuckDBPyConnection, identity: str, frames: pl.DataFrame, extra_columns: Collection[str]
) -> None:
    _insert_from(connection, identity, frames.drop(extra_columns), _FRAME_STATEMENTS)
    if extra_columns:
        _insert_from(connection, identity, extra_scores(frames, extra_columns), _EXTRA_STATEMENTS)


def _insert_from(
    connection: duckdb.DuckDBPyConnection, identity: str, batch: pl.DataFrame, statements: Sequence[str]
) -> None:
    """Run statements that read a batch: its rows, and what follows from them, so that no stored frame is read."""
    connection.register("score_batch", batch.with_columns(scoring_id=pl.lit(identity)))
    try:
        for statement in statements:
            connection.execute(sql.statement(statement))
    finally:
        # In a transaction that failed this is refused, and done by the rollback.
        with suppress(duckdb.Error):
            connection.unregister("score_batch")


def _json(document: Mapping[str, Any]) -> str:
    return json.dumps(document, sort_keys=True, ensure_ascii=False)
