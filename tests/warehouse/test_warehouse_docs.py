"""The documentation shows queries that run, and the data dictionary is that of the database."""

import re
from pathlib import Path

import duckdb
import polars as pl
import pytest
from warehouse_samples import COMPLETED, sample_run, sample_session, store_sample

from warehouse import sql
from warehouse.address import Address
from warehouse.connection import open_reader
from warehouse.dictionary import render_dictionary
from warehouse.publish import publish
from warehouse.store import finish_run, start_run

DOCS = Path(__file__).parents[2] / "docs"


def examples(language: str) -> dict[str, str]:
    """The code blocks of docs/warehouse.md in one language, by the heading above."""
    text = (DOCS / "warehouse.md").read_text(encoding="utf-8")
    found = {}
    for section in re.split(r"^#+ ", text, flags=re.MULTILINE)[1:]:
        heading, _, body = section.partition("\n")
        for block in re.findall(rf"^```{language}\n(.*?)^```", body, re.MULTILINE | re.DOTALL):
            found[heading] = block
    return found


@pytest.fixture
def published(writer: duckdb.DuckDBPyConnection, address: Address) -> Address:
    """Two patients over two weeks, published where the documentation has it."""
    start_run(writer, sample_run())
    for day in (1, 4, 8, 11, 14):
        for patient in ("p01", "p02"):
            store_sample(writer, sample_session(f"{patient}-{day}", patient, day))
    finish_run(writer, "run-1", COMPLETED)
    publish(writer, address)
    return address


def test_the_data_dictionary_is_that_of_the_database() -> None:
    written = (DOCS / "data-dictionary.md").read_text(encoding="utf-8")
    assert written == render_dictionary(), "write it again with `pmfer warehouse dictionary`"


def test_every_query_of_the_documentation_runs(published: Address) -> None:
    queries = examples("sql")
    assert len(queries) == 7
    with open_reader(published) as reader:
        answers = {heading: reader.execute(text).pl() for heading, text in queries.items()}
    assert answers["How good is the data of each patient?"]["frames_scored_percent"].to_list() == [75.0, 75.0]
    assert answers["Which model and which software made these scores?"]["sessions"].to_list() == [10]
    assert answers["What does a column mean?"]["comment"].null_count() == 0
    brows = answers["When were the brows lowered most, compared with the patient's own average?"]
    assert brows["above_own_mean"].is_sorted(descending=True)
    assert brows["session_id"].n_unique() == brows.height == 5


def test_who_smiled_less_is_who_smiled_less(published: Address) -> None:
    with open_reader(published) as reader:
        less = reader.execute(examples("sql")["Who smiled less this week than the week before?"]).pl()
        shares = reader.execute("SELECT patient_id, session_date, happiness_share FROM session_summary").pl()
    # The latest day is the 14th, so the 8th begins this week and the 1st the one before.
    this_week = pl.col("session_date").dt.day() >= 8
    weeks = shares.group_by("patient_id").agg(
        now=pl.col("happiness_share").filter(this_week).mean(), then=pl.col("happiness_share").filter(~this_week).mean()
    )
    assert set(less["patient_id"]) == set(weeks.filter(pl.col("now") < pl.col("then"))["patient_id"])


@pytest.mark.parametrize("address", ["file"], indirect=True)
@pytest.mark.usefixtures("published")
def test_the_python_of_the_documentation_runs(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    names: dict[str, pl.DataFrame] = {}
    exec(examples("python")["Reading"], names)
    assert names["summaries"].height == 10


def test_every_sql_file_says_in_its_first_line_what_it_is_for() -> None:
    files = sorted(sql.ROOM.rglob("*.sql"))
    assert len(files) > 20
    assert [file.name for file in files if not re.match(r"-- [A-Z].*[.:,]\n", file.read_text(encoding="utf-8"))] == []
