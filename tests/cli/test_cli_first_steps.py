"""First steps after running the demo: the README's commands, the command without options, completion."""

import os
import re
import shlex
import shutil
import subprocess
import sys
from collections.abc import Iterator
from datetime import date, timedelta
from pathlib import Path

import click
import pytest
import typer.main
from command import exit_code
from privacy_folder import file_of
from typer.testing import CliRunner
from warehouse_copies import copy_warehouse

from cli.app import app
from cli.demo import DAYS, FIRST_DAY
from flows.data_folder import DataFolder
from simulator.patients import PATIENTS
from warehouse.address import FileAddress
from warehouse.connection import open_writer
from warehouse.publish import publish

ROOT = Path(__file__).parents[2]
README = (ROOT / "README.md").read_text(encoding="utf-8")
USE = README.partition("## Use it")[2].partition("## Where things are")[0]
COMMANDS = [line.partition(" # ")[0].strip() for line in USE.splitlines() if line.startswith("    pmfer ")]
SAID = "pmfer: reading var/demo, because only the demo has run; --data-dir or PMFER_DATA_DIR chooses another folder"


@pytest.fixture(scope="module")
def folder(empty_file: FileAddress, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A working directory in which only the demo has run. No test changes it."""
    folder = tmp_path_factory.mktemp("new")
    address = file_of(DataFolder(folder / "var" / "demo"))
    copy_warehouse(empty_file, address)
    with open_writer(address) as writer:
        writer.execute("INSERT INTO patients VALUES ('birch-01', now())")
        publish(writer, address)
    return folder


@pytest.fixture
def here(folder: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A copy of it in which commands run."""
    shutil.copytree(folder, tmp_path, dirs_exist_ok=True)
    monkeypatch.chdir(tmp_path)
    return tmp_path


def test_every_command_of_the_readme_exists_with_its_options() -> None:
    commands = typer.main.get_command(app)
    assert len(COMMANDS) >= 9
    for line in COMMANDS:
        words = shlex.split(line)[1:]
        command = commands
        while not words[0].startswith("-") and words[0] in getattr(command, "commands", {}):
            command = command.commands[words.pop(0)]  # type: ignore[attr-defined]
            if not words:
                break
        known = {option for parameter in command.params for option in parameter.opts}
        assert {word for word in words if word.startswith("--")} <= known, line


def test_what_it_names_is_in_the_demo() -> None:
    demo = {str(FIRST_DAY + timedelta(days=number)) for number in range(DAYS)}
    assert set(re.findall(r"\d{4}-\d\d-\d\d", " ".join(COMMANDS))) <= demo
    patients = {patient.patient_id for patient in PATIENTS}
    assert set(re.findall(r"\b[a-z]+-\d\d\b(?=[ -])", " ".join(COMMANDS))) <= patients
    assert str(FIRST_DAY + timedelta(days=DAYS - 1)) == str(date(2026, 3, 22))


def test_where_only_the_demo_ran_commands_read_it_and_say_so(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code("sql", "SELECT patient_id FROM patients", "--format", "csv") == 0
    said = capsys.readouterr()
    assert said.out.splitlines() == ["patient_id", "birch-01"]
    assert said.err.splitlines() == [SAID]
    assert exit_code("status", "--json") == 0
    assert capsys.readouterr().err.splitlines() == [SAID]
    assert not (here / "var" / "pmfer").exists()


def test_what_is_configured_or_has_a_warehouse_counts_before_the_demo(
    here: Path, empty_file: FileAddress, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    query = ("sql", "SELECT count(*) AS n FROM patients", "--format", "csv")
    assert exit_code(*query, "--data-dir", "elsewhere") == 1
    assert SAID not in capsys.readouterr().err
    monkeypatch.setenv("PMFER_DATA_DIR", "elsewhere")
    assert exit_code(*query) == 1
    assert SAID not in capsys.readouterr().err
    monkeypatch.delenv("PMFER_DATA_DIR")
    address = file_of(DataFolder(here / "var" / "pmfer"))
    copy_warehouse(empty_file, address)
    with open_writer(address) as writer:
        publish(writer, address)
    assert exit_code(*query) == 0
    said = capsys.readouterr()
    assert (said.out.splitlines(), said.err) == (["n", "0"], "")


def test_a_night_never_goes_into_the_demo(here: Path) -> None:
    before = (here / "var" / "demo" / "warehouse" / "warehouse.duckdb").read_bytes()
    (here / "source" / "2026-03-02").mkdir(parents=True)
    assert exit_code("nightly", "--source", "source", "--date", "2026-03-02") == 0
    assert (here / "var" / "demo" / "warehouse" / "warehouse.duckdb").read_bytes() == before


def test_without_a_command_it_says_what_to_do_first(capsys: pytest.CaptureFixture[str]) -> None:
    assert exit_code() == 0
    said = capsys.readouterr().out
    assert said.startswith("Begin with one of these")
    assert {"pmfer demo", "pmfer sql", "pmfer score", "pmfer doctor"} <= set(re.findall(r"pmfer [a-z]+", said))


def commands_of(command: click.Command, path: tuple[str, ...] = ()) -> Iterator[tuple[tuple[str, ...], click.Command]]:
    yield path, command
    for name, sub in getattr(command, "commands", {}).items():
        yield from commands_of(sub, (*path, name))


def test_help_shows_every_word_that_is_written_about_an_option() -> None:
    """Defaults are in brackets, which a renderer may mistake for markup."""
    for path, command in commands_of(typer.main.get_command(app)):
        shown = CliRunner().invoke(app, [*path, "--help"], env={"COLUMNS": "250"}).output.split()
        for parameter in command.params:
            written = (getattr(parameter, "help", None) or "").replace("`", "").split()
            assert [word for word in written if word not in shown] == [], (path, parameter.name)


def test_the_shell_completes_commands() -> None:
    asked = {"_PMFER_COMPLETE": "complete_bash", "COMP_WORDS": "pmfer nig", "COMP_CWORD": "1"}
    done = subprocess.run(
        [str(Path(sys.executable).parent / "pmfer")],
        env=os.environ | asked,
        capture_output=True,
        text=True,
        check=False,
    )
    assert done.stdout.split() == ["nightly"]
