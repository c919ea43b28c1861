"""Expensive fixtures: one of the processes that run tests makes each, and the others wait for it."""

import fcntl
import os
import pickle
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import TypeVar

import pytest

T = TypeVar("T")
FOUND = "found.pickle"


def made_once(factory: pytest.TempPathFactory, name: str, make: Callable[[Path], None]) -> Path:
    """A folder below which `make` has put something, in this run of the tests. Nobody may change it: copy it.

    Args:
        factory: pytest's own.
        name: of the folder; the same for the same content.
        make: called with the folder, which exists and is empty.
    """
    base = factory.getbasetemp()
    if "PYTEST_XDIST_WORKER" in os.environ:
        base = base.parent  # each process has its own folder within that of the run
    folder, finished = base / name, base / f"{name}.finished"
    with (base / f"{name}.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)
        if not finished.exists():
            shutil.rmtree(folder, ignore_errors=True)  # of a process that failed to make it
            folder.mkdir()
            make(folder)
            finished.touch()
    return folder


def found_once(factory: pytest.TempPathFactory, name: str, find: Callable[[], T]) -> T:
    """The result of `find`, computed once in this run of the tests; see made_once. It must be picklable."""
    folder = made_once(factory, name, lambda folder: _write(folder, find()))
    found: T = pickle.loads((folder / FOUND).read_bytes())
    return found


def _write(folder: Path, found: object) -> None:
    (folder / FOUND).write_bytes(pickle.dumps(found))
