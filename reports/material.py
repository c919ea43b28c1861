"""Everything one report needs from the warehouse, read once. The only module of this room that asks the warehouse."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from pmfer import __version__
from pmfer.errors import ReportError
from reports.origin import Origin
from warehouse import queries

LATEST_RUNS = 10_000  # as far back as the run of the day is looked for: decades of nights


@dataclass(frozen=True)
class Material:
    """What was read for one patient or for a ward, up to and including the day."""

    patients: tuple[str, ...]  # whose sessions were read
    summary: pl.DataFrame  # rows of session_summary of one bundle and one set of options
    quarantine: pl.DataFrame  # rows of quarantine of the day
    origin: Origin


def read_patient(
    connection: duckdb.DuckDBPyConnection, patient_id: str, day: date, scoring: queries.Provenance
) -> Material:
    """Read all that one patient's report needs; see `read_patients`."""
    return read_patients(connection, [patient_id], day, scoring)[patient_id]


def read_patients(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], day: date, scoring: queries.Provenance
) -> dict[str, Material]:
    """Read all that the reports of several patients need, each question asked once for all of them.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the database refused.
    """
    origin = _origin(connection, day, scoring)
    summary = queries.summaries_of_patients(connection, patient_ids, scoring, until=day)
    quarantine = queries.quarantine(connection, day)
    mine = summary.partition_by("patient_id", as_dict=True)
    return {
        patient_id: Material(
            (patient_id,),
            mine.get((patient_id,), summary.clear()),
            quarantine.filter(pl.col("patient_id") == patient_id),
            origin,
        )
        for patient_id in patient_ids
    }


def read_ward(connection: duckdb.DuckDBPyConnection, day: date, days: int, scoring: queries.Provenance) -> Material:
    """Read all that a ward overview needs: every patient with a session in the last `days` days or one set aside today.

    Who was last seen before is taken to have left, and is not missing today.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the database refused.
    """
    quarantine = queries.quarantine(connection, day)
    seen = queries.patients_seen(connection, until=day, days=days)["patient_id"]
    patients = tuple(sorted({*seen, *quarantine["patient_id"].drop_nulls()}))
    summary = queries.summaries_of_patients(connection, patients, scoring, until=day)
    return Material(patients, summary, quarantine, _origin(connection, day, scoring))


def _origin(connection: duckdb.DuckDBPyConnection, day: date, scoring: queries.Provenance) -> Origin:
    runs = queries.runs(connection, LATEST_RUNS).filter(
        (pl.col("bundle_id") == scoring.bundle_id) & (pl.col("options_sha256") == scoring.options_sha256)
    )
    if runs.is_empty():
        raise ReportError(
            f"report of {day}: no run with bundle {scoring.bundle_id[:12]} and options {scoring.options_sha256[:12]} "
            "is on record; run the night with them first"
        )
    of_the_day = runs.filter(pl.col("night") == day)
    bundle = queries.bundle(connection, scoring.bundle_id).to_dicts()
    run = (runs if of_the_day.is_empty() else of_the_day).row(0, named=True)
    return Origin(
        bundle_name=bundle[0]["name"] if bundle else None,
        bundle_id=scoring.bundle_id,
        prompt_set_sha256=bundle[0]["prompt_set_sha256"] if bundle else None,
        options_sha256=scoring.options_sha256,
        frames_per_second=json.loads(run["options"]).get("frames_per_second"),
        scored_by=run["code_version"],
        software=__version__,
    )
