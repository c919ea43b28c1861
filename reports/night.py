"""All reports of one day, from as few questions to the warehouse as they need."""

from dataclasses import dataclass
from datetime import date

import duckdb
import polars as pl

from reports.material import read_patients
from reports.patient import PatientReport, compare_patient, with_evidence
from reports.thresholds import DEFAULT_THRESHOLDS, Thresholds
from reports.ward import WardReport, build_ward_report
from warehouse import queries
from warehouse.queries import Provenance


@dataclass(frozen=True)
class NightReports:
    """What a day has to report."""

    patients: tuple[PatientReport, ...]  # of everybody with a session that day, stored or set aside, by patient
    ward: WardReport


def build_night_reports(
    connection: duckdb.DuckDBPyConnection, day: date, scoring: Provenance, thresholds: Thresholds = DEFAULT_THRESHOLDS
) -> NightReports | None:
    """Read and compare a day of the whole ward; None for a day without any session.

    Each report is what `build_patient_report` and `build_ward_report` make.

    Raises:
        ReportError: no run with this bundle and these options is on record.
        WarehouseError: the warehouse cannot be read.
    """
    summaries = queries.night_summaries(connection, day, scoring)
    quarantine = queries.quarantine(connection, day)
    if summaries.is_empty() and quarantine.is_empty():
        return None
    seen = pl.concat([summaries["patient_id"], quarantine["patient_id"]]).drop_nulls().unique().sort().to_list()
    materials = read_patients(connection, seen, day, thresholds.trend_days, scoring)

    def report(patient: str) -> PatientReport:
        return with_evidence(
            connection, compare_patient(materials[patient], patient, day, thresholds), materials[patient]
        )

    return NightReports(
        patients=tuple(map(report, seen)),
        ward=build_ward_report(connection, day, scoring.bundle_id, scoring.options_sha256, thresholds),
    )
