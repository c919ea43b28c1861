"""Mount file systems for one test, in a namespace that disappears with its processes."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def told_in_a_namespace(mount: str, story: str, variables: Mapping[str, Path | str]) -> str:
    """The output of a shell that mounts a file system and then runs a script; skips the test if mounting is forbidden.

    Args:
        mount: the command that mounts.
        story: the script. It runs in the same shell, because the file system disappears with its processes.
        variables: environment variables for both, besides PYTHON.
    """
    environment = os.environ | {"PYTHON": sys.executable} | {name: str(value) for name, value in variables.items()}
    try:
        subprocess.run([*IN_A_NAMESPACE, mount], env=environment, check=True, capture_output=True)
    except (OSError, subprocess.CalledProcessError):
        pytest.skip("this machine lets nobody mount a file system of his own")
    whole = f"{mount} || exit\n{story}"
    told = subprocess.run([*IN_A_NAMESPACE, whole], env=environment, capture_output=True, text=True, check=False)
    assert told.returncode == 0, told.stderr
    return told.stdout
