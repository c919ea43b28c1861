"""`pmfer sql` without a query: a prompt that answers one query after the other, each with an entry in the log of reads.

What is typed is kept in memory only: a query may name people, and a file of them would be one more place to erase.
"""

from collections.abc import Callable
from contextlib import suppress

from rich.console import Console

from cli.options import complain
from cli.sql import SqlRequest, answer, confined_reader
from flows.data_folder import DataFolder
from pmfer.errors import PmferError
from warehouse.address import Address
from warehouse.ask import Reader
from warehouse.reach import relation_names

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


def run_prompt(
    data: DataFolder,
    warehouse: Address,
    limit: int,
    time_zone: str,
    console: Console,
    ask_for: Callable[[str], str] = input,
) -> None:
    """Answer queries until there are no more; one that fails is one line, and the next one is asked for.

    Args:
        data: the data folder, where the log of reads is.
        warehouse: address of the warehouse.
        limit: rows of a table at most; 0 for all.
        time_zone: in which times are shown.
        console: where tables are printed.
        ask_for: gives the next line; it is told what to show in front, and raises EOFError at the end.

    Raises:
        WarehouseError: nothing was published yet, or there is no such time zone.
        ConfigurationError: the data folder cannot be written.
    """
    with confined_reader(data, warehouse, time_zone) as connection:
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
                    _answer(connection, data, "\n".join(lines), limit, console)
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


def _answer(connection: Reader, data: DataFolder, text: str, limit: int, console: Console) -> None:
    try:
        answer(connection, data, SqlRequest(text, {}, "table", None, limit or None), console)
    except PmferError as error:
        complain(str(error))
