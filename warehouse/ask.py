"""Answers queries that people type: strictly read-only, one statement at a time, as a stream of rows.

An error in a typed query is reported in one line: where in the text, what is wrong, and what to do.
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
Reader = duckdb.DuckDBPyConnection  # a name for rooms that only pass the connection on, without importing DuckDB

_BATCH_ROWS = 10_000  # rows in memory at once
# The statement after EXPLAIN is what is checked. If a comment stands before EXPLAIN, this does not match, and the query
# is refused.
_EXPLAIN = re.compile(r"\s*EXPLAIN\s+(ANALYZE\s+)?", re.IGNORECASE)
_FLOATS = ("FLOAT", "DOUBLE")
_POINT_IN_TIME = "TIMESTAMP WITH TIME ZONE"
# ISO 8601 wants minutes in the UTC offset; DuckDB leaves them out for whole hours.
_ISO_TIME = r"replace(regexp_replace(CAST({0} AS VARCHAR), '([+-]\d\d)$', '\1:00'), ' ', 'T')"
UTC = "UTC"


@dataclass(frozen=True)
class Query:
    """A query that passed `check`; `ask` takes no other."""

    text: str
    # Tables, views and macros of the warehouse that it names, sorted. Nothing else of the text may be logged, as it may
    # name people.
    reads: list[str]


@dataclass(frozen=True)
class Column:
    """A column of an answer."""

    name: str  # unique within the answer
    type: str  # as DuckDB writes it


class Answer:
    """The rows of a query. They can be read once, batch by batch; the query runs while they are read.

    Every method raises WarehouseError if the query fails in the meantime.
    """

    def __init__(self, columns: tuple[Column, ...], reader: pa.RecordBatchReader, text: str, time_zone: str) -> None:
        self.columns = columns
        self._reader = reader
        self._text = text
        self._time_zone = time_zone

    def texts(self) -> Iterator[pl.DataFrame]:
        """Batches with every value as the shortest text that reads back as the same value; NULL stays null.

        Timestamps are in the reader's time zone, in ISO 8601: `2026-03-01T08:00:00+00:00`.
        """
        return self._formatted([_as_text(column) for column in self.columns])

    def json_lines(self) -> Iterator[str]:
        """Every row as a JSON object on one line. NaN and infinity, which JSON does not have, become null."""
        keys = [json.dumps(column.name, ensure_ascii=False) for column in self.columns]
        for batch in self._formatted([_as_json(column) for column in self.columns]):
            for row in batch.iter_rows():
                values = ("null" if value is None else value for value in row)
                yield "{" + ", ".join(f"{key}: {value}" for key, value in zip(keys, values, strict=True)) + "}"

    def write_parquet(self, path: Path) -> None:
        """Write the rows to a Parquet file.

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


# Confine a reader to what it has attached: no other files, no network, no extensions, and no way to undo this.
_CONFINE_READER = """
    SET python_enable_replacements = false;
    SET arrow_lossless_conversion = true;
    -- As JSON, an error says where in the text it is.
    SET errors_as_json = true;
    SET enable_external_access = false;
    SET lock_configuration = true;
"""


def confine(connection: duckdb.DuckDBPyConnection, address: Address, spill: Path, time_zone: str = UTC) -> None:
    """Confine a reader to its warehouse, for good: it can reach no other file, network, extension or setting.

    Args:
        connection: from open_reader.
        address: what it reads; the Parquet files of a lake stay accessible.
        spill: a private folder for data that does not fit into memory; the caller removes it.
        time_zone: in which timestamps are shown and from which parts such as the hour are taken, such as Europe/Berlin.

    Raises:
        WarehouseError: there is no such time zone.
    """
    try:
        connection.execute(f"SET GLOBAL TimeZone = {quoted(time_zone)}")
    except duckdb.Error:
        raise WarehouseError(f"time zone '{time_zone}': unknown; give a name such as Europe/Berlin") from None
    connection.execute(f"SET temp_directory = {quoted(spill)}")
    if isinstance(address, LakeAddress):
        folder = address.data.rstrip("/") + "/"
        connection.execute(f"SET allowed_directories = [{quoted(folder)}]")
    connection.execute(_CONFINE_READER)


def check(connection: duckdb.DuckDBPyConnection, text: str) -> Query:
    """Check that a typed query only reads, and reads nothing but the warehouse.

    Args:
        connection: a reader.
        text: one SQL statement.

    Raises:
        WarehouseError: it is not exactly one statement, does more than read, or reads something else; one line.
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
    """Start a query; its answer is read while it runs.

    Args:
        connection: a reader that was confined.
        query: from `check`.
        parameters: values of `$name` in the query, as text; DuckDB casts them to the type it needs.

    Raises:
        WarehouseError: the query fails; one line.
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
    """Run `work`, which queries the connection, so that Ctrl-C stops the query at once.

    The work runs in a thread, because DuckDB checks for signals only now and then, and never while a batch is read.

    Raises:
        KeyboardInterrupt, SystemExit: what the signal's handler raised, after the query has stopped.
    """
    with ThreadPoolExecutor(max_workers=1) as pool:
        future = pool.submit(work)
        try:
            # Another thread may receive the signal, which does not wake this one. So wait in short steps.
            while not future.done():
                wait([future], timeout=0.1)
            return future.result()
        except (KeyboardInterrupt, SystemExit):  # the command line raises SystemExit on a signal
            # Repeat it, because DuckDB forgets an interruption when the next query starts.
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
    """Columns of the last result. Repeated names get a number, since they must be unique in a file or JSON object."""
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
        # to_json would write a FLOAT with the digits of a DOUBLE, and would write NaN.
        return f"CASE WHEN isfinite({name}) THEN CAST({name} AS VARCHAR) END AS {name}"
    if column.type.startswith("DECIMAL"):
        return f"CAST({name} AS VARCHAR) AS {name}"
    value = _ISO_TIME.format(name) if column.type == _POINT_IN_TIME else name
    return f"CASE WHEN {name} IS NOT NULL THEN CAST(to_json({value}) AS VARCHAR) END AS {name}"


@contextmanager
def _formatter(time_zone: str) -> Iterator[duckdb.DuckDBPyConnection]:
    """A separate database that formats batches as text or files; the reader is confined, and busy with its query."""
    with duckdb.connect(config=OFFLINE) as connection:
        connection.execute(f"SET TimeZone = {quoted(time_zone)}")
        yield connection


@contextmanager
def _query_errors(text: str) -> Iterator[None]:
    """Raise DuckDB's errors about a query as WarehouseError that says where in the text, and what."""
    try:
        yield
    except (duckdb.Error, pa.ArrowException, OSError) as error:  # errors while batches are read arrive as OSError
        what, position = _parse_error(str(error))
        raise WarehouseError(f"{_place(text, position)}: {' '.join(what.split())}") from error


def _place(text: str, position: int | None) -> str:
    """The line and column of a byte of the query, in words."""
    if position is None:
        return "query"
    before = text.encode()[:position].decode(errors="ignore")
    return f"query, line {before.count(chr(10)) + 1}, column {len(before) - before.rfind(chr(10))}"


def _parse_error(message: str) -> tuple[str, int | None]:
    """The text of DuckDB's error message, and the byte of the query that it refers to, if any."""
    start = message.find("{")
    try:
        document, _ = json.JSONDecoder().raw_decode(message[start:]) if start >= 0 else ({}, 0)
    except json.JSONDecodeError:
        document = {}
    if not isinstance(document, dict) or "exception_message" not in document:
        return message, None
    position = document.get("position")
    return str(document["exception_message"]), None if position is None else int(position)
