"""Peak memory of scoring, for example for videos of two minutes and two hours, each in a process of its own.

    python -m benchmarks.inference_memory CLIP.mp4 --minutes 2 120

The long videos repeat the clip by copying its packets, in a temporary folder. They are sampled at five frames a second,
as the nightly flow does.
"""

import argparse
import subprocess
import sys
import tempfile
from pathlib import Path

import av

from benchmarks.measuring import memory_mib
from inference.options import ScoringOptions
from inference.score import Scorer
from pmfer.bundle import load_bundle


def main() -> None:
    """Measure and print; the last line is the ratio of the longest video's peak to the shortest video's."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("--minutes", type=float, nargs="+", help="lengths; by default the clip is scored as it is")
    options = parser.parse_args()
    if not options.minutes:
        Scorer(load_bundle(), ScoringOptions()).score(options.clip, "memory")
        print(memory_mib("VmHWM"))
        return
    peaks = []
    with tempfile.TemporaryDirectory() as folder:
        for minutes in sorted(options.minutes):
            video = Path(folder) / f"{minutes}.mkv"
            repeat(options.clip, video, 60 * minutes)
            peaks.append(peak_rss_mb(video))
            print(f"{minutes:>8} minutes {peaks[-1]:>8.0f} MB")
            video.unlink()
    print(f"longest / shortest {peaks[-1] / peaks[0]:.3f}")


def peak_rss_mb(video: Path) -> float:
    """Peak resident memory of a process that scores one video, MB."""
    command = [sys.executable, "-m", "benchmarks.inference_memory", str(video)]
    return float(subprocess.run(command, check=True, capture_output=True, text=True).stdout)


def repeat(clip: Path, target: Path, seconds: float) -> None:
    """Write a video of `seconds` that shows the clip again and again."""
    with av.open(str(target), "w") as out:
        stream = None
        start, end_s = 0, 0.0
        while end_s < seconds:
            with av.open(str(clip)) as container:
                source = container.streams.video[0]
                stream = stream or out.add_stream_from_template(source)
                end = start
                for packet in container.demux(source):
                    if packet.dts is None or packet.pts is None:
                        continue
                    packet.pts, packet.dts = packet.pts + start, packet.dts + start
                    end = max(end, packet.pts + (packet.duration or 0))
                    packet.stream = stream
                    out.mux(packet)
                start, end_s = end, float(end * (source.time_base or 1))


if __name__ == "__main__":
    main()
