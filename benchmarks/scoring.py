"""Measure what scoring takes of a core, per second of video: time of the processor, which a busy machine does not bend.

python -m benchmarks.scoring VIDEO [VIDEO ...]
"""

import argparse
import time
from pathlib import Path

from inference.options import ScoringOptions
from inference.score import Scorer
from pmfer.bundle import DEFAULT_BUNDLE, load_bundle


def main() -> None:
    """Score each video twice, and print the second time: the first one also warms up."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("videos", nargs="+", type=Path)
    scorer = Scorer(load_bundle(DEFAULT_BUNDLE), ScoringOptions())
    for video in parser.parse_args().videos:
        scorer.score(video, "bench")
        began = time.process_time()
        summary = scorer.score(video, "bench").summary
        core_s = time.process_time() - began
        print(
            f"{video.name}: {core_s / summary.duration_s:.3f} core-seconds per second of video, "
            f"{1000 * core_s / summary.frames_sampled:.0f} ms per sampled frame, "
            f"{video.stat().st_size / summary.duration_s / 1000:.0f} kB per second of video"
        )


if __name__ == "__main__":
    main()
