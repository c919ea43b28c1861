"""Frames upright and with square pixels, their levels, and sampling."""

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import dataclass
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from inference_videos import Picture, decode, write_video

from inference.frame import Frame, sample
from inference.video import open_video


@dataclass(frozen=True)
class Moment:
    time_s: float


def sampled(times_s: list[float], rate: float | None) -> list[float]:
    return [moment.time_s for moment in sample(map(Moment, times_s), rate)]


def test_first_frame_at_or_after_each_tick() -> None:
    film = [number / 24 for number in range(24)]
    assert sampled(film, 5) == pytest.approx([0, 5 / 24, 10 / 24, 15 / 24, 20 / 24])


def test_pause_yields_no_frame_twice() -> None:
    assert sampled([0, 0.1, 0.2, 7.05, 7.1, 7.25], 5) == [0, 0.2, 7.05, 7.25]


@pytest.mark.parametrize("digits", [3, 6])
@pytest.mark.parametrize("rate", [10, 15, 30])
def test_rounded_timestamps_do_not_slip_past_their_tick(rate: int, digits: int) -> None:
    film = [round(number / 30, digits) for number in range(300)]
    assert sampled(film, rate) == film[:: 30 // rate]


@pytest.mark.parametrize("rate", [12, 15, 30])
@pytest.mark.parametrize("first", [0, 1, 2])
def test_every_frame_of_a_container_that_counts_milliseconds_is_sampled_at_its_own_rate(
    tmp_path: Path, steps: list[Picture], rate: int, first: int
) -> None:
    """Also if the recording does not begin at zero, so that its start is rounded as well."""
    times_ms = [round(1000 * (first + number) / rate) for number in range(len(steps))]
    frames = decode(write_video(tmp_path / "video.mkv", steps, times_ms=times_ms))
    assert len(list(sample(frames, rate))) == len(steps)


def test_every_frame_and_slower_video_than_rate() -> None:
    assert sampled([0, 0.5, 0.9], None) == [0, 0.5, 0.9]
    assert sampled([0, 0.5, 0.9], 25) == [0, 0.5, 0.9]


CORNERS = np.zeros((64, 96, 3), np.uint8)  # red, green, and blue below
CORNERS[:32, :48], CORNERS[:32, 48:], CORNERS[32:, :48] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def shows_corners(frame: Frame) -> bool:
    """Whether a frame is displayed like CORNERS, in every form in which its picture can be read."""
    picture, levels = frame.levelled(1)
    assert np.abs(levels[picture].astype(int) - frame.picture(1)).max() <= 1
    if frame.size_px != (96, 64) or frame.picture(3, (48, 32)).shape != (32, 48, 3):
        return False
    middles = np.ix_([16, 48], [24, 72])
    return bool(np.abs(frame.picture(3)[middles].astype(int) - CORNERS[middles]).max() < 12)


# Where a stored pixel is displayed, (a x + c y, b x + d y), and its inverse: all eight orientations.
MATRICES = {
    (1, 0, 0, 1): CORNERS,
    (-1, 0, 0, 1): CORNERS[:, ::-1],
    (1, 0, 0, -1): CORNERS[::-1],
    (-1, 0, 0, -1): CORNERS[::-1, ::-1],
    (0, 1, 1, 0): CORNERS.swapaxes(0, 1),
    (0, 1, -1, 0): CORNERS[:, ::-1].swapaxes(0, 1),
    (0, -1, 1, 0): CORNERS[::-1].swapaxes(0, 1),
    (0, -1, -1, 0): CORNERS[::-1, ::-1].swapaxes(0, 1),
}


@pytest.mark.parametrize("matrix", MATRICES)
def test_display_matrix_turns_and_mirrors_as_a_player_does(tmp_path: Path, matrix: tuple[int, int, int, int]) -> None:
    path = write_video(tmp_path / "laid.mp4", [MATRICES[matrix]] * 3)
    content = bytearray(path.read_bytes())
    a, b, c, d = (value << 16 for value in matrix)
    start = content.index(b"tkhd") + 4 + 40
    content[start : start + 36] = struct.pack(">9i", a, b, 0, c, d, 0, 0, 0, 1 << 30)  # ISO/IEC 14496-12, 6.2.2
    path.write_bytes(content)
    assert [shows_corners(frame) for frame in decode(path)] == [True] * 3


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize(("rotate", "flip"), [(90, ""), (0, "vertical"), (270, "horizontal")])
def test_orientation_that_the_first_frame_states_holds(tmp_path: Path, rotate: int, flip: str, threads: int) -> None:
    laid = np.rot90(CORNERS, -rotate // 90)  # a player flips it first and then turns it counter-clockwise
    laid = {"": laid, "vertical": laid[::-1], "horizontal": laid[:, ::-1]}[flip]
    path = write_video(tmp_path / "plain.h264", [laid] * 20, gop=5)
    stated = tmp_path / "stated.h264"
    state_orientation(path, stated, f"rotate={rotate}" + (f":flip={flip}" if flip else ""))
    with open_video(stated, threads) as video:
        assert [shows_corners(frame) for frame in video.frames()] == [True] * 20


def test_phone_that_is_turned_back_while_it_records(tmp_path: Path) -> None:
    parts = []
    for part, rotate in enumerate((270, 270, 270, 0, 0)):
        plain, stated = tmp_path / f"plain{part}.h264", tmp_path / f"stated{part}.h264"
        write_video(plain, [np.rot90(CORNERS) if rotate else CORNERS] * 5)
        state_orientation(plain, stated, f"rotate={rotate}")
        parts.append(stated.read_bytes())
    whole = tmp_path / "whole.h264"
    whole.write_bytes(b"".join(parts))
    assert [shows_corners(frame) for frame in decode(whole)] == [True] * 25


def state_orientation(plain: Path, stated: Path, options: str) -> None:
    """Copy an H.264 stream with a display orientation, ITU-T H.264, D.1.29, in its first access unit."""
    with av.open(str(plain)) as source, stated.open("wb") as target:
        writer = BitStreamFilterContext(f"h264_metadata=display_orientation=insert:{options}", source.streams.video[0])
        for packet in source.demux():
            for copied in writer.filter(packet if packet.size else None):
                target.write(bytes(copied))


def test_oblong_pixels_become_square(tmp_path: Path, steps: list[Picture]) -> None:
    frame = decode(write_video(tmp_path / "anamorphic.mkv", steps, pixel_aspect="3/2"))[0]
    assert frame.size_px == (96, 48)
    assert frame.picture(1).shape == (48, 96)


@pytest.mark.parametrize("pixel_format", ["yuv420p", "yuvj420p", "yuv444p", "yuv420p10le", "gray"])
def test_grey_is_full_range_whatever_the_pixel_format(tmp_path: Path, pixel_format: str) -> None:
    ramp = np.repeat(np.linspace(0, 255, 64).astype(np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    codec = "ffv1" if pixel_format != "yuvj420p" else "mjpeg"
    frame = decode(write_video(tmp_path / "ramp.mkv", [ramp] * 3, codec=codec, pixel_format=pixel_format))[0]
    assert np.abs(frame.picture(1).astype(int) - ramp[..., 0]).max() <= 4


@pytest.mark.parametrize(
    ("pixel_format", "codec"),
    [("yuv420p", "ffv1"), ("yuvj420p", "mjpeg"), ("yuv444p", "ffv1"), ("yuv420p10le", "ffv1"), ("gray", "ffv1")],
)
def test_crop_of_the_luma_in_memory_is_the_crop_of_the_grey_picture(
    tmp_path: Path, pixel_format: str, codec: str
) -> None:
    ramp = np.repeat(np.linspace(0, 255, 66).astype(np.uint8)[None, :, None], 48, axis=0).repeat(3, axis=2)
    frame = decode(write_video(tmp_path / "ramp.mkv", [ramp] * 3, codec=codec, pixel_format=pixel_format))[0]
    picture, levels = frame.levelled(1)
    assert picture.shape == (48, 66)  # the decoder's lines in memory are longer
    assert np.abs(levels[picture[10:20, 30:50]].astype(int) - frame.picture(1)[10:20, 30:50]).max() <= 1


def test_two_threads_may_want_pictures_of_the_same_frame() -> None:
    """The last frame of a batch is also the first of the next one, which another stage reads in its own thread."""
    frame = Frame.of_picture(np.random.default_rng(5).integers(0, 256, (480, 640, 3), np.uint8))
    sizes = [(320, 240), (200, 150)]
    alone = [frame.picture(3, size) for size in sizes]
    with ThreadPoolExecutor(4) as pool:
        together = list(pool.map(lambda number: frame.picture(3, sizes[number % 2]), range(100)))
    assert all(np.array_equal(picture, alone[number % 2]) for number, picture in enumerate(together))
