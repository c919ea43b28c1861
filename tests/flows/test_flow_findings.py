"""A report's files agree with its rows; commands list flags, and accept and undo levels."""

import json
from collections.abc import Iterator, Mapping
from datetime import date, timedelta
from pathlib import Path
from typing import Any

import duckdb
import pytest
from privacy_folder import ANOTHER, DAY, DAYS, OTHER, PATIENT, copy_ward, new_house

from cli.app import main
from flows.data_folder import DataFolder
from flows.printing import Printing
from flows.report import render, reports_of
from reports import Format
from reports.fhir import UNITS
from reports.measures import HEADLINE_MEASURES, MEASURE_BY_KEY, MEASURES
from tools.sample_ward import HURTING, SCORING, STEADY, TODAY, SampleWard
from warehouse.address import FileAddress
from warehouse.connection import open_reader, open_writer
from warehouse.findings import accept_level, undo_level
from warehouse.records import AcceptedLevel

CHANGED = TODAY - timedelta(days=3)  # since then the pain of both is three times as high as usual; today one is away
DAYS_TOLD = [CHANGED + timedelta(days=number) for number in range(4)]
Row = Mapping[str, Any]


@pytest.fixture(scope="module")
def data(empty_file: FileAddress, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A ward of two patients, with reports of four days rendered one night after the other."""
    data = new_house(empty_file, tmp_path_factory.mktemp("told") / "data")
    with open_writer(data.warehouse) as connection:
        ward = SampleWard(connection)
        for patient_id in ("p01", "p02"):
            ward.history(patient_id, STEADY, days=14, end=CHANGED)
        for day in DAYS_TOLD:
            for patient_id in ("p01",) if day == TODAY else ("p01", "p02"):
                ward.record(
                    patient_id,
                    day,
                    HURTING.varied(ward.dice(patient_id)),
                    STEADY.varied(ward.dice(patient_id)),
                    HURTING,
                )
            forms = (Format.JSON, Format.FHIR) if day == TODAY else (Format.JSON,)
            assert rendered(connection, data, day, forms) == []
    return data


def rendered(
    connection: duckdb.DuckDBPyConnection, data: DataFolder, day: date, forms: tuple[Format, ...] = (Format.JSON,)
) -> list[str]:
    printing = Printing(forms)
    return render(
        connection, reports_of(connection, day, SCORING, data.reports(day), printing), data, printing, "options"
    )


@pytest.fixture
def reader(data: DataFolder) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_reader(data.warehouse) as connection:
        yield connection


def rows_of(reader: duckdb.DuckDBPyConnection, patient_id: str, day: date) -> dict[str, Row]:
    """The rows of findings of a patient and day, by measure."""
    found = reader.execute(
        "FROM findings WHERE patient_id = $patient_id AND session_date = $day", {"patient_id": patient_id, "day": day}
    )
    return {row["measure"]: row for row in found.pl().rows(named=True)}


def said(finding: Mapping[str, Any]) -> Row:
    """A finding of the JSON document, in the columns of a row."""
    base, flag, usual = finding["baseline"] or {}, finding["episode"] or {}, finding["usual"] or (None, None)
    days = {
        "opened_on": flag.get("opened"),
        "onset_on": flag.get("onset"),
        "onset_from": flag.get("onset_from"),
        "onset_to": flag.get("onset_to"),
        "closed_on": flag.get("closed"),
        "accepted_on": finding["accepted_on"],
    }
    return {
        "state": finding["state"],
        "stage": finding["stage"],
        "rules": [signal["rule"] for signal in finding["signals"]],
        "value": finding["value"],
        "recent": finding["recent"],
        "mean_since": finding["mean_since"],
        "usual_low": usual[0],
        "usual_high": usual[1],
        "centre": base.get("centre"),
        "limit_low": base.get("low"),
        "limit_high": base.get("high"),
        "baseline_days": base.get("days", 0),
        "tentative": finding["tentative"],
        "direction": flag.get("state"),
        "days_open": flag.get("days_open"),
        "lack": finding["lack"],
        **{name: None if day is None else date.fromisoformat(day) for name, day in days.items()},
    }


def test_the_document_of_a_report_says_what_the_rows_say(data: DataFolder, reader: duckdb.DuckDBPyConnection) -> None:
    stages = []
    for day in DAYS_TOLD:
        report = json.loads((data.reports(day) / "p01.json").read_text())["report"]
        parts = [("headline", [trend["finding"] for trend in report["trends"]])]
        parts += [("phrase", [trend["finding"] for trend in report["phrase_trends"]]), ("context", report["context"])]
        rows = rows_of(reader, "p01", day)
        assert len(rows) == len(MEASURES)
        for kind, findings in parts:
            for finding in findings:
                row = rows.pop(finding["key"])
                told = said(finding)
                assert {name: row[name] for name in told} == told
                assert (row["kind"], row["bundle_id"], row["code_version"]) == (
                    kind, report["origin"]["bundle_id"], report["origin"]["software"],
                )  # fmt: skip
        assert rows == {}
        stages.append(rows_of(reader, "p01", day)["pain_activity"]["stage"])
    assert stages == ["new", "open", "open", "open"]


def test_the_fhir_bundle_has_the_values_of_the_rows(data: DataFolder, reader: duckdb.DuckDBPyConnection) -> None:
    bundle = json.loads((data.reports(TODAY) / "fhir" / "p01.json").read_text())
    observed = {
        resource["code"]["coding"][0]["code"]: resource["valueQuantity"]["value"]
        for resource in (entry["resource"] for entry in bundle["entry"])
        if resource["resourceType"] == "Observation"
    }
    rows = rows_of(reader, "p01", TODAY)
    expected = {key: rows[key]["value"] * UNITS[MEASURE_BY_KEY[key].unit][0] for key in rows}
    assert observed == pytest.approx(expected, abs=0.051)


def test_a_flag_of_somebody_who_was_not_recorded_stays_on_the_list(reader: duckdb.DuckDBPyConnection) -> None:
    rows = rows_of(reader, "p02", TODAY)
    assert set(rows) == {measure.key for measure in HEADLINE_MEASURES}
    pain = rows["pain_activity"]
    assert (pain["state"], pain["stage"], pain["lack"]) == ("insufficient", "open", "no_session")
    assert (pain["direction"], pain["opened_on"]) == ("higher", CHANGED)
    flags = reader.execute("FROM flags WHERE measure = 'pain_activity' ORDER BY patient_id").pl()
    columns = ("patient_id", "opened_on", "last_flagged_on", "days", "valid_days", "outcome")
    assert flags.select(columns).rows() == [
        ("p01", CHANGED, TODAY, 4, 4, "open"),
        ("p02", CHANGED, TODAY, 4, 3, "open"),
    ]


def test_what_is_rendered_again_takes_the_place_of_its_rows(data: DataFolder, tmp_path: Path) -> None:
    copy = copy_ward(data, tmp_path / "data")
    everything = "FROM findings ORDER BY patient_id, session_date, measure"
    with open_writer(copy.warehouse) as connection:
        before = connection.execute(everything).pl()
        assert rendered(connection, copy, TODAY) == []
        assert connection.execute(everything).pl().equals(before)
        accept_level(connection, AcceptedLevel("p01", "pain_activity", CHANGED, "new glasses"))
        assert rendered(connection, copy, TODAY) == []
        pain = rows_of(connection, "p01", TODAY)["pain_activity"]
        assert (pain["stage"], pain["accepted_on"], pain["opened_on"]) == ("accepted", CHANGED, None)
        outcomes = "SELECT outcome FROM flags WHERE measure = 'pain_activity' ORDER BY patient_id"
        assert connection.execute(outcomes).fetchall() == [("accepted",), ("open",)]
        document = json.loads((copy.reports(TODAY) / "p01.json").read_text())["report"]
        assert document["trends"][0]["finding"]["accepted_on"] == CHANGED.isoformat()
        undo_level(connection, "p01", "pain_activity")
        assert rendered(connection, copy, TODAY) == []
        after = connection.execute(everything).pl()
        assert after.drop("found_at").equals(before.drop("found_at"))
        # No finding is lost if a page cannot be written.
        (copy.reports(CHANGED) / "p01.json").unlink()
        (copy.reports(CHANGED) / "p01.json").mkdir()
        connection.execute("DELETE FROM findings")
        assert len(rendered(connection, copy, CHANGED)) == 1
        assert len(rows_of(connection, "p01", CHANGED)) == len(MEASURES)


@pytest.fixture
def folder(ward: DataFolder, tmp_path: Path) -> DataFolder:
    """A copy of the data folder of privacy_folder, for one test."""
    return copy_ward(ward, tmp_path / "data")


def run(monkeypatch: pytest.MonkeyPatch, folder: DataFolder, *words: object) -> int:
    arguments = ["pmfer", "findings", *map(str, words), "--data-dir", str(folder.root)]
    monkeypatch.setattr("sys.argv", arguments)
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_a_level_is_accepted_listed_and_undone(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMFER_ACTOR", "night-team")
    why = ("--note", "new glasses; smiles less for it")
    assert run(monkeypatch, folder, "accept", PATIENT, "--measure", "smiling", "--from", DAY, *why) == 0
    assert "smiling: new level accepted from 2026-03-02" in capsys.readouterr().out
    assert run(monkeypatch, folder, "list") == 0
    listed = capsys.readouterr().out
    for text in ("no flag", PATIENT, "smiling", "2026-03-02", "new glasses; smiles less for it", "night-team"):
        assert text in listed
    assert run(monkeypatch, folder, "list", OTHER) == 0
    assert capsys.readouterr().out == "no flags\n"
    with open_reader(folder.published) as reader:
        (entry,) = reader.execute("SELECT actor, details FROM audit_log WHERE action = 'level_accepted'").fetchall()
    assert entry == ("night-team", '{"from_date": "2026-03-02", "measure": "smiling"}')
    assert run(monkeypatch, folder, "undo", PATIENT, "--measure", "smiling") == 0
    assert "the level from 2026-03-02 no longer counts" in capsys.readouterr().out
    assert run(monkeypatch, folder, "list") == 0
    assert capsys.readouterr().out == "no flags\n"
    assert run(monkeypatch, folder, "list", "--all") == 0
    assert "new glasses" in capsys.readouterr().out
    reads = [json.loads(line)["action"] for line in folder.read_log.read_text().splitlines()]
    assert reads.count("findings") == 4


@pytest.mark.parametrize(
    ("words", "line"),
    [
        ({"patient": "nobody-01"}, "patient nobody-01: nothing is stored; check the pseudonym"),
        ({"measure": "pain\x1b[31m"}, r"--measure 'pain\x1b[31m': not known; give one of pain_activity, expressivity,"),
        ({"first": "2999-01-01"}, "--from 2999-01-01: has not come yet"),
        ({"first": "yesterday"}, "date 'yesterday': not a day; write it as YYYY-MM-DD"),
        ({"first": "2026-03-01"}, "2026-03-01: is before the patient's first day, 2026-03-02"),
        ({"note": " "}, "--note: say why in 1 to 500 characters"),
        ({"note": "x" * 501}, "--note: say why in 1 to 500 characters"),
        ({"note": "two\nlines"}, "--note: say why in 1 to 500 characters"),
    ],
)
def test_what_cannot_be_meant_is_one_line_and_changes_nothing(
    folder: DataFolder,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    words: dict[str, str],
    line: str,
) -> None:
    given = {"patient": PATIENT, "measure": "smiling", "first": str(DAY), "note": "new glasses", **words}
    before = folder.published.read_bytes()
    options = ("--measure", given["measure"], "--from", given["first"], "--note", given["note"])
    assert run(monkeypatch, folder, "accept", given["patient"], *options) == 1
    told = capsys.readouterr()
    assert told.out == ""
    assert told.err.startswith(f"pmfer: {line}")
    assert len(told.err.splitlines()) == 1
    assert folder.published.read_bytes() == before


def test_a_list_of_nobody_is_one_line(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, "list", "ash-1") == 1
    assert capsys.readouterr().err == "pmfer: patient 'ash-1': nothing is stored; check the pseudonym\n"


def test_what_was_not_accepted_cannot_be_undone(
    folder: DataFolder, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, folder, "undo", PATIENT, "--measure", "smiling") == 1
    assert "smiling of patient ash-01: no level is accepted; nothing to undo" in capsys.readouterr().err


def test_reports_made_by_command_store_what_they_say(folder: DataFolder) -> None:
    with open_reader(folder.published) as reader:
        told = reader.execute("SELECT DISTINCT session_date, patient_id FROM findings WHERE kind = 'phrase'").fetchall()
    assert set(told) == {(DAY, PATIENT), *((day, patient_id) for day in DAYS for patient_id in (OTHER, ANOTHER))}
