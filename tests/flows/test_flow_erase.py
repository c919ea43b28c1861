"""After an erasure the patient is in no byte and no row, everybody else's data is as it was, and a receipt remains."""

import json
import re
import subprocess
import sys
from contextlib import closing
from datetime import timedelta
from pathlib import Path

import duckdb
import pikepdf
import polars as pl
import pytest
from command import exit_code
from other_processes import python_path
from privacy_folder import (
    ANOTHER,
    DAY,
    DAYS,
    OTHER,
    PASSWORD,
    PATIENT,
    PRINTING,
    access_to,
    copy_ward,
    lake_of,
    printing_settings,
    store_day,
)

from flows.data_folder import DataFolder
from flows.privacy.erase import erase_patient
from flows.privacy.name_map import read_names
from flows.privacy.patient_files import require_idle
from flows.report import render_by_hand
from flows.settings import read_settings
from flows.verify import verify_logs
from pmfer.errors import ConfigurationError
from reports import document
from warehouse import migrate
from warehouse.address import Address
from warehouse.connection import open_reader, open_writer

CHILD = Path(__file__).with_name("erase_patient.py")
ENVIRONMENT = {"PYTHONPATH": python_path(), "PMFER_REPORT_FORMATS": "json"}
STEPS = (
    "key of the hashes",
    "removing files",
    "deleting rows",
    "rendering ward overviews and reports again",
    "rewriting the database",
    "publishing",
    "searching for what is left",
)


@pytest.fixture
def data(ward: DataFolder, tmp_path: Path) -> DataFolder:
    """A copy of the folder for one test."""
    return copy_ward(ward, tmp_path / "data")


@pytest.fixture(scope="module")
def erased(ward: DataFolder, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A copy of the folder from which the patient was erased. No test changes it."""
    data = copy_ward(ward, tmp_path_factory.mktemp("erased") / "data")
    with pytest.MonkeyPatch.context() as patched:
        patched.setenv("PMFER_ACTOR", "data protection officer")
        for name, value in printing_settings(tmp_path_factory.mktemp("house")).items():
            patched.setenv(name, value)
        erase(data)
    return data


def erase(data: DataFolder, patient: str = PATIENT, warehouse: Address | None = None) -> dict[str, dict[str, object]]:
    access = access_to(data, warehouse)
    return erase_patient(access, patient, read_settings(), lambda lines: True, lambda step: None)


def tables(connection: duckdb.DuckDBPyConnection) -> dict[str, pl.DataFrame]:
    names = [name for (name,) in connection.execute(migrate.TABLE_NAMES).fetchall()]
    return {name: connection.execute(f"FROM {name} ORDER BY ALL").pl() for name in names}


def files_with(data: DataFolder, patient: str) -> list[Path]:
    """Our files that hold the identifier in their name or bytes, other than as part of another patient's longer one."""
    encodings = ("utf-8", "utf-16-le", "utf-16-be")
    forms = [(patient.encode(encoding), ANOTHER.encode(encoding)) for encoding in encodings]
    forms += [(short.hex().encode(), long.hex().encode()) for short, long in forms]
    forms += [(short.upper(), long.upper()) for short, long in forms[3:]]
    # DuckDB's metadata continues elsewhere after such a pointer: the text before it is half of the longer identifier.
    cut = re.compile(re.escape(patient.encode()) + rb".\x00{6}[\x00-\x3f]", re.DOTALL)
    found = set()
    house = {data.root / "backup.duckdb", *(data.root / "notes").rglob("*")}  # files of unknown origin
    for path in set(data.root.rglob("*")) - house:
        content = path.read_bytes() if path.is_file() else b""
        for text in (data.relative(path).encode(), cut.sub(b"", content) if path.suffix == ".duckdb" else content):
            found.update(path for short, long in forms if short in text.replace(long, b""))
    return sorted(found)


def rows_with(connection: duckdb.DuckDBPyConnection, patient: str) -> list[str]:
    """Tables with a row that holds the identifier, whatever the column and however it is stored."""
    names = [name for (name,) in connection.execute(migrate.TABLE_NAMES).fetchall()]
    text = f"replace(CAST(t AS VARCHAR), '{ANOTHER}', '')"
    return [
        name
        for name in names
        if connection.execute(f"SELECT count(*) FROM {name} AS t WHERE contains({text}, $p)", {"p": patient}).fetchall()
        != [(0,)]
    ]


def test_the_folder_to_begin_with_has_the_patient_everywhere(ward: DataFolder) -> None:
    with open_reader(ward.published) as reader:
        assert len(rows_with(reader, PATIENT)) >= 8
    assert len(files_with(ward, PATIENT)) >= 10


def test_the_patient_is_in_no_byte_and_no_row_afterwards(erased: DataFolder) -> None:
    assert files_with(erased, PATIENT) == []
    for opened in (open_reader(erased.published), open_writer(erased.warehouse)):
        with closing(opened) as connection:
            assert rows_with(connection, PATIENT) == []
    assert not list(erased.staging.iterdir()) + list(erased.exports.iterdir()) + list(erased.prefect_home.iterdir())
    assert {path.name for path in (erased.root / "source").rglob("*.mp4")} == {"camera-8.mp4", "b.mp4"}
    assert not (erased.published.parent / ".warehouse.duckdb.draft").exists()


def _belongs_to_patient(rows: pl.DataFrame, scorings: pl.DataFrame) -> pl.Expr:
    whose = rf"^{PATIENT}(-|$)"
    for key in ("patient_id", "session_id"):
        if key in rows.columns:
            return pl.col(key).str.contains(whose)
    if "scoring_id" in rows.columns:
        theirs = scorings.filter(pl.col("session_id").str.contains(whose))["scoring_id"]
        return pl.col("scoring_id").is_in(theirs.to_list())
    return pl.lit(False)


def test_everybody_elses_data_is_as_it_was(ward: DataFolder, erased: DataFolder) -> None:
    with open_reader(ward.published) as reader, open_reader(erased.published) as other:
        before, after = tables(reader), tables(other)
    for name, rows in before.items():
        if name in ("audit_log", "audit_head", "erasures", "tombstones", "reports", "quarantine", "runs"):
            continue  # the last three are checked below, and the log only grows
        assert after[name].equals(rows.filter(~_belongs_to_patient(rows, before["scorings"]))), name
    assert {row["source_uri"] for row in after["quarantine"].to_dicts()} == {f"{DAY}/{OTHER}-noon.mp4"}
    assert after["runs"].drop("message").equals(before["runs"].drop("message"))
    assert after["runs"]["message"].drop_nulls().to_list() == ["erased"]
    files = [path for patient in (OTHER, ANOTHER) for path in (ward.root / "reports").rglob(f"{patient}.*")]
    assert len(files) == 2 * 5 * len(DAYS)  # in four formats, and one with a password
    for path in files:
        assert (erased.root / ward.relative(path)).read_bytes() == path.read_bytes()


def test_ward_overviews_that_showed_the_patient_are_rendered_again(ward: DataFolder, erased: DataFolder) -> None:
    with open_reader(erased.published) as reader:
        recorded = reader.execute("SELECT count(*) FROM reports WHERE kind = 'ward'").fetchall()
    assert recorded == [(len(DAYS),)]
    for day in DAYS:  # the overview of the second day draws the weeks before it, so the patient was in it too
        assert (erased.reports(day) / "ward.pdf").read_bytes() != (ward.reports(day) / "ward.pdf").read_bytes()
        with pikepdf.open(erased.reports(day) / "ward.pdf") as pdf:
            assert pdf.pages
        with pikepdf.open(erased.reports(day) / "for-night-team" / "ward.pdf", password=PASSWORD) as pdf:
            assert pdf.pages
        for name in ("ward.html", "ward.json"):
            assert (erased.reports(day) / name).read_bytes() != (ward.reports(day) / name).read_bytes()


def test_every_form_of_the_patients_report_goes(ward: DataFolder, erased: DataFolder) -> None:
    forms = [f"{PATIENT}.pdf", f"{PATIENT}.html", f"{PATIENT}.json", f"fhir/{PATIENT}.json"]
    for name in (*forms, f"for-night-team/{PATIENT}.pdf"):
        assert (ward.reports(DAY) / name).is_file()
        assert not (erased.reports(DAY) / name).exists()


def test_a_missing_password_is_named_before_anything_is_removed(
    data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    for name, value in printing_settings(tmp_path).items():
        monkeypatch.setenv(name, value)
    (tmp_path / "night-team.password").unlink()
    with pytest.raises(ConfigurationError, match=r"night-team\.password cannot be read"):
        erase(data)
    assert (data.reports(DAY) / f"{PATIENT}.pdf").exists()


def test_the_receipt_says_what_went_and_names_nobody(erased: DataFolder) -> None:
    (path,) = erased.receipts.iterdir()
    assert path.stat().st_mode & 0o077 == 0
    receipt = json.loads(path.read_text())
    assert receipt["actor"] == "data protection officer"
    assert (receipt["rows"]["sessions"], receipt["rows"]["stored_frames"]) == (1, 40)
    kinds = {file["kind"] for file in receipt["files"]}
    assert kinds == {"recording", "report", "staged", "export", "prefect", "copy", "ward overview"}
    assert all(len(file["hmac_sha256"]) == 64 for file in receipt["files"])
    assert PATIENT not in path.read_text()
    with open_reader(erased.published) as reader:
        ((erasure_id, stored),) = reader.execute("SELECT erasure_id, receipt FROM erasures").fetchall()
    assert receipt == {"erasure_id": erasure_id, **json.loads(stored)}


@pytest.mark.slow
def test_after_an_upgrade_only_the_overviews_that_showed_the_patient_are_rendered_again(
    data: DataFolder, monkeypatch: pytest.MonkeyPatch
) -> None:
    later = DAY + timedelta(days=40)  # the weeks before it no longer include the patient's day
    with access_to(data).writing() as writer:
        connection = writer.connection
        store_day(connection, later)
    render_by_hand(access_to(data), later, None, PRINTING)
    before = {path: path.read_bytes() for path in data.reports(later).rglob("ward.*")}
    monkeypatch.setattr(document, "_room_digest", lambda: "of another release")
    ((_, receipt),) = erase(data).items()
    assert isinstance(receipt["files"], list)
    pages = [file for file in receipt["files"] if file["kind"] == "ward overview"]
    assert len(pages) == len(before) * len(DAYS)
    assert {path: path.read_bytes() for path in data.reports(later).rglob("ward.*")} == before
    assert files_with(data, PATIENT) == []


def test_who_is_erased_next_also_finishes_the_overviews_of_an_erasure_that_was_killed(data: DataFolder) -> None:
    kill_before(data, "rendering ward overviews")
    erase(data, OTHER)
    with open_reader(data.published) as reader:
        shown = reader.execute("SELECT DISTINCT shown FROM reports WHERE kind = 'ward'").fetchall()
    assert shown == [(ANOTHER,)]


def test_the_audit_log_verifies_and_nobody_can_tell_any_more_who_it_spoke_of(
    ward: DataFolder, erased: DataFolder
) -> None:
    with open_reader(ward.published) as reader:
        of_patient = "SELECT subject FROM audit_subjects WHERE patient_id = $patient"
        ((subject,),) = reader.execute(of_patient, {"patient": PATIENT}).fetchall()
    assert verify_logs(access_to(erased))[0].startswith("audit log: whole")
    with open_reader(erased.published) as reader:
        spoken = reader.execute("SELECT action FROM audit_log WHERE subject = $s", {"s": subject}).fetchall()
        assert ("session_stored",) in spoken
        known = reader.execute("SELECT count(*) FROM audit_subjects WHERE subject = $s", {"s": subject}).fetchall()
        assert known == [(0,)]
        assert reader.execute("SELECT DISTINCT subject FROM erasures").fetchall() == [(subject,)]


def test_a_receipt_bears_witness_against_a_log_that_was_cut(data: DataFolder) -> None:
    erase(data)
    with duckdb.connect(data.warehouse) as connection:
        connection.execute("DELETE FROM audit_log WHERE entry > 5")
        head = "UPDATE audit_head SET entries = 5, sha256 = (SELECT sha256 FROM audit_log WHERE entry = 5)"
        connection.execute(head)
    data.audit_head.write_text(json.dumps({"entries": 5, "sha256": _hash_of(data, 5)}))
    with pytest.raises(Exception, match=r"entry 6: missing; ERASURE-"):
        verify_logs(access_to(data))


def _hash_of(data: DataFolder, entry: int) -> str:
    with duckdb.connect(data.warehouse) as connection:
        rows = connection.execute("SELECT sha256 FROM audit_log WHERE entry = $entry", {"entry": entry}).fetchall()
    return str(rows[0][0])


def test_a_table_that_is_added_later_is_erased_too(data: DataFolder) -> None:
    with open_writer(data.warehouse) as connection:
        connection.execute("CREATE TABLE later_rollups AS SELECT scoring_id, 1 AS value FROM scorings")
        connection.execute("CREATE TABLE later_notes AS SELECT session_id, 'x' AS note FROM sessions")
        before = connection.execute("SELECT count(*) FROM later_rollups").fetchall()
    ((_, receipt),) = erase(data).items()
    assert isinstance(receipt["rows"], dict)
    assert (receipt["rows"]["later_rollups"], receipt["rows"]["later_notes"]) == (1, 1)
    with open_writer(data.warehouse) as connection:
        assert connection.execute("SELECT count(*) + 1 FROM later_rollups").fetchall() == before


def test_the_patient_goes_from_the_name_map(data: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    names = tmp_path / "names.csv"
    names.write_text(f"patient_id,name\n{PATIENT},Rosa Ash\n{OTHER},Ed Elm\n")
    monkeypatch.setenv("PMFER_NAME_MAP", str(names))
    ((_, receipt),) = erase(data).items()
    assert receipt["name_map"] is True
    assert read_names(names) == {OTHER: "Ed Elm"}


def kill_before(data: DataFolder, step: str, kind: str = "file") -> None:
    """Run an erasure and kill it with SIGKILL just before it begins a step."""
    command = [sys.executable, str(CHILD), str(data.root), PATIENT, kind]
    with subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True, env=ENVIRONMENT) as child:
        assert child.stdin is not None
        assert child.stdout is not None
        for line in child.stdout:
            if line.startswith(step):
                child.kill()
                return
            child.stdin.write("\n")
            child.stdin.flush()
    pytest.fail("the child ended before it was killed")


@pytest.mark.parametrize("step", [pytest.param("deleting rows", marks=pytest.mark.slow), "rewriting the database"])
def test_an_erasure_that_was_killed_is_finished_by_the_next(data: DataFolder, step: str) -> None:
    kill_before(data, step)
    ((_, receipt),) = erase(data).items()
    assert files_with(data, PATIENT) == []
    with open_reader(data.published) as reader:
        assert rows_with(reader, PATIENT) == []
        assert reader.execute("SELECT count(*) FROM erasures WHERE finished_at IS NOT NULL").fetchall() == [(1,)]
    assert isinstance(receipt["rows"], dict)
    assert receipt["rows"]["sessions"] == 1
    assert verify_logs(access_to(data))[0].startswith("audit log: whole")


@pytest.mark.slow  # `make test` kills it at one of the steps, see above
def test_killed_at_every_step_in_turn_it_ends_complete(data: DataFolder) -> None:
    for step in STEPS:
        kill_before(data, step)
    assert len(erase(data)) == 1
    assert files_with(data, PATIENT) == []
    assert erase(data) == {}


@pytest.mark.slow  # `make test` forgets a lake's history in test_warehouse_lake.py and test_warehouse_tombstones.py
def test_a_patient_is_erased_from_a_lake_and_from_its_history(ward_lake: DataFolder, tmp_path: Path) -> None:
    data = copy_ward(ward_lake, tmp_path / "data")
    lake = lake_of(data)
    with open_reader(lake) as reader:
        assert len(rows_with(reader, PATIENT)) >= 8
        sessions = reader.execute("FROM sessions WHERE patient_id <> $p ORDER BY ALL", {"p": PATIENT}).pl()
    kill_before(data, "rewriting the database", "lake")
    ((_, receipt),) = erase(data, warehouse=lake).items()
    assert isinstance(receipt["rows"], dict)
    assert receipt["rows"]["stored_frames"] == 40
    assert files_with(data, PATIENT) == []
    for path in data.lake.rglob("*.parquet"):  # a search of bytes cannot see compressed content
        cells = [cell for row in pl.read_parquet(path).rows() for cell in row]
        texts = {str(part) for cell in cells for part in (cell if isinstance(cell, list) else [cell])}
        assert PATIENT not in texts, path
    with open_reader(lake) as reader:
        assert rows_with(reader, PATIENT) == []
        assert reader.execute("FROM sessions ORDER BY ALL").pl().equals(sessions)
    assert verify_logs(access_to(data, lake))[0].startswith("audit log: whole")


def test_erasing_again_or_somebody_unknown_changes_nothing(data: DataFolder) -> None:
    erase(data)
    before = {path: path.stat().st_mtime_ns for path in data.root.rglob("*") if path.suffix in (".pdf", ".json")}
    assert erase(data) == {}
    assert erase(data, "yew-77") == {}
    assert {path: path.stat().st_mtime_ns for path in before} == before


def command(data: DataFolder, *arguments: str) -> int:
    return exit_code("erase", *arguments, "--data-dir", data.root)


def test_without_somebody_to_ask_nothing_is_erased_unless_told(
    data: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    assert command(data, PATIENT) == 1
    said = capsys.readouterr()
    assert "1  rows in sessions" in said.out
    assert "give --yes to erase" in said.err
    assert (data.reports(DAY) / f"{PATIENT}.pdf").exists()
    assert command(data, PATIENT, "--yes") == 0
    assert "receipt: " in capsys.readouterr().out
    assert not (data.reports(DAY) / f"{PATIENT}.pdf").exists()


def test_an_identifier_that_is_none_and_a_folder_without_a_warehouse_are_named(
    data: DataFolder, tmp_path: Path
) -> None:
    with pytest.raises(ConfigurationError, match="not a pseudonym"):
        erase(data, "../etc")
    with pytest.raises(ConfigurationError, match="no warehouse there"):
        erase(DataFolder(tmp_path / "nowhere"))


def test_a_server_that_is_running_is_named(data: DataFolder) -> None:
    with (data.prefect_home / "prefect.db").open("rb"), pytest.raises(ConfigurationError, match="has it open"):
        require_idle(data.prefect_home)
