"""`pmfer score`: videos to Parquet files, without a warehouse."""

import os
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

from rich.console import Console
from rich.table import Table

from inference.score import ScoredVideo, Scorer, VideoSummary
from pmfer.errors import ConfigurationError, VideoError


@dataclass(frozen=True)
class ScoredFile:
    """One video of the command line: what came out, or why nothing did."""

    video: Path
    summary: VideoSummary | None
    error: str | None


def score_videos(scorer: Scorer, videos: Sequence[Path], out: Path, console: Console) -> list[ScoredFile]:
    """Score each video into `out/STEM.parquet`. A video that fails leaves no file and does not stop the next.

    Raises:
        ConfigurationError: two videos have the same stem, or `out` cannot be written.
    """
    stems = [video.stem for video in videos]
    twice = sorted({stem for stem in stems if stems.count(stem) > 1})
    if twice:
        raise ConfigurationError(
            f"{twice[0]}: two videos would both become {twice[0]}.parquet; score them into two folders"
        )
    results = []
    with console.status("") as status:
        outcomes = scorer.score_all((video, video.stem) for video in videos)
        for video in videos:
            status.update(f"scoring {video.name}")
            results.append(_write(next(outcomes), video, out))
    return results


def summary_table(results: Sequence[ScoredFile]) -> Table:
    """The table that the command prints."""
    table = Table(box=None, header_style="bold")
    table.add_column("video")
    for name in ("frames", "face found", "scored"):
        table.add_column(name, justify="right")
    table.add_column("leading expression")
    table.add_column("wall time", justify="right")
    for result in results:
        if result.summary is None:
            table.add_row(result.video.name, "-", "-", "-", "[red]failed[/red]", "-")
            continue
        s = result.summary
        cells = (
            s.frames_sampled,
            s.frames_with_face,
            s.frames_scored,
            s.leading_expression or "-",
            f"{s.wall_s:.1f} s",
        )
        table.add_row(result.video.name, *(str(cell) for cell in cells))
    return table


def _write(scored: ScoredVideo | VideoError, video: Path, out: Path) -> ScoredFile:
    if isinstance(scored, VideoError):
        return ScoredFile(video, None, str(scored))
    target = out / f"{video.stem}.parquet"
    try:
        out.mkdir(parents=True, exist_ok=True)
        descriptor, name = tempfile.mkstemp(dir=out, prefix=f".{video.stem}-", suffix=".parquet")
        os.close(descriptor)
        try:
            scored.frames.write_parquet(name)
            Path(name).replace(target)
        finally:
            Path(name).unlink(missing_ok=True)
    except OSError as error:
        raise ConfigurationError(
            f"{target}: cannot be written ({error.strerror or error}); choose another --out"
        ) from None
    return ScoredFile(video, scored.summary, None)
