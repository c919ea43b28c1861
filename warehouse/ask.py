"""Answers a query that somebody typed: read-only for real, one statement at a time, as a stream of rows.

What may go wrong with a typed query goes wrong in one line: the place in the text, what, and what to do.
"""

import json
import re
from collections.abc import Callable, Iterator, Mapping
from concurrent.futures import ThreadPoolExecutor, wait
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path
from typing import TypeVar

import duckdb
import polars as pl
import pyarrow as pa

from pmfer.errors import WarehouseError
from warehouse.address import Address, LakeAddress
from warehouse.connection import OFFLINE
from warehouse.reach import OutOfReachError, relations_read
from warehouse.sql import identifier, quoted

Result = TypeVar("Result")
Reader = duckdb.DuckDBPyConnection  # what `confine` shuts in, for rooms that only hand it on

_BATCH_ROWS = 10_000  # rows in memory at once
# What it explains is judged in its stead. Comments before it are not seen through: then nothing is run.
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?", re.IGNORECASE)
_FLOATS = ("FLOAT", "DOUBLE")
_POINT_IN_TIME = "TIMESTAMP WITH TIME ZONE"
# As ISO 8601 has it: DuckDB writes whole hours of the offset without minutes.
_ISO_TIME = r"replace(regexp_replace(CAST({0} AS VARCHAR), '([+-]\d\d)$', '\1:00'), ' ', 'T')"
UTC = "UTC"


@dataclass(frozen=True)
class Query:
    """A query that was checked: the only kind that is asked."""

    text: str
    reads: list[
        str
    ]  # tables, views and macros of the warehouse, sorted; nothing else of the text, as it may name people


@dataclass(frozen=True)
class Column:
    """A column of an answer."""

    name: str  # unlike that of any other column
    type: str  # as DuckDB writes it


class Answer:
    """The rows of a query, read once, batch by batch; the query runs while they are read.

    Every method raises WarehouseError when the query fails on the way.
    """

    def __init__(self, columns: tuple[Column, ...], reader: pa.RecordBatchReader, text: str, time_zone: str) -> None:
        self.columns = columns
        self._reader = reader
        self._text = text
        self._time_zone = time_zone

    def texts(self) -> Iterator[pl.DataFrame]:
        """Batches with every value as text, shortest form that reads back as the same value; NULL stays null.

        Times with a zone are in that of the reader, in ISO 8601: `2026-03-01T08:00:00+00:00`.
        """
        return self._formatted([_as_text(column) for column in self.columns])

    def json_lines(self) -> Iterator[str]:
        """Every row as a JSON object on one line. What JSON has no number for (NaN, infinity) becomes null."""
        keys = [json.dumps(column.name, ensure_ascii=False) for column in self.columns]
        for batch in self._formatted([_as_json(column) for column in self.columns]):
            for row in batch.iter_rows():
                values = ("null" if value is None else value for value in row)
                yield "{" + ", ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True)) + "}"

    def write_parquet(self, path: Path) -> None:
        """Write the rows into a Parquet file, replacing what is there only when all of them were read.

        Raises:
            WarehouseError: the query failed, or DuckDB cannot write the file.
        """
        with _formatter(self._time_zone) as formatter, _query_errors(self._text):
            formatter.register("answer", self._reader)
            formatter.execute(
                f"COPY (FROM answer) TO {quoted(path)} (FORMAT parquet, COMPRESSION zstd, USE_TMP_FILE false)"
            )

    def batches(self) -> Iterator[pa.RecordBatch]:
        """The rows as Arrow batches."""
        with _query_errors(self._text):
            yield from self._reader

    def _formatted(self, expressions: list[str]) -> Iterator[pl.DataFrame]:
        select = f"SELECT {', '.join(expressions)} FROM batch"
        with _formatter(self._time_zone) as formatter:
            for batch in self.batches():
                formatter.register("batch", pa.Table.from_batches([batch]))
                yield formatter.execute(select).pl()


# Shut a reader in with what it has attached: no other files, no network, no extensions, and no way to undo it.
_CONFINE_READER = """
    SET python_enable_replacements = false;
    SET arrow_lossless_conversion = true;
    -- An error then says where in the text it is.
    SET errors_as_json = true;
    SET enable_external_access = false;
    SET lock_configuration = true;
"""


def confine(connection: duckdb.DuckDBPyConnection, address: Address, spill: Path, time_zone: str = UTC) -> None:
    """Leave a reader nothing but its warehouse: no other file, network, extension or setting, for good.

    Args:
        connection: from open_reader.
        address: where it reads; of a lake the Parquet files stay open to it.
        spill: a private folder for what does not fit into memory; the caller removes it.
        time_zone: in which times with a zone are shown and taken apart, as Europe/Berlin.

    Raises:
        WarehouseError: there is no such time zone.
    """
    try:
        connection.execute(f"SET GLOBAL TimeZone = {quoted(time_zone)}")
    except duckdb.Error:
        raise WarehouseError(f"time zone '{time_zone}': unknown; write it as Europe/Berlin") from None
    connection.execute(f"SET temp_directory = {quoted(spill)}")
    if isinstance(address, LakeAddress):
        folder = address.data.rstrip("/") + "/"
        connection.execute(f"SET allowed_directories = [{quoted(folder)}]")
    connection.execute(_CONFINE_READER)


def check(connection: duckdb.DuckDBPyConnection, text: str) -> Query:
    """Let a typed query through if it reads, and reads the warehouse only.

    Args:
        connection: a reader.
        text: one SQL statement.

    Raises:
        WarehouseError: it is no statement, more than one, does not read, or reaches elsewhere; one line.
    """
    explains = _EXPLAIN.match(text)
    start = explains.end() if explains else 0
    with _query_errors(text):
        try:
            return Query(text, relations_read(connection, text[start:]))
        except OutOfReachError as refusal:
            position = None if refusal.position is None else len(text[:start].encode()) + refusal.position
            raise WarehouseError(f"{_place(text, position)}: {refusal}") from None


def ask(connection: duckdb.DuckDBPyConnection, query: Query, parameters: Mapping[str, str] | None = None) -> Answer:
    """Start a query and give its answer, to be read while it runs.

    Args:
        connection: a reader that was confined.
        query: what was checked.
        parameters: values of `$name` in the text, as text; DuckDB reads them as the type that is wanted.

    Raises:
        WarehouseError: it fails; one line.
    """
    text = query.text
    with _query_errors(text):
        given = parameters or {}
        _require_parameters(connection, text, given)
        connection.execute(text, dict(given))
        columns = _columns(connection)
        reader = connection.to_arrow_reader(_BATCH_ROWS)
        schema = pa.schema([field.with_name(column.name) for field, column in zip(reader.schema, columns, strict=True)])
        ((time_zone,),) = connection.cursor().execute("SELECT current_setting('TimeZone')").fetchall()
        named = (pa.RecordBatch.from_arrays(batch.columns, schema=schema) for batch in reader)
        return Answer(columns, pa.RecordBatchReader.from_batches(schema, named), text, time_zone)


def interruptible(connection: duckdb.DuckDBPyConnection, work: Callable[[], Result]) -> Result:
    """Do something that queries a connection, so that Ctrl-C stops the query at once.

    DuckDB looks for signals now and then only, and never while a batch is read; hence a thread for the work.

    Raises:
        KeyboardInterrupt, SystemExit: what the signal's handler raises, after the query has stopped.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        try:
            # The signal may reach another thread, which does not wake this one: look up now and then.
            while not future.done():
                wait([future], timeout=0.1)
            return future.result()
        except (KeyboardInterrupt, SystemExit):  # the command line turns the signal into its exit status
            # Again and again: an interruption is forgotten when the next query starts.
            while not future.done():
                connection.interrupt()
                wait([future], timeout=0.05)
            raise


def _require_parameters(connection: duckdb.DuckDBPyConnection, text: str, given: Mapping[str, str]) -> None:
    wanted = {name for statement in connection.extract_statements(text) for name in statement.named_parameters}
    for name in sorted(wanted - given.keys()):
        raise WarehouseError(f"query: ${name} has no value; give it as --param {name}=VALUE")
    for name in sorted(given.keys() - wanted):
        raise WarehouseError(f"query: has no ${name}; leave the parameter out, or write ${name} where it belongs")


def _columns(connection: duckdb.DuckDBPyConnection) -> tuple[Column, ...]:
    """Columns of the last result. Names that come again are numbered: a file or a JSON object has each once."""
    columns: dict[str, Column] = {}
    for name, kind, *_ in connection.description or ():
        unique = name
        number = 0
        while unique in columns:
            number += 1
            unique = f"{name}_{number}"
        columns[unique] = Column(unique, str(kind))
    return tuple(columns.values())


def _as_text(column: Column) -> str:
    """SQL for a column's values as text."""
    name = identifier(column.name)
    text = _ISO_TIME.format(name) if column.type == _POINT_IN_TIME else f"CAST({name} AS VARCHAR)"
    return f"{text} AS {name}"


def _as_json(column: Column) -> str:
    """SQL for a column's values as JSON text, NULL for null."""
    name = identifier(column.name)
    if column.type in _FLOATS:
        # to_json would give a FLOAT the digits of a DOUBLE, and would write NaN.
        return f"CASE WHEN isfinite({name}) THEN CAST({name} AS VARCHAR) END AS {name}"
    if column.type.startswith("DECIMAL"):
        return f"CAST({name} AS VARCHAR) AS {name}"
    value = _ISO_TIME.format(name) if column.type == _POINT_IN_TIME else name
    return f"CASE WHEN {name} IS NOT NULL THEN CAST(to_json({value}) AS VARCHAR) END AS {name}"


@contextmanager
def _formatter(time_zone: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A database of its own for turning batches into text or files: the reader is busy with its query, and shut in."""
    with duckdb.connect(config=OFFLINE) as connection:
        connection.execute(f"SET TimeZone = {quoted(time_zone)}")
        yield connection


@contextmanager
def _query_errors(text: str) -> Iterator[None]:
    """Raise what DuckDB says about a query as WarehouseError: where in the text, and what."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # OSError: what fails while batches are read
        what, position = _explained(str(error))
        raise WarehouseError(f"{_place(text, position)}: {' '.join(what.split())}") from error


def _place(text: str, position: int | None) -> str:
    """Where in a query a byte is, in words."""
    if position is None:
        return "query"
    before = text.encode()[:position].decode(errors="ignore")
    return f"query, line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _explained(message: str) -> tuple[str, int | None]:
    """What a message of DuckDB says, and the byte of the query that it speaks of, if it says so."""
    start = message.find("{")
    try:
        document, _ = json.JSONDecoder().raw_decode(message[start:]) if start >= 0 else ({}, 0)
    except json.JSONDecodeError:
        document = {}
    if not isinstance(document, dict) or "exception_message" not in document:
        return message, None
    position = document.get("position")
    return str(document["exception_message"]), None if position is None else int(position)
