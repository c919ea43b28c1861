"""Everything one report needs from the warehouse, read once. The only module of this room that asks the warehouse."""

import json
from collections.abc import Collection
from dataclasses import dataclass
from datetime import date, timedelta

import duckdb
import polars as pl

from pmfer import __version__
from pmfer.errors import ReportError
from reports.care_events import first_day_read
from reports.origin import Origin
from warehouse import queries

LATEST_RUNS = 10_000  # as far back as the run of the day is looked for: decades of nights


@dataclass(frozen=True)
class Material:
    """What was read for one patient or for a ward, up to and including the day."""

    patients: tuple[str, ...]  # whose sessions were read
    summary: pl.DataFrame  # session_summary of one bundle and one set of options, with smiles_per_min
    quarantine: pl.DataFrame  # rows of quarantine of the day
    kept: pl.DataFrame  # rows of daily_values: days of the same patients whose sessions are not on record any more
    origin: Origin
    care_events: pl.DataFrame | None = None  # rows of care_events of the weeks drawn and before; None for a ward
    model_since: date | None = None  # first day with this bundle and these options, if others scored days before it


def read_patient(
    connection: duckdb.DuckDBPyConnection, patient_id: str, day: date, days: int, scoring: queries.Provenance
) -> Material:
    """Read all that one patient's report needs; see `read_patients`."""
    return read_patients(connection, [patient_id], day, days, scoring)[patient_id]


def read_patients(
    connection: duckdb.DuckDBPyConnection,
    patient_ids: Collection[str],
    day: date,
    days: int,
    scoring: queries.Provenance,
) -> dict[str, Material]:
    """Read all that the reports of some patients need, of `day` and the `days` days that end with it.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the database refused.
    """
    origin = _origin(connection, day, scoring)
    summary = read_summaries(connection, patient_ids, day, scoring)
    kept = queries.daily_values(connection, patient_ids, scoring, until=day)
    quarantine = queries.quarantine(connection, day)
    since = first_day_read(day - timedelta(days=days - 1))
    by_patient = summary.partition_by("patient_id", as_dict=True)

    def material(patient_id: str) -> Material:
        mine = by_patient.get((patient_id,), summary.clear())
        kept_of_mine = kept.filter(pl.col("patient_id") == patient_id)
        return Material(
            (patient_id,),
            mine,
            quarantine=quarantine.filter(pl.col("patient_id") == patient_id),
            kept=kept_of_mine,
            origin=origin,
            care_events=queries.care_events(connection, patient_id, since=since, until=day),
            model_since=_model_since(connection, patient_id, mine, kept_of_mine, scoring),
        )

    return {patient_id: material(patient_id) for patient_id in patient_ids}


def _model_since(
    connection: duckdb.DuckDBPyConnection,
    patient_id: str,
    summary: pl.DataFrame,
    kept: pl.DataFrame,
    scoring: queries.Provenance,
) -> date | None:
    days: list[date] = [*summary["session_date"], *kept["session_date"]]
    if not days:
        return None
    first = min(days)
    earlier = queries.scored_otherwise(connection, patient_id, scoring, before=first)
    return None if earlier is None else first


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
    summary = read_summaries(connection, patients, day, scoring)
    kept = queries.daily_values(connection, patients, scoring, until=day)
    return Material(patients, summary, quarantine, kept, _origin(connection, day, scoring))


def read_summaries(
    connection: duckdb.DuckDBPyConnection, patient_ids: Collection[str], day: date, scoring: queries.Provenance
) -> pl.DataFrame:
    """Rows of session_summary and smiles_per_min: smile episodes per minute in which the face was scored.

    It is NULL where no frame was scored or the length of the recording is unknown.
    """
    smiles = queries.smile_counts(connection, patient_ids, scoring, until=day)
    observed_min = pl.col("duration_s") / 60 * pl.col("frames_scored") / pl.col("frames_sampled")
    return (
        queries.summaries_of_patients(connection, patient_ids, scoring, until=day)
        .join(smiles, on="scoring_id", how="left", maintain_order="left")
        .with_columns(smiles_per_min=pl.when(observed_min > 0).then(pl.col("smiles") / observed_min))
        .drop("smiles")
    )


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
