"""`pmfer sql` answers correctly in every format, and can do nothing but read the snapshot."""

import contextlib
import csv
import io
import json
import os
import pty
import shutil
import signal
import subprocess
import sys
from datetime import UTC, datetime
from pathlib import Path

import polars as pl
import pytest
from command import exit_code
from privacy_folder import access_to, file_of, lake_of
from warehouse_copies import copy_warehouse

from cli.sql import run_prompt
from flows.data_folder import DataFolder
from flows.plain_text import PlainConsole, plain
from warehouse.address import Address, FileAddress, LakeAddress
from warehouse.connection import open_writer
from warehouse.publish import publish

# Every kind of value that has tripped a writer of CSV or JSON.
ODD_VALUES = r"""
    SELECT
        0.1::FLOAT AS single, 0.1::DOUBLE AS double, 1e300 AS huge, 'nan'::DOUBLE AS not_a_number,
        1.10::DECIMAL(5, 2) AS exact, 12345678901234567890123::HUGEINT AS long, NULL AS missing, '' AS empty,
        'a "quoted", b' AS quoted, TIMESTAMPTZ '2026-03-29 03:00:00.25+02' AS at, DATE '2026-03-29' AS day,
        [1, 2] AS list, {'a': 1} AS struct, '{"x": [1]}'::JSON AS document, true AS yes, 1 AS same, 2 AS same
"""


@pytest.fixture(scope="module")
def filled(empty_file: FileAddress, tmp_path_factory: pytest.TempPathFactory) -> DataFolder:
    """A data folder with a published snapshot. No test changes it."""
    data = DataFolder(tmp_path_factory.mktemp("filled") / "data")
    copy_warehouse(empty_file, file_of(data))
    fill(file_of(data))
    return data


@pytest.fixture(scope="module")
def filled_lake(empty_lake: LakeAddress, tmp_path_factory: pytest.TempPathFactory) -> LakeAddress:
    """A lake with the same content. No test changes it."""
    lake = lake_of(DataFolder(tmp_path_factory.mktemp("filled") / "data"))
    copy_warehouse(empty_lake, lake)
    fill(lake)
    return lake


def fill(address: Address) -> None:
    with open_writer(address) as writer:
        writer.execute("INSERT INTO patients SELECT 'p' || i, now() FROM range(10, 80) AS t(i)")
        publish(writer, address)


@pytest.fixture
def data(filled: DataFolder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of the data folder, which the environment names to the command."""
    shutil.copytree(filled.root, tmp_path / "data")
    monkeypatch.setenv("PMFER_DATA_DIR", str(tmp_path / "data"))
    return tmp_path / "data"


def sql(*arguments: object) -> int:
    return exit_code("sql", *arguments)


def complaint(capsys: pytest.CaptureFixture[str]) -> str:
    output = capsys.readouterr()
    assert output.out == ""
    assert output.err.startswith("pmfer: ")
    assert output.err.count("\n") == 1
    return output.err.removeprefix("pmfer: ").strip()


def start(*arguments: str) -> subprocess.Popen[str]:
    command = [sys.executable, "-m", "cli", "sql", *arguments]
    return subprocess.Popen(
        command, cwd=Path(__file__).parents[2], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )


def test_a_table_has_types_null_and_how_many_rows_are_left_out(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sql("SELECT patient_id, NULL::DATE AS left_on FROM patients ORDER BY ALL", "--limit", 2) == 0
    lines = [line.split() for line in capsys.readouterr().out.splitlines()]
    assert lines[:4] == [["patient_id", "left_on"], ["varchar", "date"], ["p10", "NULL"], ["p11", "NULL"]]
    assert " ".join(lines[4]) == "2 of 70 rows, 68 more; --limit 0 shows all, --out FILE.csv writes them"


def test_json_has_every_value_as_it_is(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sql(ODD_VALUES, "--format", "json") == 0
    (line,) = capsys.readouterr().out.splitlines()
    assert json.loads(line, parse_constant=pytest.fail) == {
        "single": 0.1,
        "double": 0.1,
        "huge": 1e300,
        "not_a_number": None,
        "exact": 1.1,
        "long": 12345678901234567890123,
        "missing": None,
        "empty": "",
        "quoted": 'a "quoted", b',
        "at": "2026-03-29T01:00:00.25+00:00",
        "day": "2026-03-29",
        "list": [1, 2],
        "struct": {"a": 1},
        "document": {"x": [1]},
        "yes": True,
        "same": 1,
        "same_1": 2,
    }
    assert '"exact": 1.10' in line


def test_csv_tells_missing_from_empty_and_keeps_the_zone(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sql(ODD_VALUES, "--format", "csv") == 0
    text = capsys.readouterr().out
    (row,) = csv.DictReader(text.splitlines())
    assert (row["single"], row["exact"], row["quoted"]) == ("0.1", "1.10", 'a "quoted", b')
    assert datetime.fromisoformat(row["at"]) == datetime(2026, 3, 29, 1, 0, 0, 250_000, tzinfo=UTC)
    assert ',,"",' in text  # missing, empty


def test_csv_has_no_cell_that_a_spreadsheet_computes(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    texts = ("=1+1", "+49 30 1", "-2+3", "@SUM(A1)", "\t=1", "a;=1", "a\n@b", "\uff1d1", "-1.5", "a-b", "it's", "")
    query = """SELECT -1.5 AS number, unnest(from_json($texts, '["VARCHAR"]')) AS "=text" """
    given = ("--param", f"texts={json.dumps(texts)}")
    assert sql(query, *given, "--format", "csv") == 0
    header, *rows = csv.reader(io.StringIO(capsys.readouterr().out, newline=""))
    assert header == ["number", "'=text"]
    assert {number for number, _ in rows} == {"-1.5"}
    safe = ["'=1+1", "'+49 30 1", "'-2+3", "'@SUM(A1)", "\t'=1", "a;'=1", "a\n'@b", "'\uff1d1"]
    safe += ["-1.5", "a-b", "it's", ""]
    assert [text for _, text in rows] == safe
    assert [plain(text) for text in texts] == safe
    assert sql(query, *given, "--format", "json") == 0
    assert [json.loads(line)["=text"] for line in capsys.readouterr().out.splitlines()] == list(texts)


def test_parquet_keeps_types(data: Path, tmp_path: Path) -> None:
    out = tmp_path / "answer.parquet"
    out.write_text("an older answer")
    assert sql(ODD_VALUES, "--out", out) == 0
    frame = pl.read_parquet(out)
    assert frame.schema["single"] == pl.Float32
    assert frame["at"].to_list() == [datetime(2026, 3, 29, 1, 0, 0, 250_000, tzinfo=UTC)]
    assert frame["missing"].to_list() == [None]
    assert out.stat().st_mode & 0o777 == 0o600
    assert [path.name for path in tmp_path.glob("*answer*")] == ["answer.parquet"]


def test_a_query_without_rows_still_has_its_columns(data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sql("SELECT patient_id, first_seen_at FROM patients WHERE false", "--format", "csv") == 0
    assert capsys.readouterr().out == "patient_id,first_seen_at\n"


def test_the_query_comes_from_a_file_or_standard_input_with_parameters(
    data: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    file = tmp_path / "query.sql"
    file.write_text("-- Of one patient.\nFROM patients SELECT patient_id\nWHERE patient_id = $who LIMIT $rows;\n")
    values = ("--param", "who=p42", "--param", "rows=1", "--format", "json")
    assert sql("--file", file, *values) == 0
    with file.open() as stream:
        monkeypatch.setattr(sys, "stdin", stream)
        assert sql(*values) == 0
    assert capsys.readouterr().out == '{"patient_id": "p42"}\n' * 2


@pytest.mark.parametrize(
    ("query", "message"),
    [
        ("SELECT *\nFROM patents", 'query, line 2, column 6: Table with name patents does not exist! Did you mean "p'),
        ("SELECT 'é', name FROM patients", 'query, line 1, column 13: Referenced column "name" not found'),
        ("SELCT 1", "query, line 1, column 1: syntax error at or near"),
        ("SELECT CAST(patient_id AS INTEGER) FROM patients", "Could not convert string 'p10' to INT32"),
        ("  -- nothing", "query: empty"),
        ("SELECT 1; SELECT 2", "query: 2 statements; give one at a time"),
        ("FROM patients WHERE patient_id = $who", "query: $who has no value; give it as --param who=VALUE"),
    ],
)
def test_a_wrong_query_is_one_line(query: str, message: str, data: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sql(query, "--format", "json") == 1
    assert message in complaint(capsys)


def test_an_error_in_the_middle_of_the_answer_leaves_no_file(
    data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    late = "SELECT CAST(if(i = 200000, 'x', '1') AS INTEGER) FROM range(250000) AS t(i)"
    for name in ("late.csv", "late.json", "late.parquet"):
        assert sql(late, "--out", tmp_path / name) == 1
        assert "Could not convert string 'x' to INT32" in complaint(capsys)
    assert list(tmp_path.glob("*late*")) == []


def test_the_log_of_reads_has_the_tables_and_nothing_else_of_the_query(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    text = "FROM Patients SEMI JOIN sessions USING (patient_id) WHERE patient_id <> $who"
    assert sql(text, "--param", "who=secret-01", "--format", "csv") == 0
    (line,) = DataFolder(data).read_log.read_text(encoding="utf-8").splitlines()
    assert json.loads(line)["details"] == {"tables": ["patients", "sessions"], "format": "csv", "to_file": False}
    assert "secret-01" not in line


@pytest.mark.parametrize(
    "query",
    [
        "FROM '{outside}/secret.csv'",
        "FROM sqlite_scan('{catalogue}', 'ducklake_snapshot')",
        "FROM sqlite_query('__ducklake_metadata_warehouse', 'DELETE FROM ducklake_snapshot RETURNING snapshot_id')",
        "FROM __ducklake_metadata_warehouse.ducklake_data_file",
        "FROM query('FROM sqlite_' || 'scan(''{catalogue}'', ''ducklake_snapshot'')')",
        "CALL warehouse.set_option('expire_older_than', '1 day')",
        "FROM ducklake_expire_snapshots('warehouse', older_than => now())",
        pytest.param("FROM ducklake_cleanup_old_files('warehouse', cleanup_all => true)", marks=pytest.mark.slow),
        pytest.param("DELETE FROM patients", marks=pytest.mark.slow),
        "COPY patients TO '{outside}/new.csv'",
        "COPY patients TO '{lake}/new.csv'",
    ],
)
def test_a_lake_is_as_closed_as_a_snapshot(
    query: str,
    filled_lake: LakeAddress,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
    tmp_path: Path,
) -> None:
    data = DataFolder(tmp_path / "data")
    copy_warehouse(filled_lake, lake_of(data))
    monkeypatch.setenv("PMFER_DATA_DIR", str(data.root))
    monkeypatch.setenv("PMFER_WAREHOUSE", str(lake_of(data)))
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("a\nsecret\n")
    lake = data.lake
    before = sorted(lake.rglob("*"))
    text = query
    for name, place in {
        "outside": outside,
        "catalogue": data.warehouse.with_name("catalogue.sqlite"),
        "lake": lake,
    }.items():
        text = text.replace(f"{{{name}}}", str(place))
    assert sql(text, "--format", "csv") == 1
    assert "secret\n" not in complaint(capsys)
    assert sorted(lake.rglob("*")) == before
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]
    assert sql("SELECT count(*) AS n FROM patients", "--format", "csv") == 0
    assert capsys.readouterr().out == "n\n70\n"


@pytest.mark.parametrize(
    "query",
    [
        "INSERT INTO patients VALUES ('p99', now())",
        "UPDATE patients SET patient_id = 'p99'",
        "DELETE FROM patients",
        "DROP TABLE patients",
        "CREATE TABLE mine AS FROM patients",
        "CREATE TEMP TABLE mine AS FROM patients",
        "ATTACH '{outside}/new.duckdb' AS new",
        "ATTACH '{warehouse}' AS writable",
        "DETACH warehouse",
        "COPY patients TO '{outside}/new.csv'",
        "COPY patients FROM '{outside}/secret.csv'",
        "EXPORT DATABASE '{outside}/new'",
        "IMPORT DATABASE '{outside}'",
        "EXPLAIN ANALYZE COPY patients TO '{outside}/new.csv'",
        "FROM '{outside}/secret.csv'",
        "FROM read_csv('{outside}/secret.csv')",
        "FROM read_text('{outside}/secret.csv')",
        "FROM read_blob('{outside}/secret.csv')",
        "FROM glob('{outside}/*')",
        "FROM sniff_csv('{outside}/secret.csv')",
        "FROM query('FROM read_text(''{outside}/secret.csv'')')",
        "SELECT (SELECT content FROM read_text('{outside}/secret.csv'))",
        "FROM 'https://127.0.0.1/secret.csv'",
        "INSTALL httpfs",
        "LOAD httpfs",
        "SET threads = 1",
        "SET enable_external_access = true",
        "RESET lock_configuration",
        "PRAGMA enable_profiling",
        "PRAGMA temp_directory = '{outside}'",
        "CALL enable_logging(storage_path := '{outside}')",
        "FROM enable_logging(storage := 'file', storage_path := '{outside}')",
        "CREATE SECRET (TYPE s3, KEY_ID 'a', SECRET 'b')",
        "CHECKPOINT",
        "BEGIN",
        "PREPARE mine AS SELECT 1",
        "USE memory",
    ],
)
def test_nothing_but_the_snapshot_can_be_read_and_nothing_written(
    query: str, data: Path, capsys: pytest.CaptureFixture[str], tmp_path: Path
) -> None:
    outside = tmp_path / "outside"
    outside.mkdir()
    (outside / "secret.csv").write_text("a\nsecret\n")
    before = (data / "published" / "warehouse.duckdb").read_bytes()
    places = {"outside": outside, "warehouse": data / "published" / "warehouse.duckdb"}
    text = query
    for name, place in places.items():
        text = text.replace(f"{{{name}}}", str(place))
    assert sql(text, "--format", "csv") == 1
    assert "secret\n" not in complaint(capsys)
    assert [path.name for path in outside.iterdir()] == ["secret.csv"]
    assert (data / "published" / "warehouse.duckdb").read_bytes() == before


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (("SELECT 1", "--format", "xlsx"), "format 'xlsx': unknown; choose --format table, csv, json, parquet"),
        (("SELECT 1", "--format", "parquet"), "name it with --out"),
        (("SELECT 1", "--out", "answer.txt"), "its suffix does not name a format"),
        (("SELECT 1", "--out", "nowhere/answer.csv"), "cannot be written"),
        (("SELECT 1", "--file", "query.sql"), "not both"),
        (("--file", "nowhere.sql"), "nowhere.sql: cannot be read"),
        (("SELECT $a", "--param", "a"), "write it as NAME=VALUE"),
    ],
)
def test_options_that_do_not_go_together_are_named(
    options: tuple[str, ...],
    message: str,
    data: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    monkeypatch.chdir(data)
    assert sql(*options) == 1
    assert message in complaint(capsys)


def test_without_a_snapshot_it_says_when_there_will_be_one(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert sql("SELECT 1", "--data-dir", tmp_path) == 1
    assert "does not exist; run a night first, which publishes it, or give another data folder" in complaint(capsys)


def test_a_reader_that_goes_away_ends_it_quietly(data: Path) -> None:
    process = start("SELECT i FROM range(100000000) AS t(i)", "--format", "csv")
    assert process.stdout is not None
    assert process.stderr is not None
    assert [process.stdout.readline() for _ in range(3)] == ["i\n", "0\n", "1\n"]
    process.stdout.close()
    process.wait(timeout=60)
    assert process.stderr.read() == ""
    process.stderr.close()


def test_ctrl_c_stops_the_query(data: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TMPDIR", str(tmp_path / "temporary"))
    (tmp_path / "temporary").mkdir()
    process = start("SELECT i FROM range(100000000000) AS t(i)", "--format", "csv")
    assert process.stdout is not None
    assert [process.stdout.readline() for _ in range(2)] == ["i\n", "0\n"]
    process.send_signal(signal.SIGINT)
    _, error = process.communicate(timeout=60)
    assert process.returncode == 130
    assert "Traceback" not in error
    assert list((tmp_path / "temporary").iterdir()) == []  # where queries spill; a killed one does not clean up


def test_times_are_shown_and_hours_counted_in_the_zone_that_is_asked_for(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    query = (
        "SELECT TIMESTAMPTZ '2026-03-29 00:30:00Z' AS at, extract(hour FROM TIMESTAMPTZ '2026-03-29 01:30:00Z') AS hour"
    )
    for zone, at, hour in (
        ("UTC", "2026-03-29T00:30:00+00:00", 1),
        ("Europe/Berlin", "2026-03-29T01:30:00+01:00", 3),
        ("Asia/Kolkata", "2026-03-29T06:00:00+05:30", 7),
    ):
        assert sql(query, "--format", "json", "--time-zone", zone) == 0
        assert json.loads(capsys.readouterr().out) == {"at": at, "hour": hour}
    assert sql(query, "--time-zone", "Europe/Nowhere") == 1
    assert complaint(capsys) == "time zone 'Europe/Nowhere': unknown; give a name such as Europe/Berlin"


def test_days_need_no_schema_in_front_and_sessions_stay_the_complete_ones(
    data: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    columns = []
    for name in ("days", "plain.days", "sessions", "plain.sessions"):
        assert sql(f"FROM {name} LIMIT 5", "--format", "csv") == 0
        columns.append(capsys.readouterr().out.strip().split(","))
    assert columns[0] == columns[1]
    assert "content_sha256" in columns[2]
    assert "local_time" in columns[3]
    reads = [json.loads(text)["details"]["tables"] for text in DataFolder(data).read_log.read_text().splitlines()]
    assert reads == [["plain.days"], ["plain.days"], ["sessions"], ["plain.sessions"]]


def test_without_a_query_a_prompt_answers_one_after_the_other(
    data: Path, filled: DataFolder, capsys: pytest.CaptureFixture[str]
) -> None:
    typed = iter(
        [
            *("", "SELECT patient_id", "FROM patients WHERE patient_id = 'p42';"),
            *("FROM patents;", "SELECT 1 + 1 AS two;", ".tables", "DESCRIBE days;"),
        ]
    )
    shown: list[str] = []

    def ask_for(before: str) -> str:
        shown.append(before)
        try:
            return next(typed)
        except StopIteration:
            raise EOFError from None

    folder = DataFolder(data)
    run_prompt(access_to(folder), 50, "UTC", PlainConsole(width=200), ask_for)
    said = capsys.readouterr()
    assert "FROM plain.days LIMIT 5;" in said.out
    assert "Begin with plain.days, plain.sessions, plain.frames, flags.\nEverything else: accepted_levels, " in said.out
    assert "scored_percent" in said.out
    assert "p42" in said.out
    assert "two" in said.out
    assert shown == ["pmfer> ", "pmfer> ", "  ...> ", *["pmfer> "] * 5]
    (line,) = said.err.splitlines()
    assert line.startswith("pmfer: query, line 1, column 6: Table with name patents does not exist!")
    reads = [json.loads(text)["details"]["tables"] for text in folder.read_log.read_text().splitlines()]
    assert reads == [["patients"], [], [], ["plain.days"]]


def test_the_prompt_comes_where_somebody_sits_at_a_terminal(data: Path, tmp_path: Path) -> None:
    terminal, theirs = pty.openpty()
    home = os.environ | {"HOME": str(tmp_path), "TERM": "dumb"}
    with subprocess.Popen(
        [sys.executable, "-m", "cli", "sql"], cwd=Path(__file__).parents[2], env=home, stdin=theirs, stdout=theirs
    ) as process:
        os.close(theirs)
        os.write(terminal, b"SELECT 41 + 1 AS answer;\n.quit\n")
        said = b""
        with contextlib.suppress(OSError):  # the other side of a terminal is gone
            while part := os.read(terminal, 4096):
                said += part
    os.close(terminal)
    assert process.returncode == 0
    assert b"answer" in said
    assert b"42" in said
    assert list(tmp_path.glob(".*history*")) == []
