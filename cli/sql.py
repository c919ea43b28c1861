"""`pmfer sql`: one query on the published snapshot, as a table, CSV, JSON lines or Parquet; without one, a prompt.

The prompt answers one query after the other, each with an entry in the log of reads. What is typed is kept in memory
only: a query may name people, and a file of them would be one more place to erase.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import polars as pl
from rich.console import Console
from rich.table import Table
from rich.text import Text

from cli.options import complain
from flows.plain_text import escaped, plain, plain_column
from flows.warehouse_access import WarehouseAccess
from pmfer.errors import ConfigurationError, PmferError
from warehouse.ask import UTC, Answer, Reader, ask, check, confine, interruptible
from warehouse.connection import find_plain_views, open_reader
from warehouse.private_file import private_draft
from warehouse.reach import relation_names

FORMATS = ("table", "csv", "json", "parquet")
_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
_WIDEST = 10_000  # characters: a table that goes into a pipe or a file is not cut to a terminal
GREETING = """\
What was published last, read-only. Begin with
  FROM plain.days LIMIT 5;        a row per patient and day
  FROM plain.sessions LIMIT 5;    a row per session
  FROM plain.frames LIMIT 5;      a row per sampled frame
  FROM flags LIMIT 5;             a row per flag that a report raised
  DESCRIBE plain.days;            its columns; docs/analysts.md has queries to copy
A query ends with a semicolon. .tables names all there is. Ctrl-D, or .quit, ends this."""
BEGIN_WITH = ("plain.days", "plain.sessions", "plain.frames", "flags")
FIRST, MORE = "pmfer> ", "  ...> "
QUIT = (".quit", ".exit", "\\q")
TABLES = ".tables"


@dataclass(frozen=True)
class SqlRequest:
    """The query and what becomes of its answer."""

    text: str
    parameters: dict[str, str]  # values of $name
    format: str  # one of FORMATS
    out: Path | None  # None: standard output
    limit: int | None  # rows of a table at most; None shows all
    time_zone: str = UTC  # in which times with a zone are shown and taken apart


def make_request(
    query: str | None,
    file: Path | None,
    parameters: Sequence[str],
    format_: str | None,
    out: Path | None,
    limit: int,
    time_zone: str = UTC,
) -> SqlRequest:
    """Resolve the options of the command line; the query may also come from standard input.

    Raises:
        ConfigurationError: there is no query or more than one, or options do not go together.
    """
    chosen = format_ or (_ENDINGS.get(out.suffix.lower()) if out else "table")
    if chosen not in FORMATS:
        wrong = f"format '{format_}': unknown" if format_ else f"--out {out}: its ending names no format"
        raise ConfigurationError(f"{wrong}; choose --format {', '.join(FORMATS)}")
    if chosen == "parquet" and out is None:
        raise ConfigurationError("--format parquet: goes into a file; name it with --out")
    if chosen == "table" and out is not None:
        raise ConfigurationError("--out: a table is for the screen; choose --format csv, json or parquet")
    values = _named_values(parameters)
    return SqlRequest(_query_text(query, file), values, chosen, out, limit or None, time_zone)


def run_sql(access: WarehouseAccess, request: SqlRequest, console: Console) -> None:
    """Answer a query from what was last published; the log of reads says which tables it named. Ctrl-C stops it.

    Args:
        access: to the warehouse, and the data folder, where the log of reads is.
        request: the query.
        console: where a table is printed.

    Raises:
        WarehouseError: nothing was published yet, the log cannot be written, or the query fails.
        ConfigurationError: the file cannot be written.
    """
    with confined_reader(access, request.time_zone) as connection:
        answer(connection, access, request, console)


@contextmanager
def confined_reader(access: WarehouseAccess, time_zone: str) -> Iterator[Reader]:
    """What was last published, for queries that somebody types.

    Raises:
        WarehouseError: nothing was published yet, or there is no such time zone.
    """
    access.data.require_writable()
    with tempfile.TemporaryDirectory(prefix="pmfer-") as spill, open_reader(access.warehouse) as connection:
        find_plain_views(connection)
        confine(connection, access.warehouse, Path(spill), time_zone)
        yield connection


def answer(connection: Reader, access: WarehouseAccess, request: SqlRequest, console: Console) -> None:
    """Answer one query, after it has left an entry in the log of reads."""
    query = check(connection, request.text)

    def work() -> None:
        rows = ask(connection, query, request.parameters)
        if request.out is not None:
            _write_file(rows, request.format, request.out)
        elif request.format == "table":
            print_table(rows, request.limit, console)
        else:
            _write_lines(rows, request.format, sys.stdout)

    access.record_reading("sql", tables=query.reads, format=request.format, to_file=request.out is not None)
    interruptible(connection, work)


def print_table(answer: Answer, limit: int | None, console: Console) -> None:
    """Print an answer with the types of its columns, and how many rows are left out.

    A table that is wider than the terminal is shown row by row instead, one line per column.
    """
    if not console.is_terminal:
        console.width = _WIDEST
    rows: list[tuple[str | None, ...]] = []
    count = 0
    for frame in answer.texts():
        count += frame.height
        rows += frame.rows()[: None if limit is None else limit - len(rows)]
    table = _table(answer, rows)
    if table.__rich_measure__(console, console.options.update(max_width=_WIDEST)).maximum <= console.width:
        console.print(table)
    else:
        _print_records(answer, rows, console)
    noun = "row" if count == 1 else "rows"
    if len(rows) < count:
        more = f"{count - len(rows):,} more; --limit 0 shows all, --out FILE.csv writes them"
        console.print(f"{len(rows):,} of {count:,} {noun}, {more}", style="dim")
    else:
        console.print(f"{count:,} {noun}", style="dim")


def _table(answer: Answer, rows: Iterable[tuple[str | None, ...]]) -> Table:
    table = Table(box=None, header_style="bold", pad_edge=False)
    for column in answer.columns:
        justify: Literal["left", "right"] = "right" if _is_number(column.type) else "left"
        header = Text.assemble(column.name, "\n", (column.type.lower(), "dim not bold"))
        table.add_column(header, justify=justify, no_wrap=True)
    for row in rows:
        table.add_row(*(_cell(value) for value in row))
    return table


def _print_records(answer: Answer, rows: Sequence[tuple[str | None, ...]], console: Console) -> None:
    width = max(len(column.name) for column in answer.columns)
    for number, row in enumerate(rows, 1):
        console.print(f"row {number}", style="bold")
        for column, value in zip(answer.columns, row, strict=True):
            line = Text.assemble(f"  {column.name:{width}}  ", _cell(value), (f"  {column.type.lower()}", "dim"))
            console.print(line, soft_wrap=True)


def _cell(value: str | None) -> Text:
    return Text("NULL", style="dim") if value is None else Text(escaped(value, keep="\n\t"))


def _is_number(kind: str) -> bool:
    return kind in {"FLOAT", "DOUBLE"} or "INT" in kind.split("(")[0] or kind.startswith("DECIMAL")


def _write_file(answer: Answer, format_: str, out: Path) -> None:
    """Write a file for its owner only, whole or not at all."""
    if not out.parent.is_dir():  # more likely mistyped than meant to be made
        raise ConfigurationError(f"{out}: cannot be written (no such folder); choose another --out")
    try:
        with private_draft(out) as draft:
            if format_ == "parquet":
                answer.write_parquet(draft)
            else:
                with draft.open("w", encoding="utf-8", newline="") as stream:
                    _write_lines(answer, format_, stream)
    except OSError as error:
        raise ConfigurationError(f"{out}: cannot be written ({error.strerror}); choose another --out") from None


def _write_lines(answer: Answer, format_: str, stream: TextIO) -> None:
    if format_ == "json":
        stream.writelines(f"{line}\n" for line in answer.json_lines())
    else:
        # NULL is an empty field, an empty text is "".
        stream.write(pl.DataFrame(schema={plain(column.name): pl.String for column in answer.columns}).write_csv())
        texts = [plain_column(column.name) for column in answer.columns if not _is_number(column.type)]
        for frame in answer.texts():
            stream.write(frame.with_columns(texts).write_csv(include_header=False))
    stream.flush()


def _query_text(query: str | None, file: Path | None) -> str:
    if query is not None and file is not None:
        raise ConfigurationError("give the query as an argument or with --file, not both")
    if file is not None:
        try:
            return file.read_text(encoding="utf-8")
        except OSError as error:
            raise ConfigurationError(f"--file {file}: cannot be read ({error.strerror}); check the path") from None
        except UnicodeDecodeError:
            raise ConfigurationError(f"--file {file}: not UTF-8 text; save it as such") from None
    if query not in (None, "-"):
        return str(query)
    return sys.stdin.read()


def _named_values(parameters: Sequence[str]) -> dict[str, str]:
    values = {}
    for parameter in parameters:
        name, equals, value = parameter.partition("=")
        if not (equals and name.isidentifier()):
            raise ConfigurationError(f"--param {parameter}: write it as NAME=VALUE, for $NAME in the query")
        values[name] = value
    return values


def run_prompt(
    access: WarehouseAccess,
    limit: int,
    time_zone: str,
    console: Console,
    ask_for: Callable[[str], str] = input,
) -> None:
    """Answer queries until there are no more; one that fails is one line, and the next one is asked for.

    Args:
        access: to the warehouse, and the data folder, where the log of reads is.
        limit: rows of a table at most; 0 for all.
        time_zone: in which times are shown.
        console: where tables are printed.
        ask_for: gives the next line; it is told what to show in front, and raises EOFError at the end.

    Raises:
        WarehouseError: nothing was published yet, or there is no such time zone.
        ConfigurationError: the data folder cannot be written.
    """
    with confined_reader(access, time_zone) as connection:
        complete_names(connection)
        console.print(GREETING)
        lines: list[str] = []
        with suppress(EOFError):
            while True:
                line = ask_for(MORE if lines else FIRST)
                if not lines and line.strip() in ("", *QUIT):
                    if line.strip():
                        return
                    continue
                if not lines and line.strip() == TABLES:
                    console.print(all_relations(connection))
                    continue
                lines.append(line)
                if line.rstrip().endswith(";"):
                    _answer(connection, access, "\n".join(lines), limit, console)
                    lines = []
        console.print()


def all_relations(connection: Reader) -> str:
    """The tables and views, those to begin with first."""
    others = [name for name in relation_names(connection) if name not in BEGIN_WITH]
    return f"Begin with {', '.join(BEGIN_WITH)}.\nEverything else: {', '.join(others)}."


def complete_names(connection: Reader) -> None:
    """Let the tabulator complete names of tables and views, and the arrows bring back what was typed."""
    try:
        import readline
    except ModuleNotFoundError:  # Python without it reads plain lines
        return
    names = relation_names(connection)

    def complete(text: str, number: int) -> str | None:
        found = [name for name in names if name.startswith(text.lower())]
        return found[number] if number < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n(),;")
    readline.parse_and_bind("tab: complete")


def _answer(connection: Reader, access: WarehouseAccess, text: str, limit: int, console: Console) -> None:
    try:
        answer(connection, access, SqlRequest(text, {}, "table", None, limit or None), console)
    except PmferError as error:
        complain(str(error))
