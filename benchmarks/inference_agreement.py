"""How the fast path changes scores: compare every frame of each clip with the plain path (all detected, float32).

    python -m benchmarks.inference_agreement CLIP.mp4 [CLIP.mp4 ...] --json FILE

Boxes are compared by intersection over union on frames that have the subject in both, scores by their absolute
difference over all score columns on frames that are scored in both. The plain path
detects in a picture as large as the options say, or with `--full-size` in the whole picture.
"""

import argparse
import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import polars as pl
from numpy.typing import NDArray
from rich.console import Console
from rich.table import Table

from inference.faces import overlaps
from inference.options import ScoringOptions
from inference.score import Scorer
from inference.video import open_video
from pmfer.bundle import Bundle, load_bundle

FAST = ScoringOptions(frames_per_second=None)
PLAIN = ScoringOptions(frames_per_second=None, detections_per_second=None, int8=False)
BOX = ["box_x_px", "box_y_px", "box_w_px", "box_h_px"]
COLUMNS = {
    "frames": "frames",
    "reason_differs": "other reason",
    "count_differs": "other count of faces",
    "iou_median": "box IoU median",
    "iou_1st_percentile": "1st percentile",
    "iou_min": "smallest",
    "score_mean": "scores mean",
    "score_99th_percentile": "99th percentile",
    "score_max": "largest",
    "mean_score_max": "largest of a video's mean score",
}


def main() -> None:
    """Compare and print; with --json also write the figures to a file."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clips", type=Path, nargs="+")
    parser.add_argument("--full-size", action="store_true", help="the plain path detects in the whole picture")
    parser.add_argument("--json", type=Path, help="file for the figures")
    options = parser.parse_args()
    bundle = load_bundle()
    figures = {clip.name: compare(bundle, clip, options.full_size) for clip in options.clips}
    table = Table(box=None, header_style="bold")
    for title in ("clip", *COLUMNS.values()):
        table.add_column(title, justify="left" if title == "clip" else "right")
    for name, found in figures.items():
        table.add_row(name, *(f"{found[key]:.3f}" if found[key] % 1 else f"{found[key]:.0f}" for key in COLUMNS))
    Console(width=200).print(table)
    if options.json:
        options.json.write_text(json.dumps(figures, indent=2) + "\n", encoding="utf-8")


def compare(bundle: Bundle, clip: Path, full_size: bool) -> dict[str, float]:
    """How much the rows of a clip differ between the two paths."""
    plain_options = replace(PLAIN, detector_size_px=longer_side_px(clip)) if full_size else PLAIN
    fast = Scorer(bundle, FAST).score(clip, "fast").frames
    plain = Scorer(bundle, plain_options).score(clip, "plain").frames
    both = (fast["is_subject"] & plain["is_subject"]).to_numpy()
    ious = [1.0]
    if both.any():
        boxes = [frames.filter(both).select(BOX).to_numpy() for frames in (fast, plain)]
        ious = [float(overlaps(one, other[None])[0]) for one, other in zip(*boxes, strict=True)]
    scored = (fast["reason"].is_null() & plain["reason"].is_null()).to_numpy()
    scores = [frames.filter(scored).select(bundle.score_columns).to_numpy() for frames in (fast, plain)]
    apart = np.abs(scores[0] - scores[1]) if scored.any() else np.zeros((1, 1), np.float32)
    known = apart[~np.isnan(apart)]  # phrases of covered regions are NULL
    return {
        "frames": len(fast),
        "reason_differs": differing(fast["reason"], plain["reason"]),
        "count_differs": differing(fast["face_count"], plain["face_count"]),
        "iou_median": float(np.median(ious)),
        "iou_1st_percentile": float(np.quantile(ious, 0.01)),
        "iou_min": min(ious),
        "score_mean": float(known.mean()),
        "score_99th_percentile": float(np.quantile(known, 0.99)),
        "score_max": float(known.max()),
        "mean_score_max": largest_shift(*scores) if scored.any() else 0.0,
    }


def longer_side_px(clip: Path) -> int:
    """Longer side of a video's first picture."""
    with open_video(clip, threads=1) as video:
        return max(next(video.frames()).size_px)


def differing(one: pl.Series, other: pl.Series) -> int:
    """Number of rows in which two columns differ; NULL equals NULL."""
    return int(one.ne_missing(other).sum())


def largest_shift(one: NDArray[np.float32], other: NDArray[np.float32]) -> float:
    """Largest difference, over the score columns, of a video's mean over the frames in which both have a value."""
    return float(np.nanmax(np.abs(np.nanmean(one - other, axis=0))))


if __name__ == "__main__":
    main()
