"""`pmfer score`: scores videos into Parquet or CSV files, without a warehouse."""

import hashlib
import os
from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer
from rich.table import Table
from rich.text import Text

from cli.options import BundleName, Detector, Fps, complain
from flows.plain_text import PlainConsole, escaped, is_plain, printable, table_console
from flows.settings import limits_of, read_settings
from pmfer.errors import ConfigurationError, VideoError

if TYPE_CHECKING:
    import polars as pl

    from inference.options import VideoLimits
    from inference.process import ScoringProcess
    from inference.scored import ScoredVideo
    from pmfer.bundle import Bundle

ANNOTATED_SUFFIX = ".annotated.mp4"  # the longest suffix that is added to a stem
CSV_DECIMALS = 4
NAME_BYTES = 255  # longest file name on most file systems
CUT_BYTES = 200  # to which a longer stem is cut

app = typer.Typer()


class TableFormat(StrEnum):
    """File format of a table of frames; also the suffix of the file."""

    PARQUET = "parquet"
    CSV = "csv"


@dataclass(frozen=True)
class Output:
    """Which files are written for each video."""

    folder: Path | None  # None: nothing is written
    format: TableFormat = TableFormat.PARQUET
    annotates: bool = False  # also write a video that shows what the model saw
    limits: "VideoLimits | None" = None  # for decoding the video again to annotate it; None: the default limits


@dataclass(frozen=True)
class ScoredFile:
    """The result of one video, or the error that prevented it."""

    video: Path
    scored: "ScoredVideo | None"
    error: str | None


@app.command()
def score(
    videos: Annotated[list[Path], typer.Argument(help="Video files.")],
    out: Annotated[
        Path | None,
        typer.Option(
            help="Folder for the results: one table per video, named after it. [default: no files are written]"
        ),
    ] = None,
    format_: Annotated[
        TableFormat, typer.Option("--format", help="Format of the tables in --out.")
    ] = TableFormat.PARQUET,
    annotate: Annotated[
        bool,
        typer.Option(
            "--annotate", help="Also write NAME.annotated.mp4, which shows the face, its expression and phrases."
        ),
    ] = False,
    fps: Fps = None,
    every_frame: Annotated[
        bool, typer.Option("--every-frame", help="Score every frame of the video instead of sampling with --fps.")
    ] = False,
    int8: Annotated[
        bool | None,
        typer.Option(
            "--int8/--float32", help="Precision of the model. [default: PMFER_INT8, or what is faster on this machine]"
        ),
    ] = None,
    bundle: BundleName = None,
    detector: Detector = None,
) -> None:
    """Score videos and print a summary of each; with --out, also write a table with a row per frame."""
    from inference.options import ScoringOptions
    from inference.process import ScoringProcess
    from pmfer.bundle import load_bundle

    if every_frame and fps is not None:
        raise ConfigurationError("give --fps or --every-frame, not both")
    if annotate and out is None:
        raise ConfigurationError("--annotate: needs --out, the folder for the video")
    settings = read_settings(bundle=bundle, detector=detector, frames_per_second=fps, int8=int8)
    options = ScoringOptions(
        frames_per_second=None if every_frame else settings.frames_per_second,
        detector=settings.detector,
        int8=settings.scores_in_int8,
    )
    console = table_console()
    verified = load_bundle(settings.bundle)
    limits = limits_of(settings)
    output = Output(out, format_, annotate, limits)
    with ScoringProcess(verified, options, limits) as scorer:
        results = score_videos(scorer, videos, output, verified, console)
    console.print(summary_table(results))
    for result in results:
        if result.error:
            complain(result.error)
        elif result.scored and result.scored.summary.warning:
            complain(f"{result.video.name}: {result.scored.summary.warning}")
    if any(result.error for result in results):
        raise typer.Exit(1)


def score_videos(
    scorer: "ScoringProcess", videos: Sequence[Path], output: Output, bundle: "Bundle", console: PlainConsole
) -> list[ScoredFile]:
    """Score each video and write its files, named by output_stem. A video that fails writes none; the next one follows.

    Raises:
        ConfigurationError: two videos would be written to the same file, the folder cannot be written, or scoring does
            not work on this machine.
    """
    stems = [output_stem(video) for video in videos]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice and output.folder is not None:
        raise ConfigurationError(
            f"{twice[0]}: two videos would both be written to {twice[0]}.{output.format}; use two --out folders"
        )
    results = []
    with console.status("") as status:
        for video in videos:
            status.update(Text(f"scoring {printable(video.name)}"))
            results.append(_score(scorer, video, output, bundle))
    return results


def output_stem(video: Path) -> str:
    """The name of a video's files without suffix, which is also the session_id in its table.

    It is the video's own stem. If that is too long or has unprintable characters, it is shortened or they are removed,
    and a part of its hash is added to keep it unique.
    """
    if is_plain(video.stem) and len(os.fsencode(video.stem)) <= NAME_BYTES - len(ANNOTATED_SUFFIX):
        return video.stem
    kept = "".join(character for character in video.stem if character.isprintable())
    digest = hashlib.sha256(os.fsencode(video.stem)).hexdigest()[:8]
    return f"{kept.encode()[:CUT_BYTES].decode(errors='ignore')}-{digest}"


def summary_table(results: Sequence[ScoredFile]) -> Table:
    """The summary that the command prints."""
    table = Table(box=None, header_style="bold")
    table.add_column("video", overflow="fold")
    for name in ("frames", "face found", "scored"):
        table.add_column(name, justify="right")
    table.add_column("leading expression")
    for name in ("confidence", "pain activity", "wall time"):
        table.add_column(name, justify="right")
    for result in results:
        if result.scored is None:
            table.add_row(result.video.name, "-", "-", "-", Text("failed", "red"), "-", "-", "-")
            continue
        s = result.scored.summary
        means = result.scored.table.select("confidence", "pain_activity").mean().row(0)
        cells = (
            s.frames_sampled,
            s.frames_with_face,
            s.frames_scored,
            s.leading_expression or "-",
            *("-" if mean is None else f"{mean:.2f}" for mean in means),
            f"{s.wall_s:.1f} s",
        )
        table.add_row(result.video.name, *(str(cell) for cell in cells))
    return table


def _score(scorer: "ScoringProcess", video: Path, output: Output, bundle: "Bundle") -> ScoredFile:
    stem = output_stem(video)
    try:
        scored = scorer.score(video, stem)
        if output.folder is not None:
            table = scored.table
            _write_table(table, output.folder / f"{stem}.{output.format}")
            if output.annotates:
                from inference.annotate import annotate_video

                target = output.folder / f"{stem}{ANNOTATED_SUFFIX}"
                annotate_video(video, table, bundle.card.au_phrases, target, output.limits)
    except VideoError as error:
        return ScoredFile(video, None, escaped(str(error).replace(str(video.absolute()), str(video))))
    except RuntimeError as error:  # a problem of this machine, with which every other video would fail, too
        raise ConfigurationError(str(error)) from None
    return ScoredFile(video, scored, None)


def _write_table(table: "pl.DataFrame", target: Path) -> None:
    """Write a table, whole or not at all."""
    import polars as pl

    from flows.plain_text import plain_column
    from warehouse.private_file import private_draft

    try:
        with private_draft(target) as draft:
            if target.suffix == f".{TableFormat.CSV}":
                texts = [plain_column(name) for name, dtype in table.schema.items() if dtype == pl.String]
                table.with_columns(texts).write_csv(draft, float_precision=CSV_DECIMALS)
            else:
                table.write_parquet(draft)
    except (OSError, pl.exceptions.PolarsError) as error:
        # For Parquet, polars reports a full disk as an error of its own.
        raise ConfigurationError(
            f"{target}: cannot be written ({getattr(error, 'strerror', None) or error}); choose another --out"
        ) from None
