"""Options that several commands share, each declared once, and what becomes of them."""

import logging
from datetime import date
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from flows.data_folder import DataFolder
from flows.logs import writes_json
from flows.plain_text import PlainConsole, printable
from flows.settings import Dispatch, origins, read_settings
from pmfer.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.warehouse_access import WarehouseAccess

# of commands that read or write the data folder
DEMO = Path("var/demo")  # where `pmfer demo` writes, unless told otherwise
DataDir = Annotated[Path | None, typer.Option(help="Folder below which all state lies. [PMFER_DATA_DIR, var/pmfer]")]
Patient = Annotated[str, typer.Argument(help="Pseudonym.")]
First = Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")]
Last = Annotated[str, typer.Option("--to", help="Last day, YYYY-MM-DD.")]
OptionalFirst = Annotated[str | None, typer.Option("--from", help="First day, YYYY-MM-DD.")]
OptionalLast = Annotated[str | None, typer.Option("--to", help="Last day, YYYY-MM-DD.")]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask.")]
AsJson = Annotated[bool, typer.Option("--json", help="As JSON.")]

# of commands that score
BundleName = Annotated[str | None, typer.Option(help="Shipped bundle's name, or a folder. [PMFER_BUNDLE]")]
Detector = Annotated[str | None, typer.Option(help="centerface, or a YuNet .onnx file. [PMFER_DETECTOR]")]
Fps = Annotated[float | None, typer.Option(help="Frames sampled per second of video. [PMFER_FRAMES_PER_SECOND, 5]")]
Source = Annotated[
    str | None, typer.Option(help="Folder with one folder per day, or its s3:// or sftp:// URL. [PMFER_SOURCE]")
]
DispatchTo = Annotated[
    Dispatch | None,
    typer.Option("--dispatch", help="Who scores: this process, or Prefect workers. [PMFER_DISPATCH, process]"),
]

# of commands that train and measure
Data = Annotated[Path, typer.Option("--data", help="Data set: a file or folder; see docs/training.md.")]
Kind = Annotated[str | None, typer.Option(help="Data set, if it cannot be detected, such as affectnet7.")]
Landmarks = Annotated[Path | None, typer.Option(help="File of `pmfer landmarks`.")]
Cropped = Annotated[
    bool | None, typer.Option("--cropped/--whole", help="Face crops, or pictures to find faces in. [by set, size]")
]


def access_to(data_dir: Path | None) -> "WarehouseAccess":
    """Access to the data folder and its warehouse, by an option and the settings.

    Raises:
        ConfigurationError: the settings are wrong, or exclude each other.
        WarehouseError: the address of the warehouse or its key has not the right form.
    """
    from flows.warehouse_access import access_of

    return access_of(read_settings(data_dir=data_dir))


def where_to_look(data_dir: Path | None) -> Path | None:
    """The data folder for a command that reads what nights stored: where only the demo ran so far, that of the demo.

    Whoever is new has run `make demo` and configured nothing. Nights, imports and erasures never go there unasked.

    Args:
        data_dir: the command's option.

    Raises:
        ConfigurationError: the settings are wrong.
    """
    found = origins(data_dir=data_dir)
    if {found["data_dir"], found["warehouse"]} != {"default"}:
        return data_dir
    usual, demo = DataFolder(read_settings().data_dir), DataFolder(DEMO)
    if usual.warehouse.exists() or usual.published.exists() or not demo.published.exists():
        return data_dir
    complain(f"reading {DEMO}, because only the demo has run; --data-dir or PMFER_DATA_DIR chooses another folder")
    return DEMO


def source_given(given: str | None) -> str:
    """The source by an option or the settings.

    Raises:
        ConfigurationError: neither names one.
    """
    source = given or read_settings().source
    if source is None:
        raise ConfigurationError("no source; give the folder of the recordings with --source or PMFER_SOURCE")
    return source


def day(text: str) -> date:
    """The day that an option names.

    Raises:
        ConfigurationError: it is not a day.
    """
    try:
        return date.fromisoformat(text)
    except ValueError:
        raise ConfigurationError(f"date '{printable(text)}': not a day; write it as YYYY-MM-DD") from None


def optional_day(text: str | None) -> date | None:
    """The day that an option names, if it is given; see `day`."""
    return None if text is None else day(text)


def complain(text: str) -> None:
    """Say one line on stderr. Where logs are JSON it is one of their lines."""
    if writes_json():
        logging.getLogger("pmfer").error("%s", text)
        return
    PlainConsole(stderr=True, soft_wrap=True).print(f"pmfer: {text}")
