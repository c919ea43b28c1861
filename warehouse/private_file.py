"""Folders and files that only their owner can access. A file is written completely or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = 32  # characters of a file's name with which the name of its draft begins


def make_private_folder(folder: Path) -> None:
    """Create the missing folders of a path (0700)."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Create an empty file (0600), unless it exists."""
    os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))


@contextmanager
def private_draft(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """A draft (0600) beside a file, for the block to write. It replaces the file if the block succeeds.

    The draft is flushed to disk first. Missing folders are created for the owner only. If the block fails, the file
    stays as it was.

    Args:
        path: the file.
        keep: keep an existing file instead, so that the first of several concurrent writers wins.

    Raises:
        OSError: it cannot be written.
    """
    make_private_folder(path.parent)
    # Only a part of the name: if it has the maximum length, the draft's name would be too long.
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name[:PREFIX]}.")
    os.close(descriptor)
    draft = Path(name)
    try:
        yield draft
        with draft.open("rb") as stream:
            os.fsync(stream.fileno())
        if keep:
            with suppress(FileExistsError):
                os.link(draft, path)
        else:
            draft.replace(path)
    finally:
        draft.unlink(missing_ok=True)


def write_private(path: Path, text: str, *, keep: bool = False) -> None:
    """Write a text as UTF-8; see `private_draft`.

    Raises:
        OSError: it cannot be written.
    """
    with private_draft(path, keep=keep) as draft:
        draft.write_text(text, encoding="utf-8")
