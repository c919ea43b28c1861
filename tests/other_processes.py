"""What processes that tests start can import: the same as this one, except pandas.

Users have none. Where it is installed, DuckDB loads it with the first parameter of a query, which takes each process
half a second; of the tests, only those of exports need it.
"""

import os
import sys
from pathlib import Path

NO_PANDAS = str(Path(__file__).with_name("no_pandas"))


def python_path() -> str:
    """PYTHONPATH of a process that finds the product and the test modules in the same places as this one."""
    return os.pathsep.join((NO_PANDAS, *sys.path))
