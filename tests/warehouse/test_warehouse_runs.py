"""A run starts and ends once, and a newer report replaces an older one."""

from dataclasses import replace
from datetime import date, timedelta

import duckdb
import pytest
from warehouse_samples import (
    COMPLETED,
    fingerprint,
    sample_run,
    sha256,
)

from pmfer.errors import WarehouseError
from warehouse import runs
from warehouse.records import ReportRecord
from warehouse.runs import finish_run, record_report, start_run

REPORT = ReportRecord("patient", "p01", date(2026, 6, 1), "reports/2026-06-01/p01.pdf", sha256("pdf"), sha256("in"))


def test_a_killed_run_is_marked_failed_by_the_next_of_its_night(writer: duckdb.DuckDBPyConnection) -> None:
    start_run(writer, sample_run("killed", day=1))
    start_run(writer, sample_run("other night", day=2))
    start_run(writer, sample_run("again", day=1))
    finish_run(writer, "again", COMPLETED)
    rows = {row["run_id"]: row for row in runs.latest_runs(writer).iter_rows(named=True)}
    assert {name: row["status"] for name, row in rows.items()} == {
        "killed": "failed",
        "other night": "running",
        "again": "completed",
    }
    assert rows["killed"]["message"].startswith("interrupted")
    assert rows["killed"]["sessions_found"] is None
    assert rows["again"]["finished_at"] - rows["again"]["started_at"] >= timedelta(0)


def test_a_run_starts_and_ends_once(writer: duckdb.DuckDBPyConnection) -> None:
    start_run(writer, sample_run())
    with pytest.raises(WarehouseError, match="is already stored"):
        start_run(writer, sample_run())
    finish_run(writer, "run-1", COMPLETED)
    with pytest.raises(WarehouseError, match="run run-1: not running"):
        finish_run(writer, "run-1", COMPLETED)


def test_a_newer_report_takes_the_place_of_the_older(writer: duckdb.DuckDBPyConnection) -> None:
    assert record_report(writer, REPORT)
    before = fingerprint(writer)
    assert not record_report(writer, replace(REPORT, run_id="run-2"))
    assert fingerprint(writer) == before
    assert record_report(writer, replace(REPORT, sha256=sha256("new pdf"), input_key=sha256("new in")))
    assert record_report(writer, replace(REPORT, kind="ward", patient_id=None))
    kept = runs.reports_of_day(writer, REPORT.report_date)
    assert kept["report_id"].to_list() == ["ward-2026-06-01", "patient-2026-06-01-p01"]
    assert kept["sha256"].to_list() == [sha256("pdf"), sha256("new pdf")]
