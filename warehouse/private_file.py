"""Folders and files for their owner only; a small file is written whole or not at all."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

PREFIX = 32  # characters of a file's name that its draft's begins with


def make_private_folder(folder: Path) -> None:
    """Make the missing folders of a path (0700)."""
    for missing in reversed([f for f in (folder, *folder.parents) if not f.exists()]):
        missing.mkdir(mode=0o700, exist_ok=True)


def make_private_file(path: Path) -> None:
    """Make an empty file (0600), unless there is one."""
    os.close(os.open(path, os.O_CREAT | os.O_CLOEXEC, 0o600))


@contextmanager
def private_draft(path: Path, *, keep: bool = False) -> Iterator[Path]:
    """A draft (0600) beside a file, for the block to write; it takes the file's place when the block ends well.

    It is on the disk by then. Folders that are missing are made for the owner only. If the block fails, the file stays
    as it was.

    Args:
        path: the file.
        keep: whether a file that is there stays instead: of several that make one at once, the first has made it.

    Raises:
        OSError: it cannot be written.
    """
    make_private_folder(path.parent)
    # A name may be as long as the file system takes, and a draft's is longer.
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
    """Write a text in UTF-8; see `private_draft`.

    Raises:
        OSError: it cannot be written.
    """
    with private_draft(path, keep=keep) as draft:
        draft.write_text(text, encoding="utf-8")
