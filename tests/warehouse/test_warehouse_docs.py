"""The documentation is that of the database: its dictionary and its SQL files."""

import re
from pathlib import Path

from warehouse import sql
from warehouse.dictionary import render_dictionary

DOCS = Path(__file__).parents[2] / "docs"


def test_the_data_dictionary_is_that_of_the_database() -> None:
    written = (DOCS / "data-dictionary.md").read_text(encoding="utf-8")
    assert written == render_dictionary(), "write it again with `pmfer warehouse dictionary`"


def test_every_sql_file_says_in_its_first_line_what_it_is_for() -> None:
    files = sorted(sql.ROOM.rglob("*.sql"))
    assert len(files) > 20
    assert [file.name for file in files if not re.match(r"-- [A-Z].*[.:,]\n", file.read_text(encoding="utf-8"))] == []


def test_every_sql_file_that_is_asked_for_is_there() -> None:
    rooms = ("flows", "reports", "warehouse", "tests")
    code = "\n".join(path.read_text(encoding="utf-8") for room in rooms for path in (DOCS.parent / room).rglob("*.py"))
    asked = set(re.findall(r'sql\.(query|statement)\("(\w+)"\)', code))
    assert len(asked) > 40
    folders = {"query": "queries", "statement": "statements"}
    assert [name for kind, name in asked if not (sql.ROOM / folders[kind] / f"{name}.sql").exists()] == []
