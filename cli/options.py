"""Options that several commands share, each declared once, and the functions that resolve them."""

import logging
from datetime import UTC, date, datetime
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any

import typer
from typer.core import TyperCommand

from flows.data_folder import DataFolder
from flows.logs import writes_json
from flows.plain_text import PlainConsole, printable
from flows.settings import Dispatch, origins, read_settings
from flows.sources.names import PLAUSIBLE_YEARS
from pmfer.errors import ConfigurationError

if TYPE_CHECKING:
    from flows.warehouse_access import WarehouseAccess

# Options of commands that read or write the data folder.
DEMO = Path("var/demo")  # where `pmfer demo` writes, unless told otherwise
DataDir = Annotated[
    Path | None,
    typer.Option(help="Folder for the warehouse, reports and all other state. [default: PMFER_DATA_DIR, or var/pmfer]"),
]
Patient = Annotated[str, typer.Argument(help="Pseudonym of the patient.")]
First = Annotated[str, typer.Option("--from", help="First day, YYYY-MM-DD.")]
Last = Annotated[str, typer.Option("--to", help="Last day, included, YYYY-MM-DD.")]
OptionalFirst = Annotated[
    str | None, typer.Option("--from", help="First day, YYYY-MM-DD. [default: from the beginning]")
]
OptionalLast = Annotated[
    str | None, typer.Option("--to", help="Last day, included, YYYY-MM-DD. [default: up to the latest]")
]
Yes = Annotated[bool, typer.Option("--yes", help="Do not ask for confirmation.")]
AsJson = Annotated[bool, typer.Option("--json", help="Print JSON instead of text.")]

# Options of commands that score.
BundleName = Annotated[
    str | None,
    typer.Option(help="Name of a shipped bundle, or a bundle's folder. [default: PMFER_BUNDLE, or pmfer-compact]"),
]
Detector = Annotated[
    str | None,
    typer.Option(help="Face detector: centerface, or a YuNet .onnx file. [default: PMFER_DETECTOR, or centerface]"),
]
Fps = Annotated[
    float | None,
    typer.Option(help="Frames to sample per second of video. [default: PMFER_FRAMES_PER_SECOND, or 5]"),
]
Source = Annotated[
    str | None,
    typer.Option(help="Folder with one subfolder per day, or its s3:// or sftp:// URL. [default: PMFER_SOURCE]"),
]
DispatchTo = Annotated[
    Dispatch | None,
    typer.Option(
        "--dispatch",
        help="Where to score: in this process or on Prefect workers. [default: PMFER_DISPATCH, or process]",
    ),
]

# Options of commands that train and measure.
Data = Annotated[Path, typer.Option("--data", help="Data set: a file or folder; see docs/training.md.")]
Kind = Annotated[
    str | None,
    typer.Option(help="Which data set it is, such as affectnet7, if that cannot be detected. [default: detected]"),
]
Landmarks = Annotated[Path | None, typer.Option(help="Parquet file written by `pmfer landmarks`.")]
Cropped = Annotated[
    bool | None,
    typer.Option(
        "--cropped/--whole",
        help="Whether the pictures are face crops, or whole pictures in which to find a face. "
        "[default: by the data set, else by the size of each picture]",
    ),
]


class OncePerOption(TyperCommand):
    """A command that refuses an option given twice, of which it would otherwise use only the last, without a word."""

    def parse_args(self, ctx: Any, args: list[str]) -> list[str]:
        """Parse the command line as usual, if it gives no option twice that takes one value."""
        once: set[str] = set()
        for parameter in self.make_parser(ctx).parse_args(args=list(args))[2]:
            if parameter.param_type_name != "option" or getattr(parameter, "multiple", False) or ctx.resilient_parsing:
                continue
            if parameter.opts[0] in once:
                ctx.fail(f"Option '{parameter.opts[0]}' can be given only once.")
            once.add(parameter.opts[0])
        return super().parse_args(ctx, args)


def access_to(data_dir: Path | None) -> "WarehouseAccess":
    """Access to the data folder and its warehouse, according to the option and the settings.

    Raises:
        ConfigurationError: the settings are wrong, or contradict each other.
        WarehouseError: the address of the warehouse or its key is malformed.
    """
    from flows.warehouse_access import access_of

    return access_of(read_settings(data_dir=data_dir))


def where_to_look(data_dir: Path | None) -> Path | None:
    """The data folder for a command that only reads; the demo's folder if nothing but the demo has run so far.

    A newcomer has run `make demo` and configured nothing. Commands that write never choose the demo's folder unasked.

    Args:
        data_dir: value of the command's option.

    Raises:
        ConfigurationError: the settings are wrong.
    """
    found = origins(data_dir=data_dir)
    if {found["data_dir"], found["warehouse"]} != {"default"}:
        return data_dir
    usual, demo = read_settings().data, DataFolder(DEMO)
    if usual.warehouse.exists() or usual.published.exists() or not demo.published.exists():
        return data_dir
    complain(f"reading {DEMO}, because only the demo has run; --data-dir or PMFER_DATA_DIR chooses another folder")
    return DEMO


def source_given(given: str | None) -> str:
    """The source named by the option, or else by the settings.

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


def night_of(text: str) -> date:
    """The day that an option names, for commands that process or report its recordings.

    Raises:
        ConfigurationError: it is not a day, or its year is implausible.
    """
    night = day(text)
    if night.year not in PLAUSIBLE_YEARS:
        years = f"{PLAUSIBLE_YEARS[0]} to {PLAUSIBLE_YEARS[-1]}"
        raise ConfigurationError(f"date {night}: an implausible year; give a day of the years {years}")
    return night


def optional_day(text: str | None) -> date | None:
    """The day that an option names, if it is given; see `day`."""
    return None if text is None else day(text)


def json_value(value: object) -> str:
    """What JSON has no type for, as text: a point in time in UTC and ISO 8601."""
    return value.astimezone(UTC).isoformat() if isinstance(value, datetime) else str(value)


def complain(text: str) -> None:
    """Print one line to stderr, or log it if logs are written as JSON."""
    if writes_json():
        logging.getLogger("pmfer").error("%s", text)
        return
    PlainConsole(stderr=True).print(f"pmfer: {text}")
