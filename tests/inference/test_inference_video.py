"""Decoding: what a file says about itself, what is wrong with it, and how its frames are turned and timed."""

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from av.bitstream import BitStreamFilterContext
from inference_videos import Picture, write_video, write_videos
from PIL import Image

from inference.frame import Frame
from inference.video import open_video
from pmfer.errors import QuarantineReason, VideoError


def decode(path: Path) -> list[Frame]:
    with open_video(path, threads=1) as video:
        return list(video.frames())


def reason_of(path: Path) -> QuarantineReason:
    with pytest.raises(VideoError) as caught:
        decode(path)
    assert str(path) in str(caught.value)
    assert "\n" not in str(caught.value)
    return caught.value.reason


@pytest.fixture
def steps() -> list[Picture]:
    """Twenty pictures, 64 x 48, each a little brighter than the one before."""
    return [np.full((48, 64, 3), 20 + 10 * number, np.uint8) for number in range(20)]


def test_missing_empty_text_and_folder_are_told_apart(tmp_path: Path) -> None:
    empty, text = tmp_path / "empty.mp4", tmp_path / "text.mp4"
    empty.touch()
    text.write_text("this is not a video\n" * 50)
    assert reason_of(tmp_path / "none.mp4") is QuarantineReason.VIDEO_MISSING
    assert reason_of(empty) is QuarantineReason.EMPTY_FILE
    assert reason_of(text) is QuarantineReason.NOT_A_VIDEO
    assert reason_of(tmp_path) is QuarantineReason.UNREADABLE


def test_a_pipe_is_not_waited_for(tmp_path: Path) -> None:
    os.mkfifo(tmp_path / "pipe.mp4")
    assert reason_of(tmp_path / "pipe.mp4") is QuarantineReason.UNREADABLE


@pytest.mark.parametrize("kind", ["PNG", "JPEG", "BMP", "WEBP", "GIF", "ICO", "TIFF", "AVIF"])
def test_a_single_picture_is_no_recording(tmp_path: Path, steps: list[Picture], kind: str) -> None:
    path = tmp_path / "session.mp4"
    Image.fromarray(steps[0]).save(path, kind)
    assert reason_of(path) is QuarantineReason.NOT_A_VIDEO


@pytest.mark.parametrize("kind", ["PNG", "WEBP", "GIF", "AVIF"])
def test_an_animation_of_pictures_is_no_recording(tmp_path: Path, steps: list[Picture], kind: str) -> None:
    path = tmp_path / "session.mp4"
    first, *rest = map(Image.fromarray, steps)
    first.save(path, kind, save_all=True, append_images=rest, duration=200)
    assert reason_of(path) is QuarantineReason.NOT_A_VIDEO


def test_times_that_say_nothing_are_worth_a_warning(tmp_path: Path, steps: list[Picture]) -> None:
    path = write_video(tmp_path / "video.mp4", steps)
    with open_video(path, threads=1) as video:
        assert len(list(video.frames())) == len(steps)
        assert video.warning() is None
    content = bytearray(path.read_bytes())
    for atom in (b"mvhd", b"mdhd"):  # the unit of all times, made a thousand times smaller
        place = content.index(atom) + 16
        content[place : place + 4] = struct.pack(">I", 1000 * struct.unpack(">I", content[place : place + 4])[0])
    path.write_bytes(content)
    with open_video(path, threads=1) as video:
        assert len(list(video.frames())) == len(steps)
        assert "their times are wrong" in str(video.warning())


def test_playlist_of_other_files_is_refused(tmp_path: Path, steps: list[Picture]) -> None:
    write_video(tmp_path / "other.ts", steps)
    playlist = tmp_path / "session.mp4"
    for other in ("other.ts", tmp_path / "other.ts"):
        playlist.write_text(f"ffconcat version 1.0\nfile {other}\n")
        assert reason_of(playlist) is QuarantineReason.NOT_A_VIDEO


def test_audio_alone_has_no_video_stream(tmp_path: Path) -> None:
    path = tmp_path / "audio.mp4"
    with av.open(str(path), "w") as container:
        stream = container.add_stream("aac", rate=8000)
        frame = av.AudioFrame.from_ndarray(np.zeros((1, 1024), np.float32), format="fltp", layout="mono")
        frame.sample_rate = 8000
        container.mux(stream.encode(frame))
        container.mux(stream.encode(None))
    assert reason_of(path) is QuarantineReason.NO_VIDEO_STREAM


def test_mp4_cut_off_before_its_index_is_truncated(tmp_path: Path, steps: list[Picture]) -> None:
    whole = write_video(tmp_path / "whole.mp4", steps).read_bytes()
    cut = tmp_path / "cut.mp4"
    cut.write_bytes(whole[: whole.index(b"moov") - 4])
    assert reason_of(cut) is QuarantineReason.TRUNCATED


def test_half_a_recording_is_decoded_with_a_warning(tmp_path: Path, steps: list[Picture]) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (100, 48, 64, 3), np.uint8)
    whole = write_video(tmp_path / "whole.mkv", list(noise)).read_bytes()
    half = tmp_path / "half.mkv"
    half.write_bytes(whole[: len(whole) // 2])
    with open_video(half, threads=1) as video:
        decoded = len(list(video.frames()))
        warning = video.warning()
    assert 20 < decoded < 70
    assert video.frames_decoded == decoded
    assert warning is not None
    assert "of 10.0 announced seconds decode" in warning


def test_pictures_that_the_decoder_made_up_are_told(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (20, 96, 128, 3)).astype(np.uint8)
    path = write_video(tmp_path / "damaged.avi", list(noise))
    content = bytearray(path.read_bytes())
    for place in range(len(content) // 3, len(content) // 3 + 300, 10):
        content[place] ^= 0x55
    path.write_bytes(content)
    with open_video(path, threads=1) as video:
        assert len(list(video.frames())) > 10
        assert "pictures damaged, and what they show made up by the decoder" in str(video.warning())


def test_a_twentieth_of_a_recording_is_unusable(tmp_path: Path) -> None:
    noise = np.random.default_rng(0).integers(0, 255, (300, 48, 64, 3), np.uint8)
    whole = write_video(tmp_path / "whole.mkv", list(noise), codec="mpeg4").read_bytes()
    rest = tmp_path / "rest.mkv"
    rest.write_bytes(whole[: len(whole) // 20])
    assert reason_of(rest) is QuarantineReason.TRUNCATED


def test_times_are_those_of_the_container_at_variable_rate(tmp_path: Path, steps: list[Picture]) -> None:
    times_ms = [0, 40, 80, 400, 440, 1500, 1533, 1566, 4000, 4033]
    for name in ("vfr.mp4", "vfr.mkv"):
        frames = decode(write_video(tmp_path / name, steps[:10], times_ms=times_ms))
        assert [round(1000 * frame.time_s) for frame in frames] == times_ms
        assert [frame.index for frame in frames] == list(range(10))


def test_zero_is_the_start_of_the_recording(tmp_path: Path, steps: list[Picture]) -> None:
    late = [5_000_000 + 100 * number for number in range(20)]
    frames = decode(write_video(tmp_path / "camera_clock.mkv", steps, times_ms=late))
    assert frames[0].time_s == pytest.approx(0, abs=0.001)
    assert frames[-1].time_s == pytest.approx(1.9, abs=0.001)


def test_stream_without_timestamps_counts_by_its_frame_rate(tmp_path: Path, steps: list[Picture]) -> None:
    frames = decode(write_video(tmp_path / "raw.h264", steps, rate=10))
    assert len(frames) == 20
    steps_s = np.diff([frame.time_s for frame in frames])
    assert (steps_s > 0).all()
    assert np.ptp(steps_s) < 1e-6


CORNERS = np.zeros((64, 96, 3), np.uint8)  # red, green, and blue below
CORNERS[:32, :48], CORNERS[:32, 48:], CORNERS[32:, :48] = (255, 0, 0), (0, 255, 0), (0, 0, 255)


def shows_corners(frame: Frame) -> bool:
    """Whether a frame is displayed as CORNERS are, in every way in which its picture can be had."""
    picture, levels = frame.levelled(1)
    assert np.abs(levels[picture].astype(int) - frame.picture(1)).max() <= 1
    if frame.size_px != (96, 64) or frame.picture(3, (48, 32)).shape != (32, 48, 3):
        return False
    middles = np.ix_([16, 48], [24, 72])
    return bool(np.abs(frame.picture(3)[middles].astype(int) - CORNERS[middles]).max() < 12)


# Where a stored pixel is displayed, (a x + c y, b x + d y), and what undoes it: all eight ways to lay a picture.
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
    laid = np.rot90(CORNERS, -rotate // 90)  # to display it, it is flipped first and then turned counter-clockwise
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
    assert picture.shape == (48, 66)  # the decoder's lines are longer than that
    assert np.abs(levels[picture[10:20, 30:50]].astype(int) - frame.picture(1)[10:20, 30:50]).max() <= 1


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv", "video.avi"])
def test_tags_in_any_encoding_refuse_no_video(tmp_path: Path, steps: list[Picture], name: str) -> None:
    """Tags of the file, of its picture and of its sound, as an old camera writes them."""
    path = write_video(tmp_path / name, steps, tag="Zimmer S\xfcd \x80")
    assert b"S\xfcd" in path.read_bytes()
    assert len(decode(path)) == len(steps)


def warning_of(path: Path) -> str | None:
    with open_video(path, threads=1) as video:
        list(video.frames())
        return video.warning()


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
    entry = content.index(b"elst") + 12  # how long, from when: in milliseconds, and in the unit of the pictures
    unit = struct.unpack(">I", content[(place := content.index(b"mdhd") + 16) : place + 4])[0]
    began = struct.unpack(">I", content[entry + 4 : entry + 8])[0]
    content[entry : entry + 8] = struct.pack(">II", 1500, began + round(1.1 * unit))
    path.write_bytes(content)
    with open_video(path, threads=1) as video:
        shown = list(video.frames())
        assert video.warning() is None
    assert 15 <= len(shown) <= 17  # what is decoded after the end may be shown
    assert [int(frame.picture(1).mean()) for frame in shown[:15]] == pytest.approx(range(75, 150, 5), abs=2)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("sound_s", [0, 3])
def test_encrypted_recording_is_called_so(tmp_path: Path, steps: list[Picture], codec: str, sound_s: float) -> None:
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}
    path = write_video(tmp_path / "locked.mp4", steps, codec=codec, sound_s=sound_s, options=options)
    assert reason_of(path) is QuarantineReason.ENCRYPTED


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
    place = content.index(b"avcC" if b"avcC" in content else b"\x63\xa2")  # the codec's private data of the first
    path.write_bytes(content[: place + 4] + bytes(24) + content[place + 28 :])
    assert decode(path)[0].size_px == (64, 48)


@pytest.mark.shared
def test_real_clips_decode_to_their_known_counts(clips: Path) -> None:
    known = {"WolfgangLanger_Pexels.mp4": 472, "single_face.mp4": 72, "face_noface.mov": 169, "again.mkv": 77}
    for name, count in known.items():
        with open_video(clips / name, threads=2) as video:
            assert sum(1 for _ in video.frames()) == count
            assert video.warning() is None
    with open_video(clips / "no_face.mp4", threads=2) as video:
        assert sum(1 for _ in video.frames()) == 95
        assert video.warning() is None  # an edit list leaves three of its 98 frames out
