"""`pmfer score`: every good video of a batch is scored, every bad one gets a line, whatever they are called."""

import os
import shutil
import sys
from fractions import Fraction
from pathlib import Path

import polars as pl
import pytest
from PIL import Image

from cli.app import main
from cli.score import output_stem
from simulator.appearance import sample_appearance
from simulator.face import draw_face
from simulator.video import write_video

NAMES = ["[bed3] a.mp4", "[bold]:smile:.mp4", "x\x1b[31my.mp4", os.fsdecode(b"caf\xe9.mp4"), "l" * 251 + ".mp4"]


@pytest.fixture(scope="module")
def film(tmp_path_factory: pytest.TempPathFactory) -> Path:
    path = tmp_path_factory.mktemp("film") / "film.mp4"
    face = draw_face(sample_appearance(9000), {12: 1.0}, size=(320, 240))
    write_video(path, [face] * 5, Fraction(5))
    return path


def score(monkeypatch: pytest.MonkeyPatch, out: Path, *videos: Path) -> int:
    monkeypatch.setattr(sys, "argv", ["pmfer", "score", *map(str, videos), "--out", str(out)])
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


def test_all_good_files_of_a_batch_are_scored_and_each_bad_one_gets_a_line(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    good = [Path(shutil.copy(film, tmp_path / name)) for name in NAMES]
    (tmp_path / "text.mp4").write_text("no video")
    pictures = [Image.new("L", (64, 64), shade) for shade in (0, 100, 200)]
    pictures[0].save(tmp_path / "[moving].gif", save_all=True, append_images=pictures[1:])
    bad = [tmp_path / "text.mp4", tmp_path / "[moving].gif", tmp_path / os.fsdecode(b"gone\xe9.mp4")]
    assert score(monkeypatch, tmp_path / "out", *bad[:1], *good, *bad[1:]) == 1
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
    assert len(f"{stem}.parquet".encode()) <= 255
    assert stem.isprintable()
    assert (stem == Path(name).stem) == name.startswith("[")


def test_a_video_has_the_limits_of_a_night(
    film: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("PMFER_VIDEO_MAX_BYTES", str(film.stat().st_size - 1))
    assert score(monkeypatch, tmp_path / "out", film) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert f"film.mp4: has {film.stat().st_size:,} bytes, more than the limit of " in line
    monkeypatch.delenv("PMFER_VIDEO_MAX_BYTES")
    monkeypatch.setenv("PMFER_VIDEO_MAX_FRAMES", "2")
    assert score(monkeypatch, tmp_path / "out", film) == 1
    assert "has more than 2 frames, the limit" in capsys.readouterr().err
    monkeypatch.setenv("PMFER_VIDEO_MEMORY_BYTES", "10000000")
    assert score(monkeypatch, tmp_path / "out", film) == 1
    (line,) = capsys.readouterr().err.splitlines()
    assert line.endswith("is PMFER_VIDEO_MEMORY_BYTES too small?")
