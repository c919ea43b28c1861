"""Data past its retention period is deleted from every table, and the rest stays."""

import os
from datetime import date, timedelta
from pathlib import Path

import pytest
from command import exit_code
from privacy_folder import DAY, DAYS, OTHER, PATIENT, access_to, copy_ward, new_house

from flows.data_folder import DataFolder
from flows.privacy.retention import retain, retain_now
from flows.verify import verify_logs
from pmfer.errors import ConfigurationError
from reports.data import ReportReader
from reports.patient import PatientReport
from tools.report_samples import read_report, stable
from tools.sample_ward import SCORING, SampleWard
from tools.sample_ward import TODAY as SAMPLE_DAY
from warehouse.address import FileAddress
from warehouse.connection import open_writer
from warehouse.contracts import broken_contracts
from warehouse.personal import personal_tables
from warehouse.retention import Retention

TODAY = DAYS[1] + timedelta(days=10)
SECOND_DAY = 10  # days: keeps the second day of the folder and expires the first


@pytest.fixture
def data(ward: DataFolder, tmp_path: Path) -> DataFolder:
    """A copy of the folder for one test."""
    return copy_ward(ward, tmp_path / "data")


def days_in(data: DataFolder, table: str) -> list[date]:
    """The days of a table's rows, by session."""
    with open_writer(data.warehouse) as connection:
        owners = f"FROM {table} AS rows JOIN sessions AS owner USING (session_id)"
        rows = connection.execute(f"SELECT DISTINCT owner.session_date {owners} ORDER BY 1")
        return [day for (day,) in rows.fetchall()]


def test_frames_go_first_and_their_sessions_stay(data: DataFolder) -> None:
    counts = retain_now(access_to(data), Retention(frames=SECOND_DAY), TODAY, dry_run=False)
    assert counts == {"stored_frames": 120}
    assert days_in(data, "stored_frames") == [DAYS[1]]
    assert days_in(data, "scorings") == list(DAYS)


def test_sessions_go_with_every_table_that_knows_of_them(data: DataFolder) -> None:
    with open_writer(data.warehouse) as connection:
        connection.execute("CREATE TABLE later_rollups AS SELECT scoring_id, 1 AS value FROM scorings")
    for day in DAYS:
        data.digests(day).parent.mkdir(exist_ok=True)
        data.digests(day).touch()
    counts = retain_now(access_to(data), Retention(sessions=SECOND_DAY), TODAY, dry_run=False)
    assert [path.name for path in data.digests(DAY).parent.iterdir()] == [f"{DAYS[1]}.txt"]
    assert (counts["sessions"], counts["scorings"], counts["stored_frames"], counts["later_rollups"]) == (3, 3, 120, 3)
    assert counts["patients"] == 1  # the first patient was there on the first day only
    assert days_in(data, "sessions") == [DAYS[1]]
    with open_writer(data.warehouse) as connection:
        for table, columns in personal_tables(connection).items():
            if "scoring_id" in columns:
                orphans = f"SELECT count(*) FROM {table} WHERE scoring_id NOT IN (SELECT scoring_id FROM scorings)"
                assert connection.execute(orphans).fetchall() == [(0,)], table
        assert connection.execute("SELECT patient_id FROM patients ORDER BY 1").fetchall() == [("ash-01b",), (OTHER,)]


def test_reports_quarantine_and_staged_files_have_ages_of_their_own(data: DataFolder) -> None:
    (data.staging / "fresh.mp4").write_bytes(b"now")
    for path in data.staging.iterdir():
        long_ago = (TODAY - timedelta(days=0 if path.name == "fresh.mp4" else 30)).strftime("%s")
        os.utime(path, (int(long_ago), int(long_ago)))
    retention = Retention(reports=SECOND_DAY, quarantine=SECOND_DAY, staged=5)
    counts = retain_now(access_to(data), retention, TODAY, dry_run=False)
    assert counts["reports"] == 4
    assert counts["quarantine"] == 4
    assert [path.name for path in (data.root / "reports").iterdir()] == [DAYS[1].isoformat()]
    assert [path.name for path in data.staging.iterdir()] == ["fresh.mp4"]
    assert days_in(data, "sessions") == list(DAYS)


def test_whom_the_audit_log_meant_is_forgotten_with_the_last_row(data: DataFolder) -> None:
    everything = Retention(sessions=0, reports=0, quarantine=0)
    with open_writer(data.warehouse) as connection:
        connection.execute("DELETE FROM consents WHERE patient_id = $patient", {"patient": PATIENT})
    counts = retain_now(access_to(data), everything, TODAY, dry_run=False)
    assert counts["audit_subjects"] == 2
    with open_writer(data.warehouse) as connection:
        assert connection.execute("SELECT patient_id FROM audit_subjects").fetchall() == [(OTHER,)]  # has a consent


def test_a_dry_run_says_the_same_and_changes_nothing(data: DataFolder) -> None:
    everything = Retention(frames=SECOND_DAY, sessions=SECOND_DAY, reports=SECOND_DAY, quarantine=SECOND_DAY)
    before = days_in(data, "stored_frames")
    announced = retain_now(access_to(data), everything, TODAY, dry_run=True)
    assert days_in(data, "stored_frames") == before
    assert (data.reports(DAY) / f"{PATIENT}.pdf").exists()
    assert retain_now(access_to(data), everything, TODAY, dry_run=False) == announced
    assert retain_now(access_to(data), everything, TODAY, dry_run=False) == {}


def test_what_went_is_in_the_audit_log_and_in_no_snapshot(data: DataFolder) -> None:
    retain_now(access_to(data), Retention(sessions=SECOND_DAY), TODAY, dry_run=False)
    assert verify_logs(access_to(data))[0].startswith("audit log: whole")
    with open_writer(data.published) as connection:
        assert connection.execute("SELECT count(*) FROM sessions WHERE session_date = $d", {"d": DAY}).fetchall() == [
            (0,)
        ]
        ((details,),) = connection.execute(
            "SELECT details FROM audit_log WHERE action = 'retention_applied'"
        ).fetchall()
    assert '"sessions": 10' in details


CARE_EVERY_THIRD_DAY = """
    UPDATE sessions SET situation = CASE WHEN dayofyear(session_date) % 3 = 0 THEN 'during_care' ELSE 'at_rest' END
"""


@pytest.mark.parametrize("situations", [False, True], ids=["as they are", "like with like"])
def test_the_usual_range_outlives_the_sessions_that_it_rests_on_and_goes_with_the_patient(
    empty_file: FileAddress, tmp_path: Path, situations: bool
) -> None:
    data = new_house(empty_file, tmp_path / "data")
    with open_writer(data.warehouse) as connection:

        def report() -> PatientReport:
            return read_report(ReportReader(connection, SCORING), PATIENT, SAMPLE_DAY)

        stable(SampleWard(connection), PATIENT)
        if situations:
            connection.execute(CARE_EVERY_THIRD_DAY)
        before = report()
        assert bool(before.findings[0].situations) == situations
        assert before.baseline_sizes is not None
        assert before.baseline_sizes[0] > 7
        for days in (15, 3):  # as time passes: what an earlier round deleted is not counted again
            assert retain(connection, data, Retention(sessions=days), SAMPLE_DAY)["sessions"] > 0
            after = report()
            assert (after.trends, after.phrase_trends, after.context) == (
                before.trends,
                before.phrase_trends,
                before.context,
            )
            assert (after.days_before, after.sessions_on_record) == (before.days_before, before.sessions_on_record)
        assert broken_contracts(connection, everything=True) == []
        later = SAMPLE_DAY + timedelta(days=30)
        assert retain(connection, data, Retention(sessions=1), later)["daily_values"] > 0
        assert connection.execute("FROM daily_values").fetchall() == []


def test_without_an_age_nothing_goes_and_a_wrong_age_is_named(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    with pytest.raises(ConfigurationError, match="no retention period is set"):
        retain_now(access_to(data), Retention(), TODAY, dry_run=False)
    monkeypatch.setenv("PMFER_RETAIN_FRAMES_DAYS", "0")
    assert exit_code("warehouse", "retain", "--data-dir", data.root) == 1
    assert "PMFER_RETAIN_FRAMES_DAYS" in capsys.readouterr().err
