"""`pmfer warehouse dictionary`: the data dictionary as a file."""

from pathlib import Path

from pmfer.errors import ConfigurationError
from warehouse.dictionary import render_dictionary


def write_dictionary(path: Path) -> None:
    """Write the dictionary of this release's schema to `path`.

    Raises:
        ConfigurationError: the file cannot be written.
    """
    try:
        path.write_text(render_dictionary(), encoding="utf-8")
    except OSError as error:
        raise ConfigurationError(f"{path}: cannot be written ({error.strerror}); name another file") from None
