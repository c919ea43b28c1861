"""Queries for reports and flows: most functions run one query and return a polars data frame.

Columns are those of the tables and views (docs/data-dictionary.md) unless stated otherwise; rows are in a fixed order;
timestamps are in UTC. Scores of different bundles or options are not comparable, so functions for comparing sessions
take both. All functions raise WarehouseError if the database fails.
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
    """The bundle and options that a session was scored with. Scores of different provenance are not comparable."""

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
    """Number of smiles and time with closed eyes for each scoring of several patients, up to a day.

    Scorings without such episodes have no row.

    Columns: scoring_id, smiles (count), closed_s (seconds with closed eyes, only episodes of `least_closed_s` or
    longer).
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
    """Rows of session_summary of several patients up to and including `until`, by patient and time."""
    rows = read(connection, _SUMMARIES_OF_PATIENTS, patient_ids=list(patient_ids), until=until, **vars(provenance))
    return rows.sort("patient_id", "started_at", "session_id")  # polars sorts such wide rows faster than DuckDB


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
    """Values kept of days whose sessions were deleted, up to and including `until`: a row per patient, day and measure.

    Columns: patient_id, session_date, sessions (count), measure, situation (NULL for the whole day), value (in the
    measure's unit, NULL if there were too few frames), frames (count, NULL for the whole day).
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
    """Patients who have sessions both before a day and since, scored alike; by bundle and options."""
    rows = read(connection, _PATIENTS_BEFORE_AND_SINCE, day=day).iter_rows()
    return {Provenance(bundle_id, options_sha256): patient_ids for bundle_id, options_sha256, patient_ids in rows}


_NIGHT_SUMMARIES = """
    SELECT *
    FROM session_summary
    WHERE session_date = $night AND bundle_id = $bundle_id AND options_sha256 = $options_sha256
    ORDER BY patient_id, started_at, session_id
"""


def night_summaries(connection: duckdb.DuckDBPyConnection, night: date, provenance: Provenance) -> pl.DataFrame:
    """Rows of session_summary of all sessions of a night, by patient and time."""
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
    """Patients with a session in the `days` days up to and including `until`, by patient_id.

    Columns: patient_id, sessions (count in that time), first_date, last_date, ward (the latest one stated; NULL if none
    is).
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
    """Bundle and options of the latest completed run of a night up to and including `until`; None if there is none."""
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
    """The moments of these sessions in which `column` is highest, as evidence for a report.

    Neighbouring frames show the same moment, so only the highest frame of each window of `window_s` seconds counts. The
    highest moment of every session comes before the second highest of any, so that a long session does not hide the
    others.

    Args:
        connection: an open warehouse.
        scoring_ids: the scorings.
        column: one of MOMENT_COLUMNS.
        count: maximum number of moments.
        window_s: length of a window, in seconds.

    Returns:
        scoring_id, session_id, frame_index, session_time_s (seconds since the session's first frame), value (of the
        column), leading_expression and all score columns.

    Raises:
        WarehouseError: `column` is not one of MOMENT_COLUMNS, or the database failed.
    """
    if column not in MOMENT_COLUMNS:
        raise WarehouseError(f"moments by {column}: not a score; choose one of {', '.join(MOMENT_COLUMNS)}")
    # One parameter for each: then DuckDB skips the frames of other sessions unread, which it does not for a list.
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
    """Paths of the videos of these sessions, relative to the source, by session_id."""
    return dict(read(connection, _SOURCE_FILES, session_ids=list(session_ids)).iter_rows())


_STORED_SOURCES = "SELECT source_uri FROM sessions WHERE session_date BETWEEN $since AND $until ORDER BY source_uri"


def stored_sources(connection: duckdb.DuckDBPyConnection, since: date, until: date) -> set[str]:
    """Paths of the videos of the sessions stored from `since` to `until`, both included, relative to the source."""
    return set(read(connection, _STORED_SOURCES, since=since, until=until)["source_uri"])


_SCORINGS_EXISTING = """
    SELECT scoring_id
    FROM scorings
    WHERE scoring_id IN (SELECT unnest(CAST($scoring_ids AS VARCHAR[])))
    ORDER BY scoring_id
"""


def existing_scorings(connection: duckdb.DuckDBPyConnection, scoring_ids: Collection[str]) -> set[str]:
    """Those of the given identifiers whose scoring is stored."""
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
    """Those of the given sessions that were scored with this bundle and these options, by session_id.

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
    """Nights with a session that is stored or in quarantine, in order."""
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
    """Rows of care_events of several patients that began from `since` to `until`, included, by patient and time."""
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
    """By patient, the first day with a session scored by another bundle or options; no entry if there is none."""
    rows = read(connection, _SCORED_OTHERWISE, patient_ids=list(patient_ids), **vars(provenance))
    return dict(rows.iter_rows())


_BUNDLE = "SELECT * FROM bundles WHERE bundle_id = $bundle_id"


def bundle(connection: duckdb.DuckDBPyConnection, bundle_id: str) -> pl.DataFrame:
    """The row of a bundle in the table bundles (`card` is JSON text); empty if it is not there."""
    return read(connection, _BUNDLE, bundle_id=bundle_id)


_CONSENTS = """
    SELECT patient_id, valid_from, valid_to, withdrawn_on, source, recorded_at
    FROM consents
    WHERE $patient_id IS NULL OR patient_id = $patient_id
    ORDER BY patient_id, valid_from
"""


def consents(connection: duckdb.DuckDBPyConnection, patient_id: str | None = None) -> pl.DataFrame:
    """Rows of consents of one patient or (None) all, by patient and first day."""
    return read(connection, _CONSENTS, patient_id=patient_id)
