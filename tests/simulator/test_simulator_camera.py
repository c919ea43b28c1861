"""The videos look like files from a real camera to their reader."""

from fractions import Fraction
from pathlib import Path

import av
import numpy as np
import pytest

from simulator.camera import write_video


def test_a_video_keeps_frames_times_and_size(tmp_path: Path) -> None:
    pictures = [np.full((96, 128, 3), 10 * k, np.uint8) for k in range(12)]
    assert write_video(tmp_path / "a.mp4", iter(pictures), Fraction(10)) == 12
    with av.open(str(tmp_path / "a.mp4")) as container:
        stream = container.streams.video[0]
        assert (stream.codec_context.name, stream.codec_context.pix_fmt) == ("h264", "yuv420p")
        frames = list(container.decode(stream))
    assert [frame.time for frame in frames] == pytest.approx([k / 10 for k in range(12)])
    brightness = [float(frame.to_ndarray(format="gray").mean()) for frame in frames]
    assert brightness == pytest.approx([10 * k for k in range(12)], abs=14)
    assert (frames[0].width, frames[0].height) == (128, 96)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.mp4"]


def test_the_index_stands_at_the_front(tmp_path: Path) -> None:
    write_video(tmp_path / "a.mp4", [np.zeros((64, 64, 3), np.uint8)] * 3, Fraction(10))
    content = (tmp_path / "a.mp4").read_bytes()
    assert content.index(b"moov") < content.index(b"mdat")


def test_a_video_without_pictures_is_refused_and_not_left_behind(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="at least one picture"):
        write_video(tmp_path / "a.mp4", [], Fraction(10))
    assert list(tmp_path.iterdir()) == []
