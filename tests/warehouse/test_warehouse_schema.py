"""The schema agrees with the vocabulary and explains every column, and every migration runs exactly once."""

import math
import re
from pathlib import Path

import duckdb
import pytest

from pmfer.errors import FrameReason, QuarantineReason, WarehouseError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import ACTION_UNITS
from pmfer.frame_row import FRAME_COLUMNS
from warehouse.connection import open_writer
from warehouse.dictionary import COLUMNS, ENTRIES, render_dictionary, render_dictionary_of
from warehouse.migrate import migrate, shipped_migrations


def dictionary(connection: duckdb.DuckDBPyConnection) -> list[tuple[str, str, str, bool, str]]:
    """Relation, column, type, whether it may be NULL, and comment."""
    return connection.execute(COLUMNS).fetchall()


def columns(connection: duckdb.DuckDBPyConnection, relation: str) -> dict[str, tuple[str, str]]:
    rows = connection.execute(COLUMNS).fetchall()
    return {name: (kind, text) for entry, name, kind, _, text in rows if entry == relation}


def test_every_relation_and_column_has_a_comment(writer: duckdb.DuckDBPyConnection) -> None:
    entries = writer.execute(ENTRIES).fetchall()
    silent = [(kind, name) for kind, name, _, comment in entries if not comment]
    silent += [row[:2] for row in writer.execute(COLUMNS).fetchall() if not row[-1]]
    assert silent == []
    assert {kind for kind, *_ in entries} == {"Table", "View", "Macro"}


def test_the_dictionary_is_the_same_at_every_address(writer: duckdb.DuckDBPyConnection) -> None:
    assert render_dictionary_of(writer) == render_dictionary()


def test_frame_scores_holds_the_score_batch_column_by_column(writer: duckdb.DuckDBPyConnection) -> None:
    types = {"String": "VARCHAR", "Int32": "INTEGER", "Float32": "FLOAT", "Float64": "DOUBLE", "Boolean": "BOOLEAN"}
    stored = {name: kind for name, (kind, _) in columns(writer, "frame_scores").items()}
    assert list(stored.items()) == [
        ("scoring_id", "VARCHAR"),
        *((column.name, types[column.dtype.__name__]) for column in FRAME_COLUMNS),
    ]


def test_the_dictionary_says_of_a_column_what_its_declaration_says(writer: duckdb.DuckDBPyConnection) -> None:
    comments = {name: text for name, (_, text) in columns(writer, "frame_scores").items()}
    assert [comments[column.name] for column in FRAME_COLUMNS] == [column.meaning for column in FRAME_COLUMNS]


def test_frames_are_stored_in_the_decimals_and_never_null_as_declared(writer: duckdb.DuckDBPyConnection) -> None:
    stored = columns(writer, "stored_frames")
    assert list(stored) == ["scoring_id", *(column.name for column in FRAME_COLUMNS)]
    for column in FRAME_COLUMNS:
        kind, text = stored[column.name]
        if column.decimals is None:
            assert not kind.startswith("DECIMAL"), column.name
            assert text == column.meaning
        else:
            digits, decimals = (int(number) for number in re.findall(r"\d+", kind))
            assert decimals == column.decimals, column.name
            assert math.isinf(column.high) or 10 ** (digits - decimals) > column.high
            assert text == f"As in frame_scores, to {'one decimal' if decimals == 1 else 'three decimals'}."
    required = {name for entry, name, _, null, _ in dictionary(writer) if entry == "stored_frames" and not null}
    assert required == {"scoring_id", *(column.name for column in FRAME_COLUMNS if column.required)}


def test_summary_has_the_vocabulary_in_its_order(writer: duckdb.DuckDBPyConnection) -> None:
    names = list(columns(writer, "session_summary"))
    expected = [f"{e}_share" for e in EXPRESSION_NAMES] + [f"{e}_mean" for e in EXPRESSION_NAMES]
    expected += [f"{unit.column}_mean" for unit in ACTION_UNITS]
    start = names.index(expected[0])
    assert names[start : start + len(expected)] == expected
    assert [n for n in names if n.startswith("frames_") and n[7:] in set(FrameReason)] == [
        f"frames_{reason}" for reason in FrameReason
    ]


def test_comments_name_the_units_and_the_reasons(writer: duckdb.DuckDBPyConnection) -> None:
    for relation in ("frame_scores", "frames"):
        comments = columns(writer, relation)
        for unit in ACTION_UNITS:
            assert comments[unit.column][1].startswith(f"AU {unit.number}, {unit.name}:")
    assert all(reason in columns(writer, "frame_scores")["reason"][1] for reason in FrameReason)
    assert all(reason in columns(writer, "quarantine")["reason"][1] for reason in QuarantineReason)


def test_the_view_of_frames_explains_its_columns_as_the_table_does(writer: duckdb.DuckDBPyConnection) -> None:
    table, view = columns(writer, "frame_scores"), columns(writer, "frames")
    assert {name: view[name] for name in table} == table


def test_migrations_are_numbered_without_gaps_and_run_once(writer: duckdb.DuckDBPyConnection) -> None:
    numbers = [migration.number for migration in shipped_migrations()]
    assert numbers == list(range(1, len(numbers) + 1))
    before = writer.execute("FROM schema_migrations").pl()
    migrate(writer)
    assert writer.execute("FROM schema_migrations").pl().equals(before)


def test_a_warehouse_of_a_newer_release_is_left_alone(made_file: Path) -> None:
    with open_writer(made_file) as connection:
        connection.execute("INSERT INTO schema_migrations VALUES (99, 'later', 'x', now())")
    with pytest.raises(WarehouseError, match=r"warehouse\.duckdb: migration 99 is not from this release"):
        open_writer(made_file)


def test_an_edited_migration_is_refused(made_file: Path) -> None:
    with open_writer(made_file) as connection:
        connection.execute("UPDATE schema_migrations SET sha256 = 'x' WHERE number = 1")
    with pytest.raises(WarehouseError, match=r"migration 1 is not from this release"):
        open_writer(made_file)


def test_somebody_elses_database_is_left_alone(tmp_path: Path) -> None:
    path = tmp_path / "other.duckdb"
    with duckdb.connect(path) as other:
        other.execute("CREATE TABLE holidays (day DATE)")
    with pytest.raises(WarehouseError, match="not a warehouse"):
        open_writer(path)
    with duckdb.connect(path) as other:
        assert other.execute("SELECT table_name FROM duckdb_tables()").fetchall() == [("holidays",)]
