"""Child process of the test that interrupts an erasure: says each step, and waits to be told to go on.

python erase_patient.py DATA_DIR PATIENT file|lake
"""

import sys
from pathlib import Path

from privacy_folder import file_of, lake_of

from flows.data_folder import DataFolder
from flows.privacy.erase import erase_patient
from flows.settings import read_settings


def say(step: str) -> None:
    """Announce a step and wait for a line: the test decides whether it is done or the process is killed before it."""
    print(step, flush=True)
    sys.stdin.readline()


data = DataFolder(Path(sys.argv[1]))
address = lake_of(data) if sys.argv[3] == "lake" else file_of(data)
erase_patient(data, address, sys.argv[2], read_settings(), lambda lines: True, say)
