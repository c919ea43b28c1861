"""Start-up of `pmfer score`: the whole command, in a fresh process, on a video so short that nothing else counts."""

import subprocess
import sys
from fractions import Fraction
from pathlib import Path

from benchmarks.spent import plain_environment
from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face


def tiny_video(folder: Path) -> Path:
    """A video of two frames in 640 x 360, drawn once."""
    video = folder / "tiny.mp4"
    if not video.is_file():
        write_video(video, [draw_face(sample_appearance(32), {}, size=(640, 360))] * 2, Fraction(24))
    return video.absolute()


def score_tiny(video: Path) -> None:
    """Run `pmfer score` on a video from the start of Python to the end of the process.

    Raises:
        subprocess.CalledProcessError: it failed.
    """
    command = [sys.executable, "-m", "cli", "score", str(video), "--out", str(video.parent / "tiny")]
    subprocess.run(command, check=True, env=plain_environment(), cwd=video.parent, stdout=subprocess.DEVNULL)
