"""Child process of the test that interrupts an erasure: announces each step, and waits for a line to continue.

python erase_patient.py DATA_DIR PATIENT file|lake
"""

import sys
from pathlib import Path

from privacy_folder import access_to, file_of, lake_of

from flows.data_folder import DataFolder
from flows.privacy.erase import erase_patient
from flows.settings import read_settings


def say(step: str) -> None:
    """Announce a step and wait for a line: the test decides whether it is run or the process is killed before it."""
    print(step, flush=True)
    sys.stdin.readline()


data = DataFolder(Path(sys.argv[1]))
address = lake_of(data) if sys.argv[3] == "lake" else file_of(data)
erase_patient(access_to(data, address), sys.argv[2], read_settings(), lambda lines: True, say)
