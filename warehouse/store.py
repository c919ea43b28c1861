"""Stores scored sessions, all rows in one transaction.

Sessions that are already stored are skipped, so that a night can be run again after any interruption.
"""

from collections.abc import Collection, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from datetime import UTC

import duckdb
import polars as pl

from pmfer.errors import QuarantineReason, SessionError, WarehouseError
from warehouse import audit
from warehouse.consent import ConsentRegister, read_register
from warehouse.corrections import StoredSession, check_agrees, replaced, stored_alike, withdraw_replaced
from warehouse.frames import checked_frames, extra_scores
from warehouse.quarantine import DELETE_QUARANTINE
from warehouse.queries import existing_scorings
from warehouse.records import (
    BundleRecord,
    SessionRecord,
    SessionResult,
    digest,
)
from warehouse.rollups import derived_rows
from warehouse.sql import json_text, registered
from warehouse.transaction import transaction

# Columns of a batch of results in which all values may be NULL, with their types.
_NULLABLE = {
    "duration_s": pl.Float64,
    "warning": pl.String,
    "ward": pl.String,
    "room": pl.String,
    "situation": pl.String,
    "replaces": pl.String,
}
# Store the patients of result_batch that are new.
_INSERT_PATIENTS = """
    INSERT INTO patients (patient_id, first_seen_at)
    SELECT DISTINCT patient_id, now()
    FROM result_batch
    ANTI JOIN patients USING (patient_id)
"""
# Store the sessions of result_batch that are new, because no bundle or options scored them before.
_INSERT_SESSIONS = """
    INSERT INTO sessions (
        session_id, patient_id, session_date, started_at, utc_offset_s, source_uri, content_sha256, consent, stored_at,
        ward, room, situation
    )
    SELECT
        session_id, patient_id, session_date, started_at, utc_offset_s, source_uri, content_sha256, consent, now(),
        ward, room, situation
    FROM result_batch
    ANTI JOIN sessions USING (session_id)
"""
# Store how the sessions of result_batch were scored.
_INSERT_SCORINGS = """
    INSERT INTO scorings (
        scoring_id, session_id, bundle_id, options_sha256, options, run_id, scored_at, duration_s,
        frames_decoded, frames_sampled, frames_with_face, frames_scored, warning
    )
    SELECT
        scoring_id, session_id, bundle_id, options_sha256, options, run_id, now(), duration_s,
        frames_decoded, frames_sampled, frames_with_face, frames_scored, warning
    FROM result_batch
"""
_RESULT_STATEMENTS = (_INSERT_PATIENTS, _INSERT_SESSIONS, _INSERT_SCORINGS)
# Store the rows of row_batch.
_INSERT_ROWS = "INSERT INTO {table} BY NAME FROM row_batch"
_PART_ROWS = 8192  # rows in each part of a batch that DuckDB reads in parallel
# Store the scores of additional phrases; score_batch has a row per frame and phrase.
_INSERT_FRAME_EXTRA_SCORES = "INSERT INTO frame_extra_scores BY NAME FROM score_batch"
# Store the quantiles of additional phrases; score_batch has a row per frame and phrase.
_INSERT_PHRASE_QUANTILES = "INSERT INTO phrase_quantiles BY NAME FROM phrase_quantiles_of('score_batch')"
_EXTRA_STATEMENTS = (_INSERT_FRAME_EXTRA_SCORES, _INSERT_PHRASE_QUANTILES)


def scoring_id(content_sha256: str, bundle_id: str, options_sha256: str) -> str:
    """Identity of a result, 64 hex digits. The same content, bundle and options are never stored twice."""
    return digest(content_sha256, bundle_id, options_sha256)


def refusals(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[SessionRecord], consent_required: bool = False
) -> list[SessionError | None]:
    """Check whether sessions may be stored, each on its own; do this before decoding their videos.

    Args:
        connection: the warehouse.
        sessions: the sessions to store.
        consent_required: whether the register must have a consent of the patient, in addition to the sidecar's.

    Returns:
        For each session None, or the error that storing it would raise: there is no consent, or none in the register
        for the day (NO_CONSENT), the start has no UTC offset (SIDECAR_INVALID), the same bytes are stored as another
        session (DUPLICATE_CONTENT), or the session is stored with other bytes, another patient or another start
        (SESSION_CONFLICT).

    Raises:
        WarehouseError: the database failed.
    """
    register = read_register(connection, {session.patient_id for session in sessions})
    by_id, by_content = _stored_beside(connection, sessions)

    def refusal(session: SessionRecord) -> SessionError | None:
        try:
            _check_allowed(session, register, consent_required)
            check_agrees(session, by_id, by_content)
        except SessionError as error:
            return error
        return None

    return [refusal(session) for session in sessions]


def store_sessions(
    connection: duckdb.DuckDBPyConnection,
    bundle: BundleRecord,
    results: Sequence[SessionResult],
    *,
    consent_required: bool = False,
) -> int:
    """Store scored sessions, all or none: patients, bundle, sessions, scorings, frames and what is derived from frames.

    What a corrected recording replaces is withdrawn, see warehouse.corrections.

    Rollups, quantiles and episodes are derived from frames. The sources are taken out of quarantine. Frames that are
    already stored are not read, so the time does not depend on their number. Storing many sessions in one call is much
    faster than one at a time.

    Args:
        connection: from open_writer.
        bundle: what scored them.
        results: the sessions, each once. A batch has one row per sampled frame and an extra column for every additional
            phrase; the counts of frames in the scoring must match it.
        consent_required: whether the register must have a consent of the patient, in addition to the sidecar's.

    Returns:
        How many were stored. Sessions whose content is already stored with this bundle and these options are skipped.

    Raises:
        SessionError: a session must not be stored, see refusals, or contradicts another one of these.
        WarehouseError: a batch breaks a rule, a session is given twice, or the database failed.
    """
    if not results:
        return 0
    frames = require_storable(bundle, results)
    identities = [
        scoring_id(result.session.content_sha256, bundle.bundle_id, result.scoring.options_sha256) for result in results
    ]
    with transaction(connection):
        sessions = [result.session for result in results]
        _check_sessions(connection, sessions, consent_required)
        withdraw_replaced(connection, sessions)
        done = existing_scorings(connection, identities)
        new = {identity: result for identity, result in zip(identities, results, strict=True) if identity not in done}
        if new:
            frames = frames.with_columns(scoring_id=pl.Series(identities).gather(frames["batch"])).drop("batch")
            _insert_results(connection, new, bundle)
            _insert_frames(connection, frames.filter(pl.col("scoring_id").is_in(list(new))), bundle.extra_columns)
            _record_results(connection, new, bundle)
    return len(new)


def require_storable(bundle: BundleRecord, results: Sequence[SessionResult]) -> pl.DataFrame:
    """Check results as far as possible without the warehouse; returns their frames, see checked_frames.

    Raises:
        WarehouseError: a batch breaks a rule, or a session is given twice.
    """
    batches = {result.session.session_id: result.frames for result in results}
    if len(batches) < len(results):
        raise WarehouseError("sessions to store: one was given twice; nothing was stored, report this as a bug")
    frames = checked_frames(batches, bundle.extra_columns)
    _check_counts(results, frames)
    return frames


def _check_sessions(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[SessionRecord], consent_required: bool
) -> None:
    register = read_register(connection, {session.patient_id for session in sessions})
    by_id, by_content = _stored_beside(connection, sessions)
    for session in sessions:
        _check_allowed(session, register, consent_required)
        check_agrees(session, by_id, by_content)
        stored = StoredSession(**{name: getattr(session, name) for name in StoredSession.__annotations__})
        by_id[session.session_id] = by_content[session.content_sha256] = stored


def _stored_beside(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[SessionRecord]
) -> tuple[dict[str, StoredSession], dict[str, StoredSession]]:
    """Stored sessions with the same session_id or content, by either, without those that these sessions replace."""
    alike = stored_alike(connection, sessions)
    gone = {old.session_id for old in replaced(alike, sessions)}
    stored = [old for old in alike if old.session_id not in gone]
    return {old.session_id: old for old in stored}, {old.content_sha256: old for old in stored}


def _check_allowed(session: SessionRecord, register: ConsentRegister, consent_required: bool) -> None:
    name = _name(session)
    if not session.consent:
        raise SessionError(QuarantineReason.NO_CONSENT, f"{name}: no consent; nothing of it may be stored")
    if session.started_at.tzinfo is None:
        raise SessionError(QuarantineReason.SIDECAR_INVALID, f"{name}: started_at has no UTC offset; add it")
    refusal = register.refusal(session.patient_id, session.session_date, consent_required)
    if refusal:
        raise SessionError(QuarantineReason.NO_CONSENT, f"{name}: {refusal}; nothing of it may be stored")


def _name(session: SessionRecord) -> str:
    return f"session {session.session_id} ({session.source_uri})"


def _check_counts(results: Sequence[SessionResult], frames: pl.DataFrame) -> None:
    counted = frames.group_by("batch", maintain_order=True).agg(
        frames_sampled=pl.len(),
        frames_with_face=(pl.col("face_count") > 0).sum(),
        frames_scored=pl.col("reason").null_count(),
    )
    for result, counts in zip(results, counted.drop("batch").iter_rows(named=True), strict=True):
        for name, count in counts.items():
            stated = getattr(result.scoring, name)
            if stated != count:
                raise WarehouseError(
                    f"score batch of session {result.session.session_id}: {name} is given as {stated}, but the batch "
                    f"has {count}; nothing was stored, report this as a bug"
                )


# Register a bundle that is used for the first time.
_INSERT_BUNDLE = """
    INSERT INTO bundles (bundle_id, name, weights_sha256, prompt_set_sha256, card, registered_at)
    SELECT $bundle_id, $name, $weights_sha256, $prompt_set_sha256, $card, now()
    WHERE NOT EXISTS (FROM bundles WHERE bundle_id = $bundle_id)
"""


def _insert_results(
    connection: duckdb.DuckDBPyConnection, results: Mapping[str, SessionResult], bundle: BundleRecord
) -> None:
    """Insert patients, bundle, sessions and scorings, and take the sources out of quarantine."""
    connection.execute(_INSERT_BUNDLE, {**vars(bundle), "card": json_text(bundle.card)})
    rows = [
        {
            **vars(result.session),
            "session_date": result.session.session_date,
            "utc_offset_s": result.session.utc_offset_s,
            "started_at": result.session.started_at.astimezone(UTC),
            **vars(result.scoring),
            "options": json_text(result.scoring.options),
            "scoring_id": identity,
            "bundle_id": bundle.bundle_id,
        }
        for identity, result in results.items()
    ]
    batch = pl.DataFrame(rows, schema_overrides=_NULLABLE, infer_schema_length=None)
    _insert_from(connection, "result_batch", batch, _RESULT_STATEMENTS)
    connection.execute(DELETE_QUARANTINE, {"source_uris": batch["source_uri"].to_list()})


def _insert_frames(connection: duckdb.DuckDBPyConnection, frames: pl.DataFrame, extra_columns: Collection[str]) -> None:
    # In parts, which DuckDB reads in parallel.
    parts = pl.concat(frames.drop(extra_columns).iter_slices(_PART_ROWS), rechunk=False)
    with ThreadPoolExecutor(1) as beside:  # what is derived is computed while DuckDB stores the frames
        derived = beside.submit(derived_rows, frames)
        _insert_from(connection, "row_batch", parts, (_INSERT_ROWS.format(table="stored_frames"),))
    for table, batch in derived.result().items():
        _insert_from(connection, "row_batch", batch, (_INSERT_ROWS.format(table=table),))
    if extra_columns:
        _insert_from(connection, "score_batch", extra_scores(frames, extra_columns), _EXTRA_STATEMENTS)


def _insert_from(
    connection: duckdb.DuckDBPyConnection, name: str, batch: pl.DataFrame, statements: Sequence[str]
) -> None:
    """Run statements that read a batch."""
    with registered(connection, name, batch):
        for statement in statements:
            connection.execute(statement)


def _record_results(
    connection: duckdb.DuckDBPyConnection, results: Mapping[str, SessionResult], bundle: BundleRecord
) -> None:
    audit.record_all(
        connection,
        [
            audit.Event(
                "session_stored",
                object_id=identity,
                patient_id=result.session.patient_id,
                details={
                    "session_date": result.session.session_date,
                    "run_id": result.scoring.run_id,
                    "bundle_id": bundle.bundle_id,
                    "frames": result.frames.height,
                },
            )
            for identity, result in results.items()
        ],
    )
