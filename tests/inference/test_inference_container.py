"""What a file says about its streams, its length and its times, and how that is interpreted."""

import struct
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from inference_videos import Picture, decode, reason_of, warning_of, write_video, write_videos

from inference.container import Clock
from inference.video import open_video
from pmfer.errors import QuarantineReason

MS = Fraction(1, 1000)


def test_clock_subtracts_the_containers_start() -> None:
    clock = Clock(start_s=1.4, frame_s=0.04)
    assert clock.seconds(1400, MS) == pytest.approx(0)
    assert clock.seconds(1440, MS) == pytest.approx(0.04)


def test_clock_goes_on_where_timestamps_are_missing() -> None:
    clock = Clock(start_s=None, frame_s=0.04)
    times = [clock.seconds(pts, MS) for pts in (None, None, 5000, 5040)]
    assert times == pytest.approx([0, 0.04, 0.08, 0.12])


def test_clock_goes_on_after_a_jump_back_and_ignores_jitter() -> None:
    clock = Clock(start_s=0.0, frame_s=0.04)
    times = [clock.seconds(pts, MS) for pts in (0, 5000, 4980, 5040, 0, 40)]
    assert times == pytest.approx([0, 5, 5, 5.04, 5.08, 5.12])
    assert [(jump.at_s, jump.left_out_s) for jump in clock.jumps] == [(pytest.approx(5.08), 0)]


def test_clock_leaves_out_what_is_much_longer_than_a_usual_step() -> None:
    clock = Clock(start_s=0.0, frame_s=0.04, usual_step_s=0.04)
    times = [clock.seconds(pts, MS) for pts in (0, 40, 30_040, 7_230_040, 7_230_080)]
    assert times == pytest.approx([0, 0.04, 30.04, 30.08, 30.12])  # half a minute counts as a pause, two hours do not
    assert [(jump.at_s, jump.left_out_s) for jump in clock.jumps] == [(pytest.approx(30.08), pytest.approx(7200))]


def test_clock_knows_the_long_steps_of_a_time_lapse() -> None:
    clock = Clock(start_s=0.0, frame_s=0.04, usual_step_s=300.0)
    assert [clock.seconds(pts * 1000, MS) for pts in (0, 300, 900, 1200)] == [0, 300, 900, 1200]
    assert not clock.jumps


@pytest.mark.parametrize("name", ["tagged.mkv", "untagged.mkv", "video.mp4", "video.ts", "video.mov"])
@pytest.mark.parametrize(("start_ms", "sound_s"), [(0, 60.0), (3000, 5.0), (3000, 60.0)])
def test_sound_may_begin_before_the_picture_and_end_after_it(
    tmp_path: Path, steps: list[Picture], name: str, start_ms: int, sound_s: float
) -> None:
    times_ms = [start_ms + 100 * number for number in range(20)]
    path = write_video(tmp_path / name, steps, times_ms=times_ms, sound_s=sound_s)
    if name == "untagged.mkv":
        path.write_bytes(path.read_bytes().replace(b"DURATION", b"SOMETHIN"))
    with open_video(path, threads=1) as video:
        frames = list(video.frames())
        assert (len(frames), video.warning()) == (20, None)
        assert video.duration_s == pytest.approx(1.9, abs=0.01)
        assert frames[0].time_s == pytest.approx(start_ms / 1000, abs=0.15)  # an encoder's sound begins a little early


@pytest.mark.parametrize("tag", [b"DURATION", b"SOMETHIN"])
def test_recording_with_sound_that_breaks_off_is_told(tmp_path: Path, tag: bytes) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 48, 64, 3), np.uint8)
    whole = write_video(tmp_path / "whole.mkv", list(noise), sound_s=10).read_bytes().replace(b"DURATION", tag)
    (tmp_path / "half.mkv").write_bytes(whole[: len(whole) // 2])
    assert "announced seconds decode" in str(warning_of(tmp_path / "half.mkv"))
    (tmp_path / "rest.mkv").write_bytes(whole[: len(whole) // 20])
    assert reason_of(tmp_path / "rest.mkv") is QuarantineReason.TRUNCATED


def test_trimmed_clip_announces_what_it_shows(tmp_path: Path) -> None:
    pictures = [np.full((48, 64, 3), 20 + 5 * number, np.uint8) for number in range(40)]
    path = write_video(tmp_path / "trimmed.mp4", pictures, gop=40)
    content = bytearray(path.read_bytes())
    entry = content.index(b"elst") + 12  # duration in milliseconds, start in the unit of the pictures
    unit = struct.unpack(">I", content[(place := content.index(b"mdhd") + 16) : place + 4])[0]
    began = struct.unpack(">I", content[entry + 4 : entry + 8])[0]
    content[entry : entry + 8] = struct.pack(">II", 1500, began + round(1.1 * unit))
    path.write_bytes(content)
    with open_video(path, threads=1) as video:
        shown = list(video.frames())
        assert video.warning() is None
    assert 15 <= len(shown) <= 17  # the decoder may return pictures after the end
    assert [int(frame.picture(1).mean()) for frame in shown[:15]] == pytest.approx(range(75, 150, 5), abs=2)


@pytest.mark.parametrize("name", ["held.mp4", "held.mov", "held.mkv"])
@pytest.mark.parametrize("held_ms", [3000, 60_000])
def test_last_picture_that_is_held_for_long_is_no_loss(
    tmp_path: Path, steps: list[Picture], name: str, held_ms: int
) -> None:
    path = write_video(tmp_path / name, steps, held_ms=held_ms)
    with open_video(path, threads=1) as video:
        assert len(list(video.frames())) == 20
        assert video.announced_s == pytest.approx(1.9 + held_ms / 1000, abs=0.02)
        assert video.warning() is None


def test_timestamps_that_jump_forward_are_told_and_left_out(tmp_path: Path, steps: list[Picture]) -> None:
    hour_ms = 3_600_000
    for times_ms in (
        [0, *(10 * hour_ms + 100 * number for number in range(1, 20))],
        [100 * number + (2 * hour_ms if number >= 10 else 0) for number in range(20)],
        [100 * number + hour_ms * (number // 8) for number in range(20)],
    ):
        path = write_video(tmp_path / "jump.mkv", steps, times_ms=times_ms)
        with open_video(path, threads=1) as video:
            assert [frame.time_s for frame in video.frames()] == pytest.approx([n / 10 for n in range(20)], abs=0.07)
            assert "timestamps jump forward" in str(video.warning())


def test_time_lapse_keeps_its_times(tmp_path: Path, steps: list[Picture]) -> None:
    times_ms = [120_000 * number for number in range(20)]
    with open_video(write_video(tmp_path / "lapse.mkv", steps, times_ms=times_ms), threads=1) as video:
        assert [round(1000 * frame.time_s) for frame in video.frames()] == times_ms
        assert video.warning() is None


def test_sound_that_is_switched_on_while_the_camera_records_costs_no_picture(tmp_path: Path) -> None:
    """It begins after what FFmpeg reads to learn of the streams: five seconds, and as much at the end of the file."""
    noise = list(np.random.default_rng(0).integers(0, 255, (40, 240, 320, 3), np.uint8))
    silent = write_video(tmp_path / "silent.ts", noise, rate=4, codec="mpeg4").read_bytes()
    loud = write_video(tmp_path / "loud.ts", noise[:4], rate=4, codec="mpeg4", sound_s=1).read_bytes()
    path = tmp_path / "late.ts"
    path.write_bytes(silent + loud + silent)
    with open_video(path, threads=1) as video:
        assert len(list(video.frames())) == 84
        assert video.warning() is None


def test_stream_that_appears_late_is_no_obstacle_to_the_choice_of_one(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (40, 120, 160, 3), np.uint8))
    two = write_videos(tmp_path / "two.ts", [[LARGE] * 40, noise], ()).read_bytes()
    three = write_videos(tmp_path / "three.ts", [[LARGE] * 4, noise[:4], [SMALL] * 4], ()).read_bytes()
    path = tmp_path / "late.ts"
    path.write_bytes(two + three + two)
    frames = decode(path)
    assert (len(frames), frames[0].size_px) == (84, (160, 120))


LARGE, SMALL = np.full((96, 128, 3), 200, np.uint8), np.full((48, 64, 3), 60, np.uint8)


@pytest.mark.parametrize(
    ("films", "defaults", "size_px", "warns"),
    [
        ([[SMALL], [LARGE] * 20], (1,), (128, 96), False),  # a thumbnail
        ([[LARGE], [SMALL] * 20], (0,), (64, 48), False),  # a thumbnail that is flagged default
        ([[LARGE] * 20, [SMALL]], (0, 1), (128, 96), False),
        ([[SMALL] * 20, [LARGE] * 20], (0, 1), (128, 96), True),  # a preview
        ([[SMALL] * 20, [LARGE] * 20], (0,), (64, 48), True),
        ([[SMALL] * 20, [LARGE] * 20], (1,), (128, 96), True),
    ],
)
@pytest.mark.parametrize("kind", ["mp4", "mkv"])
def test_recording_among_several_streams_is_the_one_that_a_player_shows(
    tmp_path: Path,
    films: list[list[Picture]],
    defaults: tuple[int, ...],
    size_px: tuple[int, int],
    warns: bool,
    kind: str,
) -> None:
    path = write_videos(tmp_path / f"several.{kind}", films, defaults)
    with open_video(path, threads=1) as video:
        frames = list(video.frames())
        warning = video.warning()
    assert (len(frames), frames[0].size_px) == (20, size_px)
    assert ("2 recordings in one file" in str(warning)) is warns


def test_stream_that_does_not_decode_is_passed_over(tmp_path: Path) -> None:
    noise = list(np.random.default_rng(0).integers(0, 255, (20, 96, 128, 3), np.uint8))
    path = write_videos(tmp_path / "several.mkv", [noise, [SMALL] * 20], (0,))
    content = path.read_bytes()
    assert decode(path)[0].size_px == (128, 96)
    # The codec's private data of the first stream
    place = content.index(b"avcC" if b"avcC" in content else b"\x63\xa2")
    path.write_bytes(content[: place + 4] + bytes(24) + content[place + 28 :])
    assert decode(path)[0].size_px == (64, 48)
