"""Sessions that are stored already: whether a recording agrees with them, and what a correction at the source replaces.

The source is the truth. A recording is corrected if its bytes are stored as a session of the same day, and its sidecar
now states another patient, session_id or start. The stored session is then withdrawn, and the recording is stored like
a new one. Reports that show a withdrawn session are marked to be rendered again, see flows.privacy.rerender.
"""

from collections.abc import Collection, Mapping, Sequence
from dataclasses import dataclass
from datetime import date, datetime

import duckdb

from pmfer.errors import QuarantineReason, SessionError
from warehouse import audit
from warehouse.personal import Keys, delete_rows, personal_tables, scorings_of
from warehouse.records import SessionRecord
from warehouse.transaction import database_path, one_line_errors, transaction


@dataclass(frozen=True)
class StoredSession:
    """What is stored of a session."""

    session_id: str
    patient_id: str
    started_at: datetime
    session_date: date
    source_uri: str
    content_sha256: str

    def difference(self, session: SessionRecord) -> str | None:
        """What a recording of the same name or content states otherwise, in a word; None if nothing."""
        is_different = {
            "video": self.content_sha256 != session.content_sha256,
            "patient": self.patient_id != session.patient_id,
            "start": self.started_at != session.started_at,
            "session_id": self.session_id != session.session_id,
        }
        return next((what for what, differs in is_different.items() if differs), None)


_SESSION = "SELECT session_id, patient_id, started_at, session_date, source_uri, content_sha256 FROM sessions"
# Stored sessions with one of these identifiers or one of these contents.
_SESSIONS_ALIKE = f"""
    {_SESSION}
    WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
        OR content_sha256 IN (SELECT unnest(CAST($contents AS VARCHAR[])))
    ORDER BY session_id
"""


def stored_alike(connection: duckdb.DuckDBPyConnection, sessions: Sequence[SessionRecord]) -> list[StoredSession]:
    """Stored sessions with the same session_id or content as one of these.

    Raises:
        WarehouseError: the database failed.
    """
    names = {
        "session_ids": [session.session_id for session in sessions],
        "contents": [session.content_sha256 for session in sessions],
    }
    with one_line_errors(database_path(connection)):
        rows = connection.execute(_SESSIONS_ALIKE, names).pl()
    return [StoredSession(**row) for row in rows.iter_rows(named=True)]


def replaced(stored: Sequence[StoredSession], sessions: Sequence[SessionRecord]) -> list[StoredSession]:
    """Those of the stored sessions that are withdrawn when these recordings are stored."""
    corrected = {(session.replaces, session.content_sha256): session for session in sessions if session.replaces}
    pairs = ((old, corrected.get((old.session_id, old.content_sha256))) for old in stored)
    return [old for old, session in pairs if session and old.difference(session)]


def corrections(
    connection: duckdb.DuckDBPyConnection, sessions: Sequence[SessionRecord], files: Collection[str]
) -> dict[str, str]:
    """The stored sessions that corrected recordings of a night replace.

    A copy whose original is still in the night's folder is a duplicate, not a correction.

    Args:
        connection: the warehouse.
        sessions: recordings of one night, as their sidecars state them now.
        files: source_uri of every file in the night's folder.

    Returns:
        The session_id of the stored session, by source_uri of the recording.

    Raises:
        WarehouseError: the database failed.
    """
    by_content = {stored.content_sha256: stored for stored in stored_alike(connection, sessions)}
    found = {}
    for session in sessions:
        stored = by_content.get(session.content_sha256)
        if stored is None or stored.session_date != session.session_date or not stored.difference(session):
            continue
        if stored.source_uri == session.source_uri or stored.source_uri not in files:
            found[session.source_uri] = stored.session_id
    return found


def check_agrees(
    session: SessionRecord, by_id: Mapping[str, StoredSession], by_content: Mapping[str, StoredSession]
) -> None:
    """Check that a session can be stored beside those that stay.

    Raises:
        SessionError: the same bytes are stored as another session (DUPLICATE_CONTENT), or the session is stored with
            other bytes, another patient or another start (SESSION_CONFLICT).
    """
    name = f"session {session.session_id} ({session.source_uri})"
    stored = by_id.get(session.session_id)
    difference = stored and stored.difference(session)
    if difference:
        other_id = " or give it another session_id" if difference == "video" else ""  # the same video is a duplicate
        raise SessionError(
            QuarantineReason.SESSION_CONFLICT,
            f"{name}: already stored with another {difference}; correct the sidecar{other_id}",
        )
    same_video = by_content.get(session.content_sha256)
    if same_video and same_video.session_id != session.session_id:
        raise SessionError(
            QuarantineReason.DUPLICATE_CONTENT,
            f"{name}: the same video is already stored as session {same_video.session_id}; remove one of the two",
        )


def withdraw_corrected(connection: duckdb.DuckDBPyConnection, sessions: Sequence[SessionRecord]) -> None:
    """Withdraw what these corrected recordings replace, before they are scored.

    Raises:
        WarehouseError: the database failed.
    """
    with transaction(connection):
        withdraw_replaced(connection, sessions)


def withdraw_replaced(connection: duckdb.DuckDBPyConnection, sessions: Sequence[SessionRecord]) -> None:
    """Withdraw what these recordings replace, if they do, within the transaction that stores them."""
    corrected = [session for session in sessions if session.replaces]
    if corrected:
        _withdraw(connection, replaced(stored_alike(connection, corrected), corrected))


_STORED_FROM = f"""
    {_SESSION}
    WHERE source_uri IN (SELECT unnest(CAST($source_uris AS VARCHAR[])))
        AND session_date = $night AND patient_id IS DISTINCT FROM $patient_id
"""


def withdraw_misfiled(connection: duckdb.DuckDBPyConnection, source_uris: Collection[str], night: date) -> None:
    """Withdraw what was stored from files of a night whose sidecars now name an erased patient.

    Raises:
        WarehouseError: the database failed.
    """
    if source_uris:
        with transaction(connection):
            withdraw_stored_from(connection, source_uris, night)


def withdraw_stored_from(
    connection: duckdb.DuckDBPyConnection, source_uris: Collection[str], night: date, patient_id: str | None = None
) -> None:
    """Withdraw what was stored from files that must not be scored now, unless it is of this patient.

    Call it within a transaction.
    """
    values = {"source_uris": list(source_uris), "night": night, "patient_id": patient_id}
    rows = connection.execute(_STORED_FROM, values).pl()
    _withdraw(connection, [StoredSession(**row) for row in rows.iter_rows(named=True)])


# Delete a patient of whom nothing is stored any more.
_DELETE_PATIENT = """
    DELETE FROM patients
    WHERE patient_id = $patient_id
        AND patient_id NOT IN (SELECT patient_id FROM sessions UNION SELECT patient_id FROM daily_values)
"""
# Mark the reports that show a session of a patient to be rendered again: the patient's of that day, and its overviews.
_FORGET_PAGES_OF_DAY = """
    UPDATE reports SET input_key = '', shown = NULL
    WHERE report_date = $session_date AND (kind = 'ward' OR patient_id = $patient_id)
"""
# Delete what reports said of a patient on the day, and on days before the first that is left of the patient, on which
# overviews told of one who was not recorded.
_DELETE_FINDINGS_SINCE = """
    DELETE FROM findings
    WHERE patient_id = $patient_id AND session_date >= $session_date
        AND (session_date = $session_date OR session_date < ALL (
            SELECT session_date FROM sessions WHERE patient_id = $patient_id
            UNION ALL
            SELECT session_date FROM daily_values WHERE patient_id = $patient_id
        ))
"""


def _withdraw(connection: duckdb.DuckDBPyConnection, sessions: Sequence[StoredSession]) -> None:
    """Delete all rows of sessions; the audit log says so. What else a patient has stays."""
    names = tuple(session.session_id for session in sessions)
    keys = Keys(session_id=names, scoring_id=scorings_of(connection, names))
    # Rows that also name a patient, such as those of quarantine, may be of other recordings.
    tables = {
        table: columns
        for table, columns in personal_tables(connection).items()
        if table == "sessions" or "patient_id" not in columns
    }
    delete_rows(connection, tables, keys)
    for session in sessions:
        of_day = {"patient_id": session.patient_id, "session_date": session.session_date}
        connection.execute(_DELETE_PATIENT, {"patient_id": session.patient_id})
        connection.execute(_FORGET_PAGES_OF_DAY, of_day)
        connection.execute(_DELETE_FINDINGS_SINCE, of_day)
        details = {"session_date": session.session_date}
        audit.record_all(connection, [audit.Event("session_withdrawn", patient_id=session.patient_id, details=details)])
