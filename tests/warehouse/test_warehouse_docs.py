"""The data dictionary agrees with the database, and every SQL file says what it is for."""

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
    assert len(files) > 30
    assert [file.name for file in files if not re.match(r"-- [A-Z].*[.:,]\n", file.read_text(encoding="utf-8"))] == []


def test_every_query_in_a_file_is_asked_for_and_too_long_to_stand_beside_its_function() -> None:
    code = "\n".join(path.read_text(encoding="utf-8") for path in sql.ROOM.glob("*.py"))
    asked = re.findall(r'sql\.query\("(\w+)"\)', code)
    files = sorted((sql.ROOM / "queries").glob("*.sql"))
    assert sorted(asked) == [file.stem for file in files]
    assert [file.name for file in files if len(file.read_text(encoding="utf-8").splitlines()) <= 20] == []
