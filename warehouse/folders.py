"""Folders and files that belong to their owner only."""

import os
from pathlib import Path


def make_private_folder(folder: Path) -> None:
    """Make the missing folders of a path (0700)."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file (0600), unless there is one."""
    os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))
