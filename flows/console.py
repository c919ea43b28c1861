"""Consoles of the command line, which print the words of others as they stand there.

rich takes square brackets for orders and `:smile:` for a picture, and names of files hold both. Here text is text, and
what a terminal could obey is escaped. Style comes from rich's Text and from the `style` of what is printed.
"""

from typing import Any

from rich.console import Console
from rich.text import Text

from flows.sources.names import escaped

UNFOLDED = 1000  # characters: more than a row of a table has


class PlainConsole(Console):
    """A console that takes no order from text."""

    def __init__(self, **options: Any) -> None:
        """Take the options of rich's Console; nothing is marked up, replaced or highlighted."""
        super().__init__(**options, markup=False, emoji=False, highlight=False)

    def render_str(self, text: str, **options: Any) -> Text:
        """Text as it is printed; rich calls it for every string, cells of tables included."""
        return super().render_str(escaped(text, keep="\n\t"), **options)


def table_console() -> PlainConsole:
    """A console for tables with names: where nobody watches, a row is one line to search for, however long."""
    console = PlainConsole()
    return console if console.is_terminal else PlainConsole(width=UNFOLDED)
