"""`pmfer.score` turns every kind of source into a polars data frame with the columns that the command writes."""

import logging
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from inference_videos import Picture, write_video
from PIL import Image

import pmfer
from inference.score import Scorer
from pmfer.bundle import Bundle
from pmfer.errors import ConfigurationError, QuarantineReason, VideoError
from pmfer.expressions import EXPRESSION_NAMES
from pmfer.facs import AU_COLUMNS
from pmfer.frame_row import ROW_NAMES
from pmfer.pain import pain_activity

FIRST = ["session_id", "frame_index", "pts_s", "leading_expression", "confidence", "pain_activity"]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory, portrait: Picture, empty_room: Picture) -> Path:
    """A second with the person and a second without, at ten frames a second."""
    return write_video(tmp_path_factory.mktemp("film") / "clip.mp4", [portrait] * 10 + [empty_room] * 10)


@pytest.fixture
def folder(tmp_path: Path, portrait: Picture, empty_room: Picture) -> Path:
    """Two pictures, the second turned by its EXIF tag, and a file that is not a picture."""
    Image.fromarray(empty_room).save(tmp_path / "a.png")
    turned = Image.fromarray(portrait).transpose(Image.Transpose.ROTATE_90)
    exif = Image.Exif()
    exif[0x0112] = 6  # to be displayed after a quarter turn clockwise
    turned.save(tmp_path / "b.JPG", exif=exif, quality=95)
    (tmp_path / "notes.txt").write_text("no picture")
    return tmp_path


def test_a_video_becomes_a_frame_with_what_its_scores_say(film: Path, bundle: Bundle) -> None:
    frames = pmfer.score(film, bundle=bundle.path)
    assert frames.columns[:6] == FIRST
    assert set(frames.columns) == {*FIRST, *ROW_NAMES, *EXPRESSION_NAMES, *AU_COLUMNS}
    assert frames["session_id"].unique().to_list() == ["clip"]
    assert frames["reason"].to_list() == [None] * 5 + ["no_face"] * 5
    assert frames[5:].select(FIRST[3:]).null_count().row(0) == (5, 5, 5)
    for row in frames[:5].iter_rows(named=True):
        leading = max(EXPRESSION_NAMES, key=row.__getitem__)
        assert (row["leading_expression"], row["confidence"]) == (leading, row[leading])
        assert row["pain_activity"] == pytest.approx(pain_activity(row), abs=1e-6)
    stored = Scorer(bundle).score(str(film))
    assert frames.equals(stored.table)
    assert frames.select(stored.frames.columns).equals(stored.frames)


def test_many_come_in_order_whatever_they_are(film: Path, folder: Path, bundle: Bundle, portrait: Picture) -> None:
    results = list(pmfer.score([film, str(folder), portrait, film], bundle=bundle.path, fps=10))
    assert [len(frames) for frames in results] == [20, 2, 1, 20]
    assert [frames["session_id"][0] for frames in results] == ["clip", "a.png", "picture", "clip"]
    assert results[0].equals(results[3])


def test_a_bad_one_of_many_is_named_when_its_turn_comes(film: Path, tmp_path: Path, bundle: Bundle) -> None:
    results = pmfer.score([film, tmp_path / "gone.mp4"], bundle=bundle.path)
    assert len(next(results)) == 10
    with pytest.raises(VideoError, match=r"gone\.mp4: no such file") as caught:
        next(results)
    assert caught.value.reason is QuarantineReason.VIDEO_MISSING


def test_pictures_are_scored_each_by_itself_and_upright(
    folder: Path, bundle: Bundle, portrait: Picture, caplog: pytest.LogCaptureFixture
) -> None:
    (folder / "._b.JPG").write_text("macOS keeps notes about a file beside it")
    frames = pmfer.score(folder, bundle=bundle.path)
    assert frames.select("session_id", "frame_index", "pts_s", "reason").rows() == [
        ("a.png", 0, None, "no_face"),
        ("b.JPG", 1, None, None),
    ]
    assert not caplog.messages
    alone = pmfer.score(portrait, bundle=bundle.path)
    box = ["box_x_px", "box_y_px", "box_w_px", "box_h_px"]
    assert alone.select(box).row(0) == pytest.approx(frames[1].select(box).row(0), abs=2)
    luma = np.asarray(Image.fromarray(portrait).convert("L"))
    grey, same = (pmfer.score(picture, bundle=bundle.path) for picture in (luma, np.stack([luma] * 3, axis=2)))
    assert grey["reason"].to_list() == [None]
    assert grey.equals(same)
    assert pmfer.score(folder / "b.JPG", bundle=bundle.path)["reason"].to_list() == [None]


@pytest.mark.parametrize("white", [0xFFF, 0xFFFF])
def test_a_picture_of_more_than_8_bits_is_scored_upright(
    white: int, tmp_path: Path, bundle: Bundle, portrait: Picture
) -> None:
    luma = np.asarray(Image.fromarray(portrait).convert("L"))
    exif = Image.Exif()
    exif[0x0112] = 6
    deep = np.rint(np.rot90(luma) / luma.max() * white).astype(np.uint16)
    Image.fromarray(deep).save(tmp_path / "deep.png", exif=exif)
    frames = pmfer.score(tmp_path / "deep.png", bundle=bundle.path)
    assert frames["reason"].to_list() == [None]
    alone = pmfer.score(luma, bundle=bundle.path)
    assert frames["roll_deg"][0] == pytest.approx(alone["roll_deg"][0], abs=5)


def test_a_broken_picture_of_a_folder_is_logged_and_loses_no_other(
    folder: Path, bundle: Bundle, caplog: pytest.LogCaptureFixture
) -> None:
    whole = pmfer.score(folder, bundle=bundle.path)
    (folder / "aa.png").write_text("no picture")
    (folder / "c.jpg").symlink_to("gone.jpg")
    with caplog.at_level(logging.WARNING, "pmfer.inference"):
        frames = pmfer.score(folder, bundle=bundle.path)
    assert frames.equals(whole)
    assert caplog.messages == [f"{folder}: 2 of 4 pictures cannot be read: aa.png, c.jpg (not a picture, or damaged)"]


def test_of_several_faces_in_a_picture_the_main_one_is_scored(bundle: Bundle, portrait: Picture) -> None:
    small = np.asarray(Image.fromarray(portrait).resize((256, 256)))
    both = np.full((512, 768, 3), 100, np.uint8)
    both[:256, :256], both[:, 256:] = small, portrait
    frames = pmfer.score(both, bundle=bundle.path)
    assert frames.select("face_count", "is_subject", "reason").row(0) == (2, True, None)
    assert frames["box_x_px"][0] > 256


@pytest.mark.parametrize("array", [np.zeros((4, 4, 3)), np.zeros((4, 4, 4), np.uint8), np.zeros((0, 4, 3), np.uint8)])
def test_an_array_that_is_no_picture_is_refused(array: Picture, bundle: Bundle) -> None:
    with pytest.raises(ConfigurationError, match=r"is not a picture; give \[H, W, 3\] RGB"):
        pmfer.score(array, bundle=bundle.path)


def test_options_and_folders_that_say_nothing_are_refused(film: Path, tmp_path: Path, bundle: Bundle) -> None:
    with pytest.raises(ConfigurationError, match="give fps or every_frame, not both"):
        pmfer.score(film, fps=2, every_frame=True)
    with pytest.raises(ConfigurationError, match="frames_per_second=0: out of range"):
        pmfer.score(film, fps=0)
    with pytest.raises(VideoError, match="a folder without pictures"):
        pmfer.score(tmp_path, bundle=bundle.path)
    (tmp_path / "broken.png").write_bytes(b"\x89PNG")
    with pytest.raises(VideoError, match=r"broken\.png: cannot be read as a picture"):
        pmfer.score(tmp_path, bundle=bundle.path)


def test_the_options_are_those_of_the_command(film: Path, bundle: Bundle) -> None:
    assert len(pmfer.score(film, bundle=bundle.path, every_frame=True)) == 20
    assert isinstance(pmfer.score(film, bundle=bundle.path, int8=False), pl.DataFrame)
