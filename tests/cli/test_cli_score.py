"""`pmfer score`: every good video is scored and every bad one gets a line, whatever their names are."""

import os
import resource
import shutil
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from command import exit_code
from PIL import Image

import pmfer
from cli.score import output_stem
from inference.video import open_video
from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face

NAMES = ["[bed3] a.mp4", "[bold]:smile:.mp4", "x\x1b[31my.mp4", os.fsdecode(b"caf\xe9.mp4"), "l" * 251 + ".mp4"]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    face = draw_face(sample_appearance(9000), {12: 1.0}, size=(320, 240))
    write_video(path, [face] * 5, Fraction(5))
    return path


def score(out: Path | None, *arguments: object) -> int:
    return exit_code("score", *arguments, *(["--out", out] if out else []))


def test_all_good_files_of_a_batch_are_scored_and_each_bad_one_gets_a_line(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [Path(shutil.copy(film, tmp_path / name)) for name in NAMES]
    (tmp_path / "text.mp4").write_text("no video")
    pictures = [Image.new("L", (64, 64), shade) for shade in (0, 100, 200)]
    pictures[0].save(tmp_path / "[moving].gif", save_all=True, append_images=pictures[1:])
    bad = [tmp_path / "text.mp4", tmp_path / "[moving].gif", tmp_path / os.fsdecode(b"gone\xe9.mp4")]
    assert score(tmp_path / "out", *bad[:1], *good, *bad[1:]) == 1
    said = capsys.readouterr()
    assert sorted(path.name for path in (tmp_path / "out").iterdir()) == sorted(
        f"{output_stem(video)}.parquet" for video in good
    )
    for video in good:
        frames = pl.read_parquet(tmp_path / "out" / f"{output_stem(video)}.parquet", glob=False)
        assert frames["session_id"].unique().to_list() == [output_stem(video)]
    lines = said.err.splitlines()
    told = [line.rpartition("/")[2].partition(":")[0] for line in lines]
    assert told == ["text.mp4", "[moving].gif", r"gone\xe9.mp4"]
    assert "a picture, not a recording" in lines[1]
    shown = [line.strip().partition("  ")[0] for line in said.out.splitlines()]
    for name in ("[bed3] a.mp4", "[bold]:smile:.mp4", r"x\x1b[31my.mp4", r"caf\xe9.mp4", NAMES[-1], "[moving].gif"):
        assert name in shown


@pytest.mark.parametrize("name", NAMES)
def test_an_output_can_be_written_and_is_the_videos_own_name_where_that_can_be(name: str) -> None:
    stem = output_stem(Path(name))
    assert len(f"{stem}.annotated.mp4".encode()) <= 255
    assert stem.isprintable()
    assert (stem == Path(name).stem) == name.startswith("[")


def test_a_video_has_the_limits_of_a_night(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMFER_VIDEO_MAX_BYTES", str(film.stat().st_size - 1))
    assert score(tmp_path / "out", film) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"film.mp4: has {film.stat().st_size:,} bytes, more than the limit of " in line
    monkeypatch.delenv("PMFER_VIDEO_MAX_BYTES")
    monkeypatch.setenv("PMFER_VIDEO_MAX_FRAMES", "2")
    assert score(tmp_path / "out", film) == 1
    assert "has more than 2 frames, the limit" in capsys.readouterr().err
    monkeypatch.setenv("PMFER_VIDEO_MEMORY_BYTES", "6144")
    assert score(tmp_path / "out", film) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("setting PMFER_VIDEO_MEMORY_BYTES: Input should be greater than or equal to 1073741824")


def test_the_table_has_the_columns_of_python_and_means_of_each_video(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    assert score(tmp_path / "out", film, "--float32") == 0
    frames = pl.read_parquet(tmp_path / "out" / "film.parquet")
    assert frames.equals(pmfer.score(film, int8=False))
    head, row = (line.split("  ") for line in capsys.readouterr().out.splitlines())
    told = dict(zip(filter(None, map(str.strip, head)), filter(None, map(str.strip, row)), strict=True))
    assert told["leading expression"] == frames["leading_expression"].mode().sort()[0]
    assert told["confidence"] == f"{frames['confidence'].mean():.2f}"
    assert told["pain activity"] == f"{frames['pain_activity'].mean():.2f}"


def test_csv_has_the_same_with_few_decimals_and_no_formula(film: Path, tmp_path: Path) -> None:
    video = Path(shutil.copy(film, tmp_path / "=1+1.mp4"))
    assert score(tmp_path / "out", video, "--float32", "--format", "csv") == 0
    (written,) = (tmp_path / "out").iterdir()
    assert written.name == "=1+1.csv"
    frames, expected = pl.read_csv(written), pmfer.score(film, int8=False)
    assert frames.columns == expected.columns
    assert frames["session_id"].unique().to_list() == ["'=1+1"]
    assert frames["leading_expression"].equals(expected["leading_expression"])
    assert frames["pain_activity"].to_list() == pytest.approx(expected["pain_activity"].to_list(), abs=0.00006)


@pytest.mark.parametrize("format_", ["parquet", "csv"])
def test_a_table_that_finds_no_room_is_one_line_and_leaves_what_was_there(
    film: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str], format_: str
) -> None:
    before = tmp_path / f"film.{format_}"
    before.write_text("of yesterday")
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100, hard))  # no file may grow beyond 100 bytes, as on a full disk
    try:
        code = score(tmp_path, film, "--format", format_)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert code == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"{before}: cannot be written" in line
    assert [path.name for path in tmp_path.iterdir()] == [before.name]
    assert before.read_text() == "of yesterday"


def test_without_out_nothing_is_written(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.chdir(tmp_path)
    assert score(None, film, film) == 0  # two videos of one name would be a problem only if they were written
    assert "film.mp4" in capsys.readouterr().out
    assert list(tmp_path.iterdir()) == []
    assert score(None, film, "--annotate") == 1
    assert "--annotate: needs --out, the folder for the video" in capsys.readouterr().err


def test_an_annotated_video_shows_every_scored_frame_at_its_time(film: Path, tmp_path: Path) -> None:
    assert score(tmp_path, film, "--annotate", "--fps", "2.5") == 0
    assert sorted(path.name for path in tmp_path.iterdir()) == ["film.annotated.mp4", "film.parquet"]
    frames = pl.read_parquet(tmp_path / "film.parquet")
    with open_video(tmp_path / "film.annotated.mp4", 1) as video:
        shown = [(frame.time_s, frame.size_px) for frame in video.frames()]
    assert [time for time, _ in shown] == pytest.approx(frames["pts_s"].to_list(), abs=0.001)
    assert {size for _, size in shown} == {(320, 240)}
