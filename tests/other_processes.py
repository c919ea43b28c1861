"""What processes that the tests start find to import: what this one does, but no pandas.

Users have none. Where it is installed, DuckDB loads it with the first parameter of a query, which takes each process
half a second; of the tests, only those of exports need it.
"""

import os
import sys
from pathlib import Path

NO_PANDAS = str(Path(__file__).with_name("no_pandas"))


def python_path() -> str:
    """PYTHONPATH of a process that finds the rooms and the modules of the tests where this one does."""
    return os.pathsep.join((NO_PANDAS, *sys.path))
