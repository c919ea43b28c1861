"""Score every frame of a video with `fer` and its defaults: OpenCV's Haar cascade, then its quantised network.

    var/peers/venv/bin/python benchmarks/peer_fer.py CLIP.mp4

Run by the interpreter of the peers (`make peers`), which has none of our packages. Once it is loaded it prints a line
of JSON with its version; then, for each line on its standard input, it scores the whole video, decoding included, and
prints what that took. benchmarks.peers drives it.
"""

import json
import sys
import time
from importlib.metadata import version

import cv2
from fer.fer import FER


def main() -> None:
    """Load, say so, and score the video once per line of input."""
    detector = FER()
    print(json.dumps({"name": "fer", "version": version("fer")}), flush=True)
    for _ in sys.stdin:
        print(json.dumps(score(detector, sys.argv[1])), flush=True)


def score(detector: FER, clip: str) -> dict[str, float]:
    """Score every frame; give the number of frames, of frames with a face, and wall and processor seconds."""
    began, began_cpu = time.perf_counter(), time.process_time()
    frames = frames_with_face = 0
    video = cv2.VideoCapture(clip)
    while True:
        there, picture = video.read()
        if not there:
            break
        frames += 1
        frames_with_face += bool(detector.detect_emotions(picture))
    video.release()
    spent = {"wall_s": time.perf_counter() - began, "cpu_s": time.process_time() - began_cpu}
    return {"frames": frames, "frames_with_face": frames_with_face, **spent}


if __name__ == "__main__":
    main()
