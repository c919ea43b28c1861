"""Make harder videos from one with a face: motion, cover, cuts, bad light. For benchmarks.inference_agreement.

    python -m benchmarks.hard_clips CLIP.mp4 FOLDER

Writes FOLDER/KIND.mp4, ten seconds each: `rocking` sideways two and a half times a second, which is as often as the
detector looks; `trembling` five times a second; `panned` slowly across the picture; `zoomed` in and out; `turning` the
head's roll; `covered` by a plain surface for a quarter of each second; `cut`, with the face elsewhere every other half
second; `small`, a quarter as large; `dim`; `noisy`.
"""

import argparse
from collections.abc import Callable
from fractions import Fraction
from itertools import islice
from pathlib import Path

import av
import numpy as np
from numpy.typing import NDArray
from PIL import Image

from simulator.camera import write_video

SECONDS = 10.0
SKIN = (150, 110, 90)

Picture = NDArray[np.uint8]  # [H, W, 3] RGB
Change = Callable[[Picture, float], Picture]  # of a picture at a time in seconds


def main() -> None:
    """Write them all."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("clip", type=Path)
    parser.add_argument("folder", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    for kind, change in CHANGES.items():
        rewrite(options.clip, options.folder / f"{kind}.mp4", change)


def rewrite(clip: Path, target: Path, change: Change) -> None:
    """Write the first SECONDS of a clip with every picture changed."""
    with av.open(str(clip)) as source:
        stream = source.streams.video[0]
        rate = Fraction(stream.average_rate or 25)
        shown = (
            np.asarray(frame.to_ndarray(format="rgb24"), np.uint8)
            for frame in islice(source.decode(stream), round(SECONDS * rate))
        )
        write_video(target, (change(picture, n / float(rate)) for n, picture in enumerate(shown)), rate)


def moved(picture: Picture, aside: float, down: float = 0.0) -> Picture:
    """Shift a picture by shares of its width and height; what leaves on one side comes back on the other."""
    height, width = picture.shape[:2]
    return np.roll(picture, (round(down * height), round(aside * width)), (0, 1))


def wave(time_s: float, hertz: float) -> float:
    """A sine of time."""
    return float(np.sin(2 * np.pi * hertz * time_s))


def zoomed(picture: Picture, time_s: float) -> Picture:
    """Zoom between the whole picture and three quarters of it, twice in three seconds."""
    height, width = picture.shape[:2]
    share = (1 + wave(time_s, 2 / 3)) / 16
    box = (share * width, share * height, (1 - share) * width, (1 - share) * height)
    return np.asarray(Image.fromarray(picture).resize((width, height), Image.Resampling.BILINEAR, box))


def turning(picture: Picture, time_s: float) -> Picture:
    """The head leans up to fifteen degrees to either side, once a second."""
    return np.asarray(Image.fromarray(picture).rotate(15 * wave(time_s, 1), Image.Resampling.BILINEAR))


def covered(picture: Picture, time_s: float) -> Picture:
    """A surface in front of the face for a quarter of each second."""
    hidden = picture.copy()
    if time_s % 1 < 0.25:
        hidden[:, picture.shape[1] // 6 : -picture.shape[1] // 6] = SKIN
    return hidden


def small(picture: Picture, time_s: float) -> Picture:
    """The picture at a quarter of its size, in the middle."""
    height, width = picture.shape[:2]
    reduced = np.asarray(Image.fromarray(picture).resize((width // 4, height // 4)))
    top, left = (height - height // 4) // 2, (width - width // 4) // 2
    edges = ((top, height - top - height // 4), (left, width - left - width // 4), (0, 0))
    return np.pad(reduced, edges, mode="edge")


def noisy(picture: Picture, time_s: float) -> Picture:
    """Noise of 25 grey levels, different in each picture."""
    noise = np.random.default_rng(round(1000 * time_s)).normal(0, 25, picture.shape)
    return np.clip(picture + noise, 0, 255).astype(np.uint8)


CHANGES: dict[str, Change] = {
    "rocking": lambda picture, time_s: moved(picture, 0.04 * wave(time_s, 2.5)),
    "trembling": lambda picture, time_s: moved(picture, 0.015 * wave(time_s, 5), 0.01 * wave(time_s, 4.3)),
    "panned": lambda picture, time_s: moved(picture, 0.25 * wave(time_s, 0.4)),
    "zoomed": zoomed,
    "turning": turning,
    "covered": covered,
    "cut": lambda picture, time_s: moved(picture, 0.25 * (time_s % 1 < 0.5)),
    "small": small,
    "dim": lambda picture, time_s: (picture * 0.4).astype(np.uint8),
    "noisy": noisy,
}


if __name__ == "__main__":
    main()
