"""Care events are stored once, corrected and removed by identifier, and deleted with their patient or for their age."""

from dataclasses import replace
from datetime import UTC, date, datetime, timedelta

import duckdb
import pytest
from warehouse_samples import SUMMER_TIME, content

from pmfer.errors import WarehouseError
from warehouse.care_events import CareEvent, CareEventKind, ImportCounts, events_of_others, store_care_events
from warehouse.personal import delete_rows, keys_of_patient, personal_tables
from warehouse.retention import Retention, expire_rows
from warehouse.transaction import transaction
from warehouse.verify import verify_log

NINE = datetime(2026, 6, 1, 9, tzinfo=SUMMER_TIME)
DOSE = CareEvent("p01", CareEventKind.MEDICATION, "ibuprofen", NINE, amount=400.0, unit="mg")
WALK = CareEvent("p01", CareEventKind.THERAPY, "physiotherapy", NINE, NINE + timedelta(minutes=20), own_id="t-1")
MOVE = CareEvent("p02", CareEventKind.TRANSFER, "ward 3", NINE - timedelta(hours=10), note="by lift")
Connection = duckdb.DuckDBPyConnection


def entries(connection: Connection) -> list[str]:
    rows = connection.execute("SELECT details FROM audit_log WHERE action = 'care_events_imported' ORDER BY entry")
    return [details for (details,) in rows.fetchall()]


def test_events_are_stored_as_they_were_said_and_a_second_time_changes_nothing(writer: Connection) -> None:
    assert store_care_events(writer, [DOSE, WALK, MOVE], "march.csv") == ImportCounts(3, 0, 0)
    before = content(writer)
    assert store_care_events(writer, [DOSE, WALK, MOVE], "again.csv") == ImportCounts(0, 0, 0)
    assert content(writer) == before
    rows = writer.execute("FROM care_events ORDER BY item").pl()
    assert rows["item"].to_list() == ["ibuprofen", "physiotherapy", "ward 3"]
    assert rows["started_at"].to_list() == [NINE, NINE, MOVE.started_at]
    assert rows["event_date"].to_list() == [date(2026, 6, 1), date(2026, 6, 1), date(2026, 5, 31)]
    assert rows["utc_offset_s"].to_list() == [7200] * 3
    assert (rows["amount"].to_list(), rows["unit"].to_list()) == ([400.0, None, None], ["mg", None, None])
    assert rows["source"].unique().to_list() == ["march.csv"]


def test_what_is_entered_anew_takes_the_older_ones_place_and_what_was_an_error_goes(writer: Connection) -> None:
    store_care_events(writer, [DOSE, WALK, MOVE], "march.csv")
    later = replace(WALK, started_at=NINE + timedelta(minutes=5), note="came late")
    gone = replace(MOVE, removed=True)
    assert store_care_events(writer, [replace(DOSE, amount=600.0), later, gone], "b.csv") == ImportCounts(0, 2, 1)
    assert store_care_events(writer, [gone], "b.csv") == ImportCounts(0, 0, 0)
    rows = writer.execute("FROM care_events ORDER BY item").pl()
    assert rows["amount"].to_list() == [600.0, None]
    assert rows["note"].to_list() == [None, "came late"]


def test_every_patient_has_an_entry_that_does_not_name_them(writer: Connection) -> None:
    store_care_events(writer, [DOSE, WALK, MOVE], "p01 march.csv")
    assert entries(writer) == [
        '{"added": 2, "changed": 0, "removed": 0}',
        '{"added": 1, "changed": 0, "removed": 0}',
    ]
    assert verify_log(writer)[1] is None
    ((everything,),) = writer.execute("SELECT string_agg(CAST(audit_log AS VARCHAR)) FROM audit_log").fetchall()
    assert "p01" not in everything


def test_an_identifier_of_another_patient_is_refused_and_nothing_is_stored(writer: Connection) -> None:
    store_care_events(writer, [WALK], "a.csv")
    before = content(writer)
    stranger = replace(WALK, patient_id="p02")
    assert events_of_others(writer, [DOSE, stranger]) == {"t-1"}
    with pytest.raises(WarehouseError, match="care event t-1: stored for another patient"):
        store_care_events(writer, [DOSE, stranger], "b.csv")
    assert content(writer) == before


def test_events_go_with_their_patient_and_with_the_age_of_sessions(writer: Connection) -> None:
    lasting = replace(MOVE, own_id="m-1", ended_at=datetime(2026, 6, 20, tzinfo=UTC))
    store_care_events(writer, [DOSE, WALK, MOVE, lasting], "a.csv")
    with transaction(writer):
        counts = delete_rows(writer, personal_tables(writer), keys_of_patient(writer, "p01"))
    assert counts["care_events"] == 2
    assert expire_rows(writer, Retention(sessions=30), date(2026, 7, 10)) == {"care_events": 1}
    assert writer.execute("SELECT event_id FROM care_events").fetchall() == [("m-1",)]
