"""`pmfer events import` imports a whole file, or reports every bad row in a line."""

from datetime import UTC, date, datetime
from pathlib import Path

import polars as pl
import pytest
from command import exit_code
from privacy_folder import access_to, file_of, lake_of

from flows.care_events import import_events, read_events
from flows.data_folder import DataFolder
from pmfer.errors import ConfigurationError
from warehouse.address import Address
from warehouse.connection import open_reader
from warehouse.consent import Consent, record_consents

HEADER = "patient_id,kind,item,started_at,ended_at,amount,unit,removed\n"
GOOD = (
    "ash-01,medication,ibuprofen,2026-03-02T08:00:00+01:00,,400,mg,",
    "ash-01,therapy,physiotherapy,2026-03-02T10:00:00+01:00,2026-03-02T10:20:00+01:00,,,",
    "elm-02,transfer,ward 3,2026-03-02 15:00:00+01:00,,,,",
)


@pytest.fixture(params=["file", pytest.param("lake", marks=pytest.mark.slow)])
def warehouse(request: pytest.FixtureRequest, data: DataFolder) -> Address:
    return file_of(data) if request.param == "file" else lake_of(data)


def events(folder: Path, *rows: str, header: str = HEADER) -> Path:
    path = folder / "events.csv"
    path.write_text(header + "".join(f"{row}\n" for row in rows), encoding="utf-8")
    return path


def stored(warehouse: Address) -> pl.DataFrame:
    with open_reader(warehouse) as reader:
        return reader.execute("FROM care_events ORDER BY started_at").pl()


def test_a_file_is_taken_over_once_and_its_corrections_later(
    data: DataFolder, warehouse: Address, tmp_path: Path
) -> None:
    result = import_events(access_to(data, warehouse), events(tmp_path, *GOOD), None)
    assert result.message == "events.csv: 3 rows, 3 new, 0 changed, 0 removed, 0 as before"
    before = stored(warehouse)
    assert before["item"].to_list() == ["ibuprofen", "physiotherapy", "ward 3"]
    result = import_events(access_to(data, warehouse), events(tmp_path, *GOOD), None)
    assert result.message.endswith("0 new, 0 changed, 0 removed, 3 as before")
    assert stored(warehouse).equals(before)
    corrected = (GOOD[0].replace("400", "600"), GOOD[2] + "yes")
    result = import_events(access_to(data, warehouse), events(tmp_path, *corrected), None)
    assert result.message.endswith("0 new, 1 changed, 1 removed, 0 as before")
    assert stored(warehouse)["amount"].to_list() == [600.0, None]


def test_events_of_a_day_without_consent_are_left_out_and_counted(
    data: DataFolder, warehouse: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with access_to(data, warehouse).writing() as writer:
        connection = writer.connection
        record_consents(connection, [Consent("ash-01", date(2026, 3, 3), None, None, "form 1")])
    result = import_events(access_to(data, warehouse), events(tmp_path, *GOOD), None)
    assert result.message.endswith("1 new, 0 changed, 0 removed, 0 as before, 2 left out: no consent for their day")
    assert stored(warehouse)["patient_id"].to_list() == ["elm-02"]
    monkeypatch.setenv("PMFER_CONSENT_REQUIRED", "true")
    assert "3 left out" in import_events(access_to(data, warehouse), events(tmp_path, *GOOD), None).message


BAD = (
    ("Mrs Ash,medication,ibuprofen,2026-03-02T08:00:00+01:00,,,,", "patient_id: may have up to 64 letters"),
    ("ash-01,drug,ibuprofen,2026-03-02T08:00:00+01:00,,,,", "kind: Input should be 'medication', 'therapy'"),
    ("ash-01,medication,,2026-03-02T08:00:00+01:00,,,,", "item: empty"),
    ("ash-01,medication,ibuprofen,2026-03-02T08:00:00,,,,", "started_at: has no offset from UTC"),
    ("ash-01,medication,ibuprofen,2026-03-02,,,,", "started_at: a day without a time"),
    ("ash-01,medication,ibuprofen,02.03.2026 08:00,,,,", "started_at: not a time"),
    ("ash-01,medication,ibuprofen,0026-03-02T08:00:00+01:00,,,,", "started_at: is before 1990"),
    ("ash-01,medication,ibuprofen,2062-03-02T08:00:00+01:00,,,,", "started_at: is in the future"),
    ("ash-01,medication,ibuprofen,2026-03-02T08:00:00+01:00,2026-03-02T07:00:00+01:00,,,", "ended_at is before"),
    ('ash-01,medication,ibuprofen,2026-03-02T08:00:00+01:00,,"0,5",mg,', "amount: Input should be a valid number"),
    ("ash-01,medication,ibuprofen,2026-03-02T08:00:00+01:00,,-1,mg,", "amount: Input should be greater than 0"),
    ("ash-01,medication,ibuprofen,2026-03-02T08:00:00+01:00,,400,,", "amount and unit belong together"),
    ("ash-01,medication,ibuprofen,2026-03-02T08:00:00+01:00,,,,perhaps", "removed: Input should be a valid boolean"),
    ("ash-01,medication,ibuprofen,2026-03-02T08:00:00+01:00,,,,,more", "more fields than columns"),
    ("ash-01,medication,ibuprofen", "fewer fields than columns"),
)


def test_every_bad_row_is_one_line_and_nothing_is_imported(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    data = DataFolder(tmp_path / "not there yet")
    path = events(tmp_path, GOOD[0], *(row for row, _ in BAD), GOOD[0])
    assert exit_code("events", "import", path, "--data-dir", data.root) == 1
    output = capsys.readouterr()
    lines = output.err.splitlines()
    assert output.out == ""
    for number, (line, (_, complaint)) in enumerate(zip(lines, BAD, strict=False), start=3):
        assert line.startswith(f"pmfer: {path}, row {number}")
        assert complaint in line
    last = len(BAD) + 3
    assert lines[-2] == f"pmfer: {path}, row {last}, started_at: row 2 is the same event; keep one"
    assert lines[-1].endswith("16 rows are wrong; nothing was imported, correct the file and import it again")
    assert "Mrs Ash" not in output.err
    assert not data.root.exists()


@pytest.mark.parametrize(
    ("header", "complaint"),
    [
        ("patient_id,kind,item\n", "column started_at is missing"),
        (HEADER.replace("unit", "units"), "column 'units' is not known"),
        (HEADER.replace("unit", "kind"), "column kind is there twice"),
        ("", "column patient_id is missing"),
    ],
)
def test_a_file_of_another_kind_is_named(header: str, complaint: str, tmp_path: Path) -> None:
    with pytest.raises(ConfigurationError, match=rf"events\.csv: {complaint}"):
        read_events(events(tmp_path, header=header))


def test_times_without_offset_are_read_in_the_zone_that_is_named(tmp_path: Path) -> None:
    header = "started_at;patient_id;kind;item\n"
    times = ("2026-03-29 01:30", "2026-03-29 02:30", "2026-03-29 03:30", "2025-10-26 02:30")
    path = events(tmp_path, *(f"{time};ash-01;care;washing" for time in times), header="\ufeff" + header)
    read = read_events(path, "Europe/Berlin", datetime(2026, 4, 1, tzinfo=UTC))
    assert [event.started_at.astimezone(UTC).hour for event in read.events.values()] == [0, 1]
    assert [event.utc_offset_s for event in read.events.values()] == [3600, 7200]
    assert [fault.partition(".csv, ")[2].partition(",")[0] for fault in read.faults] == [
        "row 3",
        "row 5",
    ]
    assert "clocks went forward" in read.faults[0]
    assert "clocks went back" in read.faults[1]
    with pytest.raises(ConfigurationError, match="--zone Berlin: no such time zone"):
        read_events(path, "Berlin")


def test_an_event_of_another_patient_is_named_by_its_row(data: DataFolder, warehouse: Address, tmp_path: Path) -> None:
    header = "event_id,patient_id,kind,item,started_at\n"
    row = "e-1,{},care,washing,2026-03-02T08:00:00+01:00"
    import_events(access_to(data, warehouse), events(tmp_path, row.format("ash-01"), header=header), None)
    result = import_events(access_to(data, warehouse), events(tmp_path, row.format("elm-02"), header=header), None)
    (fault,) = result.faults
    assert "row 2, event_id: stored as an event of another patient" in fault
    assert stored(warehouse)["patient_id"].to_list() == ["ash-01"]
