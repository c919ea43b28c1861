"""A notebook that opens a database file for writing, as DuckDB does by default, and runs the statements it is given."""

import subprocess
import sys
from pathlib import Path

_NOTEBOOK = """
import sys
import duckdb
with duckdb.connect(sys.argv[1]) as connection:
    for line in sys.stdin:
        connection.execute(line)
        print("done", flush=True)
"""


class Notebook(subprocess.Popen[str]):
    """The notebook's process. Leaving the block kills it, like closing a notebook."""

    def __init__(self, path: Path) -> None:
        command = [sys.executable, "-c", _NOTEBOOK, str(path)]
        super().__init__(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
        self.run("SELECT 1")

    def run(self, statement: str) -> None:
        """Run a statement and wait for it."""
        assert self.stdin is not None
        assert self.stdout is not None
        self.stdin.write(statement + "\n")
        self.stdin.flush()
        assert self.stdout.readline() == "done\n"

    def __exit__(self, *details: object) -> None:
        self.kill()
        self.communicate()
