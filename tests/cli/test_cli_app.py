"""How the command line reacts to bad input: one line that names it, exit status 1, nothing written."""

import errno
import os
import subprocess
import sys
from datetime import date
from pathlib import Path

import pytest
from command import complaint, exit_code
from privacy_folder import new_house
from rich.table import Table
from rich.text import Text

from flows.environment import adapt_environment
from flows.plain_text import PlainConsole, table_of
from flows.settings import read_settings
from warehouse.address import FileAddress


def test_a_sentence_stays_on_its_line_so_that_a_path_in_it_can_be_copied(capsys: pytest.CaptureFixture[str]) -> None:
    sentence = f"/data/{'night of the ward/' * 20}: no night has been published yet"
    table = Table("a column")
    table.add_row(sentence)
    console = PlainConsole(width=40)
    console.print(sentence)
    console.print(Text(sentence))
    console.print(table)
    first, second, *drawn = capsys.readouterr().out.splitlines()
    assert (first, second) == (sentence, sentence)
    assert max(len(line) for line in drawn) == 40


def test_a_narrow_terminal_cuts_no_date_and_no_pseudonym_in_a_table(capsys: pytest.CaptureFixture[str]) -> None:
    row = ("a-long-pseudonym-01", date(2026, 3, 20), "2026-03-22T08:00:00+00:00", "a note of several words")
    PlainConsole(width=40, force_terminal=True, color_system=None).print(
        table_of(("patient_id", "opened_on", "accepted_at", "note"), [row], ("note",))
    )
    lines = capsys.readouterr().out.splitlines()
    assert lines[1].split()[:3] == [row[0], "2026-03-20", row[2]]
    assert " ".join(" ".join(line.split()) for line in lines[1:]).endswith(row[3])


@pytest.mark.parametrize("command", ["nightly", "backfill"])
def test_a_missing_source_is_named(command: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    days = ("--date", "2026-03-02") if command == "nightly" else ("--from", "2026-03-02", "--to", "2026-03-03")
    assert exit_code(command, "--source", tmp_path / "nowhere", *days, "--data-dir", tmp_path / "data") == 1
    assert "nowhere" in complaint(capsys)


def test_a_night_is_done_without_a_prefect_server_that_does_not_answer(empty_file: FileAddress, tmp_path: Path) -> None:
    data = new_house(empty_file, tmp_path / "data")
    night = tmp_path / "source" / "2026-03-02"
    night.mkdir(parents=True)
    (night / "a.mp4").write_bytes(b"a video without a sidecar, so that there is something to do")
    arguments = ("--source", tmp_path / "source", "--date", "2026-03-02", "--data-dir", data.root)
    done = subprocess.run(
        [sys.executable, "-m", "cli", "nightly", *map(str, arguments)],
        env=os.environ | {"PREFECT_API_URL": "http://127.0.0.1:1/api", "PMFER_SOURCE_SETTLE_S": "0"},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 0, done.stderr
    (line,) = [line for line in done.stdout.splitlines() if "Prefect" in line]
    assert "Prefect server http://127.0.0.1:1/api: does not answer; start it, or unset PREFECT_API_URL; " in line
    assert "1 quarantined" in done.stdout


def test_a_date_that_is_none_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("nightly", "--source", tmp_path, "--date", "2026-02-30") == 1
    assert "2026-02-30" in complaint(capsys)
    assert exit_code("nightly", "--source", tmp_path, "--date", "") == 1  # not yesterday
    assert "date '': not a day" in complaint(capsys)


@pytest.mark.parametrize("day", ["0001-01-01", "1969-12-31", "2200-01-01", "9999-12-31"])
def test_a_day_of_an_implausible_year_is_refused(day: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("nightly", "--source", tmp_path, "--date", day) == 1
    assert f"date {day}: an implausible year; give a day of the years 1970 to 2199" in complaint(capsys)
    assert exit_code("report", "--date", day, "--data-dir", tmp_path) == 1
    assert "implausible year" in complaint(capsys)


@pytest.mark.parametrize("zone", ["UTC+25", ":/etc/passwd", "/etc", "Europe/Berlinn", "Berlin", "Europe/"])
def test_a_time_zone_that_is_none_is_one_line(zone: str, tmp_path: Path) -> None:
    done = subprocess.run(
        [sys.executable, "-m", "cli", "status", "--data-dir", str(tmp_path)],
        env=os.environ | {"TZ": zone},
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.returncode == 1
    assert done.stderr == (
        f"pmfer: TZ {zone}: not a time zone of this system; set it to a name such as Europe/Berlin, or install tzdata\n"
    )


@pytest.mark.parametrize("zone", ["", "UTC", ":Asia/Kathmandu", "CET-1CEST,M3.5.0,M10.5.0/3", "<+0545>-5:45"])
def test_a_time_zone_that_the_system_knows_is_used(zone: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("TZ", zone)
    adapt_environment(read_settings())


@pytest.mark.parametrize(
    "twice",
    [
        ("report", "--date", "2026-03-02", "--patient", "birch-01", "--patient", "cedar-02"),
        ("nightly", "--date", "2026-03-02", "--date=2026-03-03"),
        ("warehouse", "export", "--from", "2026-03-02", "--from", "2026-03-03"),
        ("score", "clip.mp4", "--int8", "--float32"),
    ],
)
def test_an_option_of_one_value_that_is_given_twice_is_refused(
    twice: tuple[str, ...], capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code(*twice) == 2
    assert "can be given only once" in capsys.readouterr().err


def test_an_unknown_bundle_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("score", tmp_path / "a.mp4", "--out", tmp_path / "out", "--bundle", "nobody") == 1
    assert "nobody" in complaint(capsys)
    assert not (tmp_path / "out").exists()


def test_a_data_folder_that_is_a_file_is_named(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "source" / "2026-03-02").mkdir(parents=True)
    (tmp_path / "data").write_text("a file")
    arguments = ("--source", tmp_path / "source", "--date", "2026-03-02", "--data-dir", tmp_path / "data")
    assert exit_code("nightly", *arguments) == 1
    assert "cannot be written" in complaint(capsys)


@pytest.mark.parametrize(
    ("number", "remedy"),
    [
        (errno.ENOSPC, "make room"),
        (errno.EIO, "check the disk"),
        (errno.EMFILE, "allow more open files"),
        (errno.EFBIG, "allow larger files"),
        (errno.EROFS, "grant access"),
        (errno.ENOTDIR, "choose another path"),
    ],
)
def test_a_fault_of_the_machine_is_one_line_that_says_what_to_do(
    number: int, remedy: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    def fail(*_: object) -> None:
        raise OSError(number, os.strerror(number), "/srv/pmfer/x")

    monkeypatch.setattr("flows.nightly.run_nights", fail)
    assert exit_code("nightly", "--source", tmp_path, "--date", "2026-03-02") == 1
    line = complaint(capsys)
    assert line.startswith(f"pmfer: /srv/pmfer/x: {os.strerror(number)}; {remedy}")
    assert line.endswith(", then run it again")


def test_two_videos_of_the_same_stem_are_refused_before_anything_is_scored(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("score", tmp_path / "a.mp4", tmp_path / "a.mkv", "--out", tmp_path / "out") == 1
    assert "a.parquet" in complaint(capsys)


def test_a_file_that_is_no_video_is_named_and_leaves_nothing(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "a.mp4").write_text("no video")
    assert exit_code("score", tmp_path / "a.mp4", "--out", tmp_path / "out") == 1
    assert "a.mp4" in capsys.readouterr().err
    assert not (tmp_path / "out" / "a.parquet").exists()


def test_scoring_starts_without_the_rooms_that_are_heavy_to_import() -> None:
    program = "import sys, cli.app, inference.score; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "onnxruntime" in loaded
    heavy = {"torch", "transformers", "prefect", "weasyprint", "matplotlib", "sklearn", "duckdb", "fastapi"}
    assert heavy.isdisjoint(loaded)


def test_the_command_line_opens_without_what_reads_tables() -> None:
    program = "import sys, cli.app; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert {"polars", "numpy", "duckdb", "pyarrow"}.isdisjoint(loaded)


def test_a_night_loads_what_draws_pages_scores_or_tells_others_only_when_it_does() -> None:
    program = "import sys, flows.nightly; print(*sys.modules)"
    loaded = subprocess.run([sys.executable, "-c", program], check=True, capture_output=True, text=True).stdout.split()
    assert "flows.prefect_runs" in loaded
    assert {"prefect", "torch", "fastapi", "weasyprint", "pikepdf", "onnxruntime", "av", "apprise"}.isdisjoint(loaded)


def test_the_bundle_can_be_shown(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("bundle", "show") == 0
    assert "Intended use" in capsys.readouterr().out


def test_without_a_retention_period_a_dry_run_says_that_nothing_would_go(
    tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert exit_code("warehouse", "retain", "--dry-run", "--data-dir", tmp_path) == 0
    assert capsys.readouterr().out.startswith("nothing to delete: no retention period is set")
    assert exit_code("warehouse", "retain", "--data-dir", tmp_path) == 1
    assert "no retention period is set" in complaint(capsys)
