"""Files that are written whole or not at all, for their owner only: every small file of flows goes through here."""

import os
import tempfile
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path


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
    path.parent.mkdir(mode=0o700, parents=True, exist_ok=True)
    descriptor, name = tempfile.mkstemp(dir=path.parent, prefix=f".{path.name}.")
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
