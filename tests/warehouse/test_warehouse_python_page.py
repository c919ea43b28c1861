"""docs/python.md: every block of Python on the page runs, in order, with the files that it names."""

import re
import shutil
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image
from warehouse_copies import copy_warehouse
from warehouse_samples import BUNDLE, COMPLETED, sample_frames, sample_run, sample_scoring, sample_session

from pmfer.facs import ACTION_UNITS
from simulator.appearance import sample_appearance
from simulator.camera import write_video
from simulator.face import draw_face
from warehouse.address import FileAddress
from warehouse.connection import open_writer
from warehouse.publish import publish
from warehouse.records import SessionResult
from warehouse.runs import finish_run, start_run
from warehouse.store import store_sessions

PAGE = (Path(__file__).parents[2] / "docs" / "python.md").read_text(encoding="utf-8")
BLOCKS = re.findall(r"^```python\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)


@pytest.fixture(scope="module")
def clip(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two seconds of a face that smiles; beside it a picture of the face."""
    folder = tmp_path_factory.mktemp("clip")
    face = draw_face(sample_appearance(9000), {12: 1.0}, size=(320, 240))
    write_video(folder / "clip.mp4", [face] * 10, Fraction(5))
    Image.fromarray(face).save(folder / "face.png")
    return folder / "clip.mp4"


@pytest.fixture
def here(clip: Path, empty_file: FileAddress, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A working directory with the files that the page names."""
    demo = tmp_path / "var" / "demo"
    session = demo / "source" / "2026-03-02" / "maple-03-2026-03-02-1.mp4"
    for folder in (session.parent, tmp_path / "videos", tmp_path / "pictures"):
        folder.mkdir(parents=True)
    for path in (session, *(tmp_path / name for name in ("clip.mp4", "other.mp4", "videos/a.mp4", "videos/b.mp4"))):
        shutil.copy(clip, path)
    shutil.copy(clip.with_name("face.png"), tmp_path / "pictures" / "face.png")
    address = FileAddress(demo / "warehouse" / "warehouse.duckdb", demo / "published" / "warehouse.duckdb")
    copy_warehouse(empty_file, address)
    with open_writer(address) as writer:
        start_run(writer, sample_run())
        frames = sample_frames("s1")
        store_sessions(
            writer, BUNDLE, [SessionResult(sample_session("s1", "maple-03"), sample_scoring(frames), frames)]
        )
        finish_run(writer, "run-1", COMPLETED)
        publish(writer, address)
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("MPLBACKEND", "Agg")
    return tmp_path


def test_every_block_of_the_page_runs(here: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert len(BLOCKS) >= 6
    names: dict[str, Any] = {"pixels": np.zeros((240, 320, 3), np.uint8)}
    for block in BLOCKS:
        exec(block, names)
    assert names["pictures"]["session_id"].to_list() == ["face.png"]
    assert names["every"].height == 10
    assert names["days"]["session_date"].len() == 1
    assert names["smiles"].columns == ["smiles"]
    assert "missing.mp4: no such file; check the path" in capsys.readouterr().out.splitlines()
    names["plt"].close("all")
    assert (here / "happiness.png").stat().st_size > 10_000


def test_the_columns_that_the_page_names_are_there(clip: Path) -> None:
    import pmfer

    frames = pmfer.score(clip)
    rows = re.findall(r"^\| (`.*?) \|", PAGE.partition("| columns | meaning |")[2], re.MULTILINE)
    named = {name for row in rows for name in re.findall(r"`(\w+)`", row)}
    assert {"session_id", "confidence", "contempt", "roll_deg"} <= named <= set(frames.columns)
    assert ACTION_UNITS[-1].column in named
