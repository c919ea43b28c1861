"""What is read for a report: the requested ward, accepted levels, and open flags after a change of bundle."""

from dataclasses import replace
from datetime import timedelta

import duckdb
import pytest

from pmfer.errors import QuarantineReason
from reports.data import CarriedFinding, ReportReader
from reports.findings import Lack, Stage, State
from tools.sample_ward import OLD_BUNDLE, OPTIONS_SHA256, SCORING, STEADY, TODAY, SampleWard
from warehouse import sql
from warehouse.findings import accept_level, store_findings, undo_level
from warehouse.records import AcceptedLevel, FindingRecord

DAYS = 28
YESTERDAY = TODAY - timedelta(days=1)
OPENED = TODAY - timedelta(days=5)
FLAGGED = FindingRecord(
    patient_id="p01",
    session_date=YESTERDAY,
    measure="smiling",
    bundle_id=OLD_BUNDLE.bundle_id,
    options_sha256=OPTIONS_SHA256,
    kind="headline",
    state="lower",
    stage="open",
    code_version="0.1",
    rules=("ewma",),
    value=0.1,
    direction="lower",
    opened_on=OPENED,
    onset_on=OPENED,
    onset_from=OPENED - timedelta(days=1),
    onset_to=OPENED,
    days_open=5,
)


@pytest.fixture
def reader(writer: duckdb.DuckDBPyConnection) -> ReportReader:
    """Two patients on wards, one of whom has moved, and one whose ward is unknown."""
    ward = SampleWard(writer)
    places = (("p01", 3, "3b"), ("p02", 4, "3b"), ("p02", 2, "2a"), ("p02", 1, None), ("p03", 1, None))
    for patient_id, back, where in places:
        ward.record(patient_id, TODAY - timedelta(days=back), STEADY, session_id=f"{patient_id}-{back}")
        writer.execute(f"UPDATE sessions SET ward = $ward WHERE session_id = '{patient_id}-{back}'", {"ward": where})
    ward.quarantine("p01", "p01-torn", QuarantineReason.TRUNCATED)
    ward.quarantine("p04", "p04-torn", QuarantineReason.TRUNCATED)
    ward.quarantine(None, None, QuarantineReason.SIDECAR_MISSING)
    return ReportReader(writer, SCORING)


def test_a_ward_has_the_patients_whose_last_session_with_a_ward_was_there(reader: ReportReader) -> None:
    night, before_the_move = (reader.night(TODAY - timedelta(days=back), DAYS) for back in (0, 3))
    assert night
    assert before_the_move
    assert night.house.patients == ("p01", "p02", "p03", "p04")
    assert {name: ward.patients for name, ward in night.wards.items()} == {"2a": ("p02",), "3b": ("p01",)}
    assert before_the_move.wards["3b"].patients == ("p01", "p02")
    # The facility gets the whole quarantine, a ward only that of its patients.
    assert night.house.quarantine["patient_id"].to_list().count(None) == 1
    assert night.wards["3b"].quarantine["patient_id"].to_list() == ["p01"]
    assert set(night.wards["3b"].summary["patient_id"]) == {"p01"}


def test_a_level_that_counts_on_the_day_is_read(reader: ReportReader) -> None:
    level = AcceptedLevel("p01", "smiling", YESTERDAY, "new glasses")
    accept_level(reader.connection, level)
    mine = reader.patient("p01", TODAY, DAYS)
    assert mine.levels == {"p01": {"smiling": level}}
    assert (mine.accepted("p01"), mine.accepted("p02")) == ({"smiling": YESTERDAY}, {})
    assert reader.patient("p02", TODAY, DAYS).levels == {"p02": {}}
    assert reader.house(TODAY, DAYS).levels == {"p01": {"smiling": level}}
    assert reader.house(YESTERDAY - timedelta(days=1), DAYS).levels == {}
    undo_level(reader.connection, "p01", "smiling")
    assert reader.patient("p01", TODAY, DAYS).levels == {"p01": {}}


def test_a_flag_that_another_bundle_takes_over_is_read(reader: ReportReader) -> None:
    store_findings(reader.connection, [FLAGGED, replace(FLAGGED, patient_id="p02", stage="usual", opened_on=None)])
    carried = (CarriedFinding("p01", "smiling", State.LOWER, OPENED, OPENED, YESTERDAY),)
    assert reader.patient("p01", TODAY, DAYS).carried == carried
    assert reader.patient("p02", TODAY, DAYS).carried == ()
    night = reader.night(TODAY, DAYS)
    assert night
    assert night.house.carried == night.wards["3b"].carried == carried
    assert night.wards["2a"].carried == ()
    # The bundle that raised the flag carries nothing over to itself.
    own = replace(FLAGGED, bundle_id=SCORING.bundle_id)
    store_findings(reader.connection, [own])
    assert reader.patient("p01", TODAY, DAYS).carried == ()


def test_the_warehouse_knows_every_code_of_a_finding() -> None:
    known = sql.contracts()["codes_known"]
    assert all(f"'{code}'" in known for code in (*State, *Stage, *Lack))
