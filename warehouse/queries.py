"""Reads from the warehouse, for reports and flows: each function runs one query and returns a polars frame.

Columns are those of the tables and views (see docs/data-dictionary.md) unless said otherwise; rows come in a fixed
order; times are UTC. Scores of different bundles or options are not comparable, so whatever compares sessions asks for
both. All raise WarehouseError when the database refuses.
"""

from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from pmfer.errors import WarehouseError
from pmfer.frame_row import SCORE_COLUMNS
from warehouse import sql
from warehouse.transaction import read

MOMENT_COLUMNS: tuple[str, ...] = (*SCORE_COLUMNS, "expressivity", "pain_activity")


@dataclass(frozen=True)
class Provenance:
    """What a session was scored with. Scores of different provenance are not comparable."""

    bundle_id: str  # 64 hex digits
    options_sha256: str  # 64 hex digits


_EPISODE_SUMS = """
    SELECT
        scoring_id,
        count(*) FILTER (kind = 'smile') AS smiles,
        coalesce(sum(end_s - start_s) FILTER (kind = 'eyes_closed'), 0) AS closed_s
    FROM episodes
    WHERE (kind = 'smile' OR (kind = 'eyes_closed' AND end_s >= start_s + $least_closed_s))  -- no blinks
        AND scoring_id IN (
            SELECT scoring_id
            FROM scorings
            JOIN sessions USING (session_id)
            WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[]))) AND session_date <= $until
                AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
        )
    GROUP BY scoring_id
    ORDER BY scoring_id
"""


def episode_sums(
    connection: duckdb.DuckDBPyConnection,
    patient_ids: Collection[str],
    provenance: Provenance,
    *,
    until: date,
    least_closed_s: float,
) -> pl.DataFrame:
    """What the episodes of each scoring of several patients up to a day add up to; no row for one without any.

    Columns: scoring_id, smiles (count, 0 without any), closed_s (seconds with the eyes closed, in stretches of
    `least_closed_s` or longer).
    """
    return read(
        connection,
        _EPISODE_SUMS,
        patient_ids=list(patient_ids),
        until=until,
        least_closed_s=least_closed_s,
        **vars(provenance),
    )


_SUMMARIES_OF_PATIENTS = """
    SELECT *
    FROM session_summary
    WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
        AND session_date <= $until
        AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
"""


def summaries_of_patients(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], provenance: Provenance, *, until: date
) -> pl.DataFrame:
    """Rows of session_summary of several patients up to `until`, included, by patient and time."""
    rows = read(connection, _SUMMARIES_OF_PATIENTS, patient_ids=list(patient_ids), until=until, **vars(provenance))
    return rows.sort("patient_id", "started_at", "session_id")  # rows as wide as these take DuckDB longer


_DAILY_VALUES = """
    SELECT patient_id, session_date, sessions, measure, situation, value, frames
    FROM daily_values
    WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
        AND session_date <= $until
        AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
    ORDER BY patient_id, session_date, measure, situation
"""


def daily_values(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], provenance: Provenance, *, until: date
) -> pl.DataFrame:
    """What is kept of days up to `until`, included, whose sessions are gone: a row per patient, day and measure.

    Columns: patient_id, session_date, sessions (count), measure, situation (NULL for the whole day), value (in the
    measure's unit, NULL for too few frames), frames (count, NULL for the whole day).
    """
    return read(connection, _DAILY_VALUES, patient_ids=list(patient_ids), until=until, **vars(provenance))


_PATIENTS_BEFORE_AND_SINCE = """
    SELECT bundle_id, options_sha256, list(patient_id ORDER BY patient_id) AS patient_ids
    FROM (
        SELECT bundle_id, options_sha256, patient_id
        FROM sessions
        JOIN scorings USING (session_id)
        GROUP BY bundle_id, options_sha256, patient_id
        HAVING min(session_date) < $day AND max(session_date) >= $day
    )
    GROUP BY bundle_id, options_sha256
    ORDER BY bundle_id, options_sha256
"""


def patients_before_and_since(connection: duckdb.DuckDBPyConnection, day: date) -> dict[Provenance, list[str]]:
    """Patients with sessions before a day and on it or later, by what scored both."""
    rows = read(connection, _PATIENTS_BEFORE_AND_SINCE, day=day).iter_rows()
    return {Provenance(bundle_id, options_sha256): patient_ids for bundle_id, options_sha256, patient_ids in rows}


_NIGHT_SUMMARIES = """
    SELECT *
    FROM session_summary
    WHERE session_date = $night AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
    ORDER BY patient_id, started_at, session_id
"""


def night_summaries(connection: duckdb.DuckDBPyConnection, night: date, provenance: Provenance) -> pl.DataFrame:
    """Rows of session_summary of all sessions of one day, by patient and time."""
    return read(connection, _NIGHT_SUMMARIES, night=night, **vars(provenance))


_PATIENT_IDS = "SELECT patient_id FROM patients ORDER BY patient_id"


def patient_ids(connection: duckdb.DuckDBPyConnection) -> list[str]:
    """Pseudonyms of all patients, in order."""
    return read(connection, _PATIENT_IDS)["patient_id"].to_list()


_PATIENTS_SEEN = """
    SELECT
        patient_id, count(*) AS sessions, min(session_date) AS first_date, max(session_date) AS last_date,
        arg_max(ward, (started_at, session_id)) AS ward
    FROM sessions
    WHERE session_date > $until - $days AND session_date <= $until
    GROUP BY patient_id
    ORDER BY patient_id
"""


def patients_seen(connection: duckdb.DuckDBPyConnection, *, until: date, days: int) -> pl.DataFrame:
    """Patients with a session in the `days` days that end with `until`, by name.

    Columns: patient_id, sessions (count in that time), first_date, last_date, ward (of the last of them that says; NULL
    where none does).
    """
    return read(connection, _PATIENTS_SEEN, until=until, days=days)


_ACTIVE_PROVENANCE = """
    SELECT bundle_id, options_sha256
    FROM runs
    WHERE status = 'completed' AND night <= $until
    ORDER BY night DESC, finished_at DESC
    LIMIT 1
"""


def active_provenance(connection: duckdb.DuckDBPyConnection, until: date) -> Provenance | None:
    """Bundle and options of the latest completed run for a day up to `until`; None if there is none."""
    rows = read(connection, _ACTIVE_PROVENANCE, until=until)
    return Provenance(**rows.row(0, named=True)) if rows.height else None


def moments(
    connection: duckdb.DuckDBPyConnection,
    scoring_ids: Collection[str],
    column: str,
    *,
    count: int = 3,
    window_s: float = 10.0,
) -> pl.DataFrame:
    """The moments of some sessions in which `column` is highest, for evidence.

    Neighbouring frames show the same moment, so each window of `window_s` seconds offers its best frame only. The best
    moment of every session comes before the second best of any, so that one long session does not hide the others.

    Args:
        connection: an open warehouse.
        scoring_ids: the scorings.
        column: one of MOMENT_COLUMNS.
        count: how many at most.
        window_s: length of a window, seconds.

    Returns:
        scoring_id, session_id, frame_index, session_time_s (seconds since the session's first frame), value (of the
        column), leading_expression and all score columns.

    Raises:
        WarehouseError: `column` is none of them, or the database failed.
    """
    if column not in MOMENT_COLUMNS:
        raise WarehouseError(f"moments by {column}: not a score; choose one of {', '.join(MOMENT_COLUMNS)}")
    # A parameter for each: the frames of other sessions are then passed over unread, which a list in one prevents.
    each = {f"scoring_{number}": scoring_id for number, scoring_id in enumerate(scoring_ids)}
    text = sql.query("moments").replace("$scoring_ids", ", ".join(f"${name}" for name in each) or "NULL")
    return read(connection, text, **each, column=column, count=count, window_s=window_s)


_SOURCE_FILES = """
    SELECT session_id, source_uri
    FROM sessions
    WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
    ORDER BY session_id
"""


def source_files(connection: duckdb.DuckDBPyConnection, session_ids: Collection[str]) -> dict[str, str]:
    """Where the videos of some sessions were, relative to the source, by session_id."""
    return dict(read(connection, _SOURCE_FILES, session_ids=list(session_ids)).iter_rows())


_SCORINGS_EXISTING = """
    SELECT scoring_id
    FROM scorings
    WHERE scoring_id IN (SELECT unnest(CAST($scoring_ids AS VARCHAR[])))
    ORDER BY scoring_id
"""


def existing_scorings(connection: duckdb.DuckDBPyConnection, scoring_ids: Collection[str]) -> set[str]:
    """Those of the identifiers whose scoring is stored."""
    return set(read(connection, _SCORINGS_EXISTING, scoring_ids=list(scoring_ids))["scoring_id"])


_SCORED_SESSIONS = """
    SELECT session_id, source_uri, content_sha256, run_id, frames_sampled, frames_with_face, frames_scored
    FROM scorings
    JOIN sessions USING (session_id)
    WHERE session_id IN (SELECT unnest(CAST($session_ids AS VARCHAR[])))
      AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
    ORDER BY session_id
"""


def scored_sessions(
    connection: duckdb.DuckDBPyConnection, session_ids: Collection[str], provenance: Provenance
) -> pl.DataFrame:
    """Those of the sessions that are scored, by name.

    Columns: session_id, source_uri, content_sha256, run_id (of the run that stored it), frames_sampled,
    frames_with_face, frames_scored.
    """
    return read(connection, _SCORED_SESSIONS, session_ids=list(session_ids), **vars(provenance))


_NIGHTS_WITH_RECORDINGS = """
    SELECT session_date AS night FROM sessions
    UNION
    SELECT night FROM quarantine
    ORDER BY night
"""


def nights_with_recordings(connection: duckdb.DuckDBPyConnection) -> list[date]:
    """Nights of which a recording is stored or in quarantine, in order."""
    return read(connection, _NIGHTS_WITH_RECORDINGS)["night"].to_list()


_CARE_EVENTS = """
    SELECT *
    FROM care_events
    WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[]))) AND event_date BETWEEN $since AND $until
    ORDER BY patient_id, started_at, event_id
"""


def care_events(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], *, since: date, until: date
) -> pl.DataFrame:
    """Rows of care_events of several patients that began between two days, both included, by patient and time."""
    return read(connection, _CARE_EVENTS, patient_ids=list(patient_ids), since=since, until=until)


_SCORED_OTHERWISE = """
    SELECT patient_id, min(session_date) AS first_date
    FROM sessions
    JOIN scorings USING (session_id)
    WHERE patient_id IN (SELECT unnest(CAST($patient_ids AS VARCHAR[])))
        AND (bundle_id <> $bundle_id OR options_sha256 <> $options_sha256)
    GROUP BY patient_id
    ORDER BY patient_id
"""


def scored_otherwise(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], provenance: Provenance
) -> dict[str, date]:
    """The first day of which a patient's sessions were scored with another provenance, by patient; no entry if none."""
    rows = read(connection, _SCORED_OTHERWISE, patient_ids=list(patient_ids), **vars(provenance))
    return dict(rows.iter_rows())


_BUNDLE = "SELECT * FROM bundles WHERE bundle_id = $bundle_id"


def bundle(connection: duckdb.DuckDBPyConnection, bundle_id: str) -> pl.DataFrame:
    """The row of bundles of one bundle (`card` is JSON text), or none."""
    return read(connection, _BUNDLE, bundle_id=bundle_id)


_CONSENTS = """
    SELECT patient_id, valid_from, valid_to, withdrawn_on, source, recorded_at
    FROM consents
    WHERE $patient_id IS NULL OR patient_id = $patient_id
    ORDER BY patient_id, valid_from
"""


def consents(connection: duckdb.DuckDBPyConnection, patient_id: str | None = None) -> pl.DataFrame:
    """Rows of consents of one patient or (None) of all, by patient and first day."""
    return read(connection, _CONSENTS, patient_id=patient_id)
