"""What a process makes good for that its environment lacks."""

import os
import subprocess
import sys

import pytest

WITHOUT_NAME = ["unshare", "--user", "--map-user=12345"]  # an account that the system has no entry for
PROGRAM = """
from flows.process import adapt_environment
from flows.settings import Settings
adapt_environment(Settings())
import prefect.main
from flows.doctor import check_account
print(*check_account(Settings()))
"""


def test_an_account_without_a_name_and_a_home_folder_will_do_and_doctor_tells() -> None:
    try:
        subprocess.run([*WITHOUT_NAME, "true"], check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody be another account")
    environment = {name: value for name, value in os.environ.items() if name not in ("HOME", "USER", "LOGNAME")}
    command = [*WITHOUT_NAME, sys.executable, "-c", PROGRAM]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert done.stdout.startswith("warning account number 12345, which the system has no name for: no home folder")
