"""Every reader logs its reads, several at the same time, and the log can be verified like the audit log."""

import json
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path

import pytest
from other_processes import python_path

from pmfer.errors import WarehouseError
from warehouse.read_log import head_of, record_read, verify_reads

READER = """
import sys
from pathlib import Path
from warehouse.read_log import record_read
for number in range(20):
    record_read(Path(sys.argv[1]), sys.argv[2], "sql", number=number)
"""


@pytest.fixture
def log(tmp_path: Path) -> Path:
    """A log with entries 1 to 5."""
    path = tmp_path / "audit" / "reads.jsonl"
    for number in range(5):
        record_read(path, "analyst", "sql", number=number)
    return path


def test_an_entry_says_who_read_what(log: Path) -> None:
    last = json.loads(log.read_text().splitlines()[-1])
    assert (last["entry"], last["actor"], last["action"], last["details"]) == (5, "analyst", "sql", {"number": 4})
    assert log.stat().st_mode & 0o077 == 0
    assert verify_reads(log)[1] is None


def test_readers_in_several_processes_make_one_chain(tmp_path: Path) -> None:
    log = tmp_path / "reads.jsonl"
    environment = {"PYTHONPATH": python_path()}
    readers = [
        subprocess.Popen([sys.executable, "-c", READER, str(log), name], env=environment) for name in ("a", "b", "c")
    ]
    assert [reader.wait() for reader in readers] == [0, 0, 0]
    head, trouble = verify_reads(log)
    assert (head.entries, trouble) == (60, None)


def edit(change: Callable[[list[str]], object]) -> Callable[[Path], None]:
    def apply(log: Path) -> None:
        lines = log.read_text().splitlines()
        change(lines)
        log.write_text("".join(f"{line}\n" for line in lines))

    return apply


@pytest.mark.parametrize(
    ("forgery", "first_bad"),
    [
        (edit(lambda lines: lines.__setitem__(2, lines[2].replace("analyst", "nobody"))), "entry 3: altered"),
        (edit(lambda lines: lines.__setitem__(2, "nothing to see")), "entry 3: altered"),
        (edit(lambda lines: lines.pop(1)), "entry 2: missing"),
        (edit(lambda lines: lines.pop()), "entry 5: missing"),
        (edit(lambda lines: lines.clear()), "entry 1: missing"),
        (edit(lambda lines: lines.insert(1, lines[1])), "entry 2: exists more than once"),
        (edit(lambda lines: lines.reverse()), "entry 1: missing"),
        (lambda log: log.unlink(), "entry 1: missing"),
        (lambda log: head_of(log).unlink(), "reads-head.json is missing"),
    ],
)
def test_a_forgery_is_found_at_the_first_bad_entry(
    log: Path, forgery: Callable[[Path], object], first_bad: str
) -> None:
    forgery(log)
    trouble = verify_reads(log)[1]
    assert trouble is not None
    assert trouble.startswith(first_bad)


def test_a_tail_that_was_lost_stays_lost_whatever_is_read_afterwards(log: Path) -> None:
    edit(lambda lines: lines.pop())(log)
    for _ in range(3):
        record_read(log, "analyst", "sql")
    assert (verify_reads(log)[1] or "").startswith("entry 5: missing")
    log.unlink()
    record_read(log, "analyst", "sql")
    assert (verify_reads(log)[1] or "").startswith("entry 1: missing")


def test_an_entry_whose_note_was_lost_with_its_process_is_followed_by_the_next(log: Path) -> None:
    noted = head_of(log).read_bytes()
    record_read(log, "analyst", "sql")
    head_of(log).write_bytes(noted)
    record_read(log, "analyst", "sql")
    head, trouble = verify_reads(log)
    assert (head.entries, trouble) == (7, None)


def test_half_a_line_of_a_killed_reader_is_cut_off_by_the_next(log: Path) -> None:
    with log.open("a") as stream:
        stream.write('{"entry": 6, "recor')
    record_read(log, None, "report")
    head, trouble = verify_reads(log)
    assert (head.entries, trouble) == (6, None)


def test_a_log_that_never_was_is_whole(tmp_path: Path) -> None:
    head, trouble = verify_reads(tmp_path / "reads.jsonl")
    assert (head.entries, trouble) == (0, None)


def test_a_log_that_cannot_be_written_is_named(tmp_path: Path) -> None:
    (tmp_path / "audit").write_text("a file")
    with pytest.raises(WarehouseError, match=r"reads\.jsonl.*nothing was read"):
        record_read(tmp_path / "audit" / "reads.jsonl", None, "sql")
