"""A file of a report: written whole or not at all, for its owner only."""

import os
import tempfile
from pathlib import Path

from pmfer.errors import ReportError

PRIVATE = 0o600  # a report is read by its owner; whoever hands it out decides who else does


def write_private(content: bytes, target: Path) -> None:
    """Write a temporary file beside the target, then rename it: whoever looks finds the old report or the new one.

    Folders that are missing are made for the owner only.

    Raises:
        ReportError: the file cannot be written.
    """
    try:
        target.parent.mkdir(parents=True, exist_ok=True, mode=0o700)
        descriptor, draft = tempfile.mkstemp(dir=target.parent, prefix=f".{target.name}.")
        try:
            with os.fdopen(descriptor, "wb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            Path(draft).chmod(PRIVATE)
            Path(draft).replace(target)
        except BaseException:
            Path(draft).unlink(missing_ok=True)
            raise
    except OSError as error:
        raise ReportError(f"report {target}: cannot be written ({error.strerror}); check the folder") from None
