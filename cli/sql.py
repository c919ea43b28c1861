"""`pmfer sql`: answers a query from the published snapshot as a table, CSV, JSON lines or Parquet, or opens a prompt.

The prompt answers one query after another, and each leaves an entry in the read log. The history of queries is kept in
memory only: a query may name people, and a history file would be one more place to erase.
"""

import sys
import tempfile
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from pathlib import Path
from typing import Literal, TextIO

import polars as pl
from rich.table import Table
from rich.text import Text

from cli.options import complain
from flows.plain_text import PlainConsole, escaped, plain, plain_column
from flows.warehouse_access import WarehouseAccess
from pmfer.errors import ConfigurationError, PmferError
from warehouse.ask import UTC, Answer, Reader, ask, check, confine, interruptible
from warehouse.connection import find_plain_views, open_reader
from warehouse.private_file import private_draft
from warehouse.reach import relation_names

FORMATS = ("table", "csv", "json", "parquet")
_ENDINGS = {".csv": "csv", ".json": "json", ".jsonl": "json", ".ndjson": "json", ".parquet": "parquet"}
_WIDEST = 10_000  # characters; a table that goes to a pipe or file is not cut to the width of a terminal
GREETING = """\
You are querying the last published state, read-only. Begin with
  FROM plain.days LIMIT 5;        a row per patient and day
  FROM plain.sessions LIMIT 5;    a row per session
  FROM plain.frames LIMIT 5;      a row per sampled frame
  FROM flags LIMIT 5;             a row per flag that a report raised
  DESCRIBE plain.days;            its columns; docs/analysts.md has queries to copy
End each query with a semicolon. .tables lists all tables and views. Ctrl-D or .quit leaves the prompt."""
BEGIN_WITH = ("plain.days", "plain.sessions", "plain.frames", "flags")
FIRST, MORE = "pmfer> ", "  ...> "
QUIT = (".quit", ".exit", "\\q")
TABLES = ".tables"


@dataclass(frozen=True)
class SqlRequest:
    """A query and where its answer goes."""

    text: str
    parameters: dict[str, str]  # values by name, for $name in the query
    format: str  # one of FORMATS
    out: Path | None  # None: standard output
    limit: int | None  # most rows to show in a table; None: all
    time_zone: str = UTC  # in which timestamps are shown, and from which parts such as the hour are taken


def make_request(
    query: str | None,
    file: Path | None,
    parameters: Sequence[str],
    format_: str | None,
    out: Path | None,
    limit: int,
    time_zone: str = UTC,
) -> SqlRequest:
    """Make a request from the options of the command line; without a query or file it is read from standard input.

    Raises:
        ConfigurationError: both a query and a file are given, the file cannot be read, or options do not go together.
    """
    chosen = format_ or (_ENDINGS.get(out.suffix.lower()) if out else "table")
    if chosen not in FORMATS:
        wrong = f"format '{format_}': unknown" if format_ else f"--out {out}: its suffix does not name a format"
        raise ConfigurationError(f"{wrong}; choose --format {', '.join(FORMATS)}")
    if chosen == "parquet" and out is None:
        raise ConfigurationError("--format parquet: can only be written to a file; name it with --out")
    if chosen == "table" and out is not None:
        raise ConfigurationError(f"--out {out}: a table can only be printed; choose --format csv, json or parquet")
    values = _named_values(parameters)
    return SqlRequest(_query_text(query, file), values, chosen, out, limit or None, time_zone)


def run_sql(access: WarehouseAccess, request: SqlRequest, console: PlainConsole) -> None:
    """Answer a query from the last published state. The read log notes which tables it named. Ctrl-C stops it.

    Args:
        access: the warehouse and the data folder, which holds the read log.
        request: the query.
        console: where a table is printed.

    Raises:
        WarehouseError: nothing has been published yet, the log cannot be written, or the query fails.
        ConfigurationError: the file cannot be written.
    """
    with confined_reader(access, request.time_zone) as connection:
        answer(connection, access, request, console)


@contextmanager
def confined_reader(access: WarehouseAccess, time_zone: str) -> Iterator[Reader]:
    """Open the last published state for queries that a person types.

    Raises:
        WarehouseError: nothing has been published yet, or there is no such time zone.
    """
    access.data.require_writable()
    with tempfile.TemporaryDirectory(prefix="pmfer-") as spill, open_reader(access.warehouse) as connection:
        find_plain_views(connection)
        confine(connection, access.warehouse, Path(spill), time_zone)
        yield connection


def answer(connection: Reader, access: WarehouseAccess, request: SqlRequest, console: PlainConsole) -> None:
    """Answer one query, after noting it in the read log."""
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


def print_table(answer: Answer, limit: int | None, console: PlainConsole) -> None:
    """Print an answer with the types of its columns, and say how many rows are left out.

    A table that is wider than the terminal is printed row by row instead, with one line per column.
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


def _print_records(answer: Answer, rows: Sequence[tuple[str | None, ...]], console: PlainConsole) -> None:
    width = max(len(column.name) for column in answer.columns)
    for number, row in enumerate(rows, 1):
        console.print(f"row {number}", style="bold")
        for column, value in zip(answer.columns, row, strict=True):
            line = Text.assemble(f"  {column.name:{width}}  ", _cell(value), (f"  {column.type.lower()}", "dim"))
            console.print(line)


def _cell(value: str | None) -> Text:
    return Text("NULL", style="dim") if value is None else Text(escaped(value, keep="\n\t"))


def _is_number(kind: str) -> bool:
    return kind in {"FLOAT", "DOUBLE"} or "INT" in kind.split("(")[0] or kind.startswith("DECIMAL")


def _write_file(answer: Answer, format_: str, out: Path) -> None:
    """Write a file that only its owner can read, either completely or not at all."""
    if not out.parent.is_dir():  # more likely a typing error than a folder to create
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
        # NULL becomes an empty field, an empty text "".
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
            raise ConfigurationError(f"--file {file}: not UTF-8 text; save it as UTF-8") from None
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
    console: PlainConsole,
    ask_for: Callable[[str], str] = input,
) -> None:
    """Answer queries until the input ends. A query that fails prints one line, and the prompt returns.

    Args:
        access: the warehouse and the data folder, which holds the read log.
        limit: most rows to show in a table; 0 for all.
        time_zone: in which timestamps are shown.
        console: where tables are printed.
        ask_for: takes the prompt and returns the next line; raises EOFError at the end of the input.

    Raises:
        WarehouseError: nothing has been published yet, or there is no such time zone.
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
    """The names of all tables and views, with the ones to begin with first."""
    others = [name for name in relation_names(connection) if name not in BEGIN_WITH]
    return f"Begin with {', '.join(BEGIN_WITH)}.\nEverything else: {', '.join(others)}."


def complete_names(connection: Reader) -> None:
    """Let Tab complete the names of tables and views, and the arrow keys bring back earlier lines."""
    try:
        import readline
    except ModuleNotFoundError:  # without it, Python reads plain lines
        return
    names = relation_names(connection)

    def complete(text: str, number: int) -> str | None:
        found = [name for name in names if name.startswith(text.lower())]
        return found[number] if number < len(found) else None

    readline.set_completer(complete)
    readline.set_completer_delims(" \t\n(),;")
    readline.parse_and_bind("tab: complete")


def _answer(connection: Reader, access: WarehouseAccess, text: str, limit: int, console: PlainConsole) -> None:
    try:
        answer(connection, access, SqlRequest(text, {}, "table", None, limit or None), console)
    except PmferError as error:
        complain(str(error))
