"""Which files a day's reports are, when they are made again, and what becomes of those that are no longer wanted.

The deployment `report` takes pseudonyms as Prefect's command line hands them on: as JSON if they look like it.
"""

import json
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pikepdf
import pytest
from prefect.exceptions import ParameterTypeError
from prefect.utilities.schema_tools import validate
from privacy_folder import DAYS, OTHER, PASSWORD, PRINTING, access_to, copy_ward

from cli.app import main
from flows.data_folder import DataFolder
from flows.deployed import report
from flows.printing import Printing
from flows.report import due_reports, render, render_by_hand
from pmfer.errors import ReportError
from reports import Format
from reports.document import report_schema
from reports.write import Recipient
from warehouse import queries, runs
from warehouse.connection import open_reader, open_writer

DAY = DAYS[1]  # two patients and the ward
IN_THE_OPEN = {"ash-01b.pdf", "ash-01b.html", "ash-01b.json", "fhir/ash-01b.json"}
IN_THE_OPEN |= {"elm-02.pdf", "elm-02.html", "elm-02.json", "fhir/elm-02.json", "ward.pdf", "ward.html", "ward.json"}
PROTECTED = {"for-night-team/ash-01b.pdf", "for-night-team/elm-02.pdf", "for-night-team/ward.pdf"}


@pytest.fixture
def data(ward: DataFolder, tmp_path: Path) -> DataFolder:
    """A copy of the folder for one test."""
    return copy_ward(ward, tmp_path / "data")


@pytest.fixture
def writer(data: DataFolder) -> Iterator[duckdb.DuckDBPyConnection]:
    with open_writer(data.warehouse) as connection:
        yield connection


def names_in(folder: Path) -> set[str]:
    return {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()}


def due(connection: duckdb.DuckDBPyConnection, data: DataFolder, printing: Printing) -> list[str]:
    scoring = queries.active_provenance(connection, DAY)
    assert scoring is not None
    return [report.report_id for report in due_reports(connection, DAY, scoring, data, printing)]


def render_due(connection: duckdb.DuckDBPyConnection, data: DataFolder, printing: Printing) -> list[str]:
    scoring = queries.active_provenance(connection, DAY)
    assert scoring is not None
    return render(connection, due_reports(connection, DAY, scoring, data, printing), data, printing, None)


def test_every_form_is_a_private_file_of_its_own_and_on_record(ward: DataFolder) -> None:
    folder = ward.reports(DAY)
    assert names_in(folder) == IN_THE_OPEN | PROTECTED
    assert all(path.stat().st_mode & 0o077 == 0 for path in folder.rglob("*") if path.is_file())
    with open_reader(ward.published) as reader:
        rows = runs.reports_of_day(reader, DAY).to_dicts()
    recorded = {path for row in rows for path in json.loads(row["files"])}
    assert recorded == {f"reports/{DAY}/{name}" for name in IN_THE_OPEN | PROTECTED}
    assert {row["path"] for row in rows} == {f"reports/{DAY}/{name}.pdf" for name in ("ward", "ash-01b", OTHER)}


def test_what_is_there_and_unaltered_is_not_due(data: DataFolder, writer: duckdb.DuckDBPyConnection) -> None:
    assert due(writer, data, PRINTING) == []
    (data.reports(DAY) / "fhir" / f"{OTHER}.json").unlink()
    (data.reports(DAY) / "for-night-team" / "ward.pdf").write_bytes(b"altered")
    assert due(writer, data, PRINTING) == [f"patient-{DAY}-{OTHER}", f"ward-{DAY}"]
    assert render_due(writer, data, PRINTING) == []
    assert due(writer, data, PRINTING) == []


def test_what_may_not_lie_there_any_more_goes_and_other_formats_stay(
    data: DataFolder, writer: duckdb.DuckDBPyConnection
) -> None:
    only_json = replace(
        PRINTING,
        formats=(Format.JSON,),
        recipients=(Recipient("dr-moss", PASSWORD),),
        withheld=frozenset({Format.PDF}),
    )
    assert len(due(writer, data, only_json)) == 3
    assert render_due(writer, data, only_json) == []
    stems = ("ash-01b", OTHER, "ward")
    open_pdfs = {f"{stem}.pdf" for stem in stems}
    kept = (IN_THE_OPEN - open_pdfs) | {f"for-dr-moss/{stem}.pdf" for stem in stems}
    assert names_in(data.reports(DAY)) == kept
    assert due(writer, data, only_json) == []


def test_rendering_one_format_leaves_the_others(data: DataFolder) -> None:
    folder = data.reports(DAY)
    before = {name: (folder / name).stat().st_mtime_ns for name in IN_THE_OPEN}
    made = render_by_hand(access_to(data), DAY, None, replace(PRINTING, formats=(Format.JSON,)))
    assert {path.relative_to(folder).as_posix() for path in made if path.suffix == ".json"} == {
        *("ash-01b.json", f"{OTHER}.json", "ward.json")
    }
    assert names_in(folder) == IN_THE_OPEN | PROTECTED
    changed = {name for name, time in before.items() if (folder / name).stat().st_mtime_ns != time}
    assert changed == {"ash-01b.json", f"{OTHER}.json", "ward.json"}
    with open_reader(data.published) as reader:
        rows = runs.reports_of_day(reader, DAY).to_dicts()
    assert {path for row in rows for path in json.loads(row["files"])} >= {
        f"reports/{DAY}/{name}" for name in IN_THE_OPEN
    }
    assert {row["path"] for row in rows} == {f"reports/{DAY}/{name}.pdf" for name in ("ward", "ash-01b", OTHER)}


def test_a_file_of_another_format_that_is_out_of_date_is_rendered_again(
    data: DataFolder, writer: duckdb.DuckDBPyConnection
) -> None:
    html = data.reports(DAY) / f"{OTHER}.html"
    before = html.read_bytes()
    letter = replace(PRINTING, formats=(Format.JSON,), options={"page_size": "Letter"})
    assert len(due(writer, data, letter)) == 3
    assert render_due(writer, data, letter) == []
    assert html.read_bytes() != before
    assert due(writer, data, letter) == []
    html.unlink()  # by somebody who no longer wants it
    assert due(writer, data, letter) == []
    html.write_text("altered")
    assert due(writer, data, letter) == [f"patient-{DAY}-{OTHER}"]


def test_a_page_rendered_again_says_that_it_replaces_earlier_prints(
    data: DataFolder, writer: duckdb.DuckDBPyConnection, tmp_path: Path
) -> None:
    pages = [data.reports(DAY) / name for name in (f"{OTHER}.html", "ward.html")]
    note = "replaces every earlier print of this page"
    assert not any(note in page.read_text() for page in pages)
    writer.execute("UPDATE reports SET input_key = 'of recordings that were late'")
    assert render_due(writer, data, PRINTING) == []
    assert all(note in page.read_text() for page in pages)
    writer.close()
    (copy,) = render_by_hand(access_to(data), DAY, OTHER, Printing((Format.HTML,)), tmp_path)
    assert note not in copy.read_text()


def test_other_options_of_the_page_make_them_due(data: DataFolder, writer: duckdb.DuckDBPyConnection) -> None:
    assert len(due(writer, data, replace(PRINTING, options={"page_size": "Letter"}))) == 3


def test_a_ward_has_no_fhir_and_is_left_out_where_nothing_else_is_wanted(
    data: DataFolder, writer: duckdb.DuckDBPyConnection
) -> None:
    only_fhir = Printing((Format.FHIR,))
    assert due(writer, data, only_fhir) == [f"patient-{DAY}-ash-01b", f"patient-{DAY}-{OTHER}"]


def test_a_report_that_fails_is_one_line_and_the_others_are_recorded(
    data: DataFolder, writer: duckdb.DuckDBPyConnection
) -> None:
    target = data.reports(DAY) / f"{OTHER}.json"
    target.unlink()
    target.mkdir()
    (data.reports(DAY) / "ward.json").unlink()
    (failure,) = render_due(writer, data, PRINTING)
    assert f"{OTHER}.json: cannot be written" in failure
    assert due(writer, data, PRINTING) == [f"patient-{DAY}-{OTHER}"]
    writer.close()
    with pytest.raises(ReportError, match=r"1 of 1 reports failed, the first: .*cannot be written"):
        render_by_hand(access_to(data), DAY, OTHER, PRINTING)


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr("sys.argv", ["pmfer", *(str(argument) for argument in arguments)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_copies_elsewhere_are_written_and_not_recorded(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    before = data.published.read_bytes()
    out = tmp_path / "copies"
    wanted = ("--date", DAY, "--patient", OTHER, "--format", "html", "--format", "fhir")
    assert run(monkeypatch, "report", *wanted, "--data-dir", data.root, "--out", out) == 0
    assert names_in(out) == {f"{OTHER}.html", f"fhir/{OTHER}.json"}
    assert capsys.readouterr().out.split() == [f"{out}/{OTHER}.html", f"{out}/fhir/{OTHER}.json"]
    assert data.published.read_bytes() == before


def test_the_schema_can_be_printed(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    assert run(monkeypatch, "report-schema") == 0
    assert capsys.readouterr().out == report_schema()


def test_the_recipient_opens_the_copy_and_the_password_is_in_no_file(ward: DataFolder) -> None:
    with pikepdf.open(ward.reports(DAY) / "for-night-team" / f"{OTHER}.pdf", password=PASSWORD) as pdf:
        assert len(pdf.pages) >= 1
    for path in ward.root.rglob("*"):
        assert not path.is_file() or PASSWORD.encode() not in path.read_bytes(), path


@pytest.mark.parametrize(("given", "patient"), [("12", "12"), ('"007"', "007"), ('"null"', "null")])
def test_a_pseudonym_that_looks_like_something_else_is_one(
    ward: DataFolder, tmp_path: Path, given: str, patient: str
) -> None:
    data = copy_ward(ward, tmp_path / "data")
    parameters = {"data_dir": str(data.root), "day": DAYS[1].isoformat(), "patient_id": json.loads(given)}
    validate(parameters, report.parameters.model_dump_for_openapi(), raise_on_error=True)  # as the server does
    with pytest.raises(ReportError, match=f"no session of patient {patient} "):
        report.fn(**report.validate_parameters(parameters))


@pytest.mark.parametrize("given", ["null", "true", "12.0", "[]"])
def test_what_is_no_pseudonym_does_not_mean_all_patients(given: str) -> None:
    parameters = {"data_dir": "data", "day": DAYS[1].isoformat(), "patient_id": json.loads(given)}
    with pytest.raises(ParameterTypeError, match="patient_id"):
        report.validate_parameters(parameters)
