"""Opening and decoding recordings, and the errors for those that cannot be used."""

import os
import struct
from pathlib import Path

import av
import numpy as np
import pytest
from inference_videos import Picture, decode, reason_of, write_video
from PIL import Image

from inference.video import open_video
from pmfer.errors import QuarantineReason


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
    for atom in (b"mvhd", b"mdhd"):  # the time unit, made a thousand times smaller
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
        assert "damaged pictures, partly made up by the decoder" in str(video.warning())


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


@pytest.mark.parametrize("name", ["video.mp4", "video.mkv", "video.avi"])
def test_tags_in_any_encoding_refuse_no_video(tmp_path: Path, steps: list[Picture], name: str) -> None:
    """Tags of the file, of its video and of its sound, as an old camera writes them."""
    path = write_video(tmp_path / name, steps, tag="Zimmer S\xfcd \x80")
    assert b"S\xfcd" in path.read_bytes()
    assert len(decode(path)) == len(steps)


@pytest.mark.parametrize("codec", ["libx264", "mpeg4"])
@pytest.mark.parametrize("sound_s", [0, 3])
def test_encrypted_recording_is_called_so(tmp_path: Path, steps: list[Picture], codec: str, sound_s: float) -> None:
    options = {"encryption_scheme": "cenc-aes-ctr", "encryption_key": "76" * 16, "encryption_kid": "a7" * 16}
    path = write_video(tmp_path / "locked.mp4", steps, codec=codec, sound_s=sound_s, options=options)
    assert reason_of(path) is QuarantineReason.ENCRYPTED


@pytest.mark.shared
def test_real_clips_decode_to_their_known_counts(clips: Path) -> None:
    known = {"WolfgangLanger_Pexels.mp4": 472, "single_face.mp4": 72, "face_noface.mov": 169, "again.mkv": 77}
    for name, count in known.items():
        with open_video(clips / name, threads=2) as video:
            assert sum(1 for _ in video.frames()) == count
            assert video.warning() is None
    with open_video(clips / "no_face.mp4", threads=2) as video:
        assert sum(1 for _ in video.frames()) == 95
        assert video.warning() is None  # an edit list leaves out three of its 98 frames
