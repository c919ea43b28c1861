"""File systems of a test's own: mounted in a namespace of its own, which they go with."""

import os
import subprocess
import sys
from collections.abc import Mapping
from pathlib import Path

import pytest

IN_A_NAMESPACE = ["unshare", "--user", "--map-root-user", "--mount", "sh", "-c"]


def told_in_a_namespace(mount: str, story: str, variables: Mapping[str, Path | str]) -> str:
    """What a shell prints that mounts a file system and goes on with a story; skipped where nobody may mount.

    Args:
        mount: the command that mounts.
        story: what comes after it. All of it takes place in one shell, because the file system goes with its processes.
        variables: what both find in their environment, besides PYTHON.
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
