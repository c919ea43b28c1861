"""`pmfer evaluate` as a user runs it: the shipped bundle on drawn faces, as crops and as whole pictures."""

import json
import shutil
import subprocess
import sys
from pathlib import Path

import numpy as np
import polars as pl
import pytest
from command import complaint, exit_code
from PIL import Image

from inference.crop import crop_face
from inference.detect import main_face, open_detector
from inference.faces import Faces, roll
from inference.lean import find_faces_any_way_up
from inference.options import ScoringOptions
from pmfer.bundle import load_bundle, write_card
from pmfer.expressions import EXPRESSION_NAMES
from simulator.appearance import sample_appearance
from simulator.face import draw_face

FERPLUS = Path(__file__).parents[3] / "shared" / "data" / "ferplus" / "ferplus.parquet"
PEOPLE = range(9100, 9108)
SMILE = {6: 0.8, 12: 1.0}
HEAD = "path,expression,au12,au99,pspi,subject"


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with whole pictures of eight people, smiling and at rest, their crops, and a manifest of each kind."""
    folder = tmp_path_factory.mktemp("drawn")
    bundle, options = load_bundle(), ScoringOptions()
    detector = open_detector(options, threads=1)
    rows = []
    for seed in PEOPLE:
        for name, units in (("happiness", SMILE), ("neutral", {})):
            picture = draw_face(sample_appearance(seed), units)
            (faces,) = find_faces_any_way_up(detector, [picture], options.detector_size_px)
            best = main_face(faces, (480, 360))
            assert best is not None
            Image.fromarray(picture).save(folder / f"{seed}-{name}.png")
            grey = np.asarray(Image.fromarray(picture).convert("L"))
            lean = roll(faces.landmarks[best])
            crop = crop_face(grey, faces.boxes[best], bundle.card.crop["centerface"], 60, lean)
            Image.fromarray(crop).save(folder / f"{seed}-{name}-crop.png")
            rows.append((f"{seed}-{name}", name, 4 if units else 0, 3 if units else 0, seed))
    for suffix in ("", "-crop"):
        lines = [f"{stem}{suffix}.png,{name},{au},,{pspi},{seed}" for stem, name, au, pspi, seed in rows]
        (folder / f"manifest{suffix}.csv").write_text("\n".join([HEAD, *lines]) + "\n")
    return folder


def run(*arguments: object) -> int:
    return exit_code("evaluate", *arguments)


def figures_of(out: Path, *arguments: object) -> dict[str, object]:
    assert run(*arguments, "--json", out) == 0
    return dict(json.loads(out.read_text()))


def test_whole_pictures_and_their_crops_are_told_apart_and_score_alike(drawn: Path, tmp_path: Path) -> None:
    whole = figures_of(tmp_path / "whole.json", drawn / "manifest.csv")
    crops = figures_of(tmp_path / "crops.json", drawn / "manifest-crop.csv")
    assert (whole["face_crops"], crops["face_crops"]) == (0, 16)
    for figures in (whole, crops):
        assert figures["n"] == 16
        assert figures["misses"] == figures["unreadable"] == 0
        assert figures["auroc"]["au12"] > 0.8  # type: ignore[index]
        assert set(figures["auroc"]) == {"au12"}  # type: ignore[call-overload]  # the bundle has no au99
        assert figures["accuracy_occlusion"] is None
        assert figures["pain_scale"] == "leave_one_subject_out"
        assert figures["pearson"] > 0  # type: ignore[operator]
    assert whole["auroc_mean"] == pytest.approx(crops["auroc_mean"], abs=0.1)


def test_the_command_line_can_overrule_the_size(drawn: Path, tmp_path: Path) -> None:
    whole, crops = ((drawn / name).read_text().splitlines() for name in ("manifest.csv", "manifest-crop.csv"))
    forced = figures_of(tmp_path / "a.json", _first(drawn, whole, 4), "--cropped")
    assert forced["face_crops"] == 4
    searched = figures_of(tmp_path / "b.json", _first(drawn, crops, 4), "--whole")
    assert searched["face_crops"] == 0


def test_faces_that_fill_their_pictures_are_doubted(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = [f"{seed}.png,neutral" for seed in PEOPLE]
    for seed in PEOPLE:
        crop = Image.open(drawn / f"{seed}-neutral-crop.png")
        crop.resize((120, 120), Image.Resampling.LANCZOS).save(tmp_path / f"{seed}.png")
    (tmp_path / "m.csv").write_text("\n".join(["path,expression", *rows]) + "\n")
    assert run(tmp_path / "m.csv") == 0
    assert "if they are face crops, use --cropped" in "".join(capsys.readouterr())
    for arguments in ((tmp_path / "m.csv", "--cropped"), (tmp_path / "m.csv", "--whole"), (drawn / "manifest.csv",)):
        assert run(*arguments) == 0
        assert "face crops, use" not in "".join(capsys.readouterr())


def test_a_picture_without_a_face_is_a_wrong_answer_and_an_unreadable_one_is_none(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    Image.fromarray(np.full((360, 480, 3), 120, np.uint8)).save(tmp_path / "wall.png")
    (tmp_path / "broken.png").write_text("no picture")
    rows = [f"{drawn}/{seed}-happiness.png,happiness,4" for seed in PEOPLE[:3]]
    more = [f"{drawn}/{seed}-neutral.png,neutral,0" for seed in PEOPLE[:3]]
    manifest = tmp_path / "m.csv"
    manifest.write_text("\n".join(["path,expression,au12", *rows, *more]) + "\n")
    before = figures_of(tmp_path / "a.json", manifest)
    manifest.write_text(manifest.read_text() + "wall.png,happiness,4\nbroken.png,happiness,4\n")
    capsys.readouterr()
    after = figures_of(tmp_path / "b.json", manifest, "--picture", tmp_path / "confusion.png")
    out = capsys.readouterr().out
    assert "1 of 8 pictures cannot be read: broken.png" in " ".join(out.split())
    assert (after["pictures"], after["n"], after["misses"], after["unreadable"]) == (8, 7, 1, 1)
    assert after["missed"]["happiness"] == 1  # type: ignore[index]
    assert after["accuracy_strict"] == pytest.approx(before["accuracy_strict"] * 6 / 7)  # type: ignore[operator]
    assert after["auroc"] == before["auroc"]
    with Image.open(tmp_path / "confusion.png") as picture:
        assert picture.width > 300


def test_expressions_without_a_face_are_answers_only_on_request(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    rows = (drawn / "manifest-crop.csv").read_text().replace(",neutral,", ",anger,")
    manifest = drawn / "no-neutral.csv"
    manifest.write_text(rows)
    few = figures_of(tmp_path / "a.json", manifest)
    line = "no-neutral.csv: expressions without a face do not count as answers: neutral, surprise, sadness,"
    assert line in " ".join(capsys.readouterr().out.split())
    every = figures_of(tmp_path / "b.json", manifest, "--all-expressions")
    assert "do not count as answers" not in capsys.readouterr().out
    assert few["answers"] == ["happiness", "anger"]
    assert every["answers"] == list(EXPRESSION_NAMES)
    assert few["accuracy_strict"] > every["accuracy_strict"]  # type: ignore[operator]
    assert few["pain_activity"] == every["pain_activity"]
    read = {name: np.array(figures["confusion"]).sum(0) for name, figures in (("few", few), ("every", every))}
    assert read["few"][EXPRESSION_NAMES.index("neutral")] == 0
    assert read["every"][EXPRESSION_NAMES.index("neutral")] > 0


def test_flipping_changes_scores_and_can_be_left_out(drawn: Path, tmp_path: Path) -> None:
    both = figures_of(tmp_path / "a.json", drawn / "manifest-crop.csv")
    single = figures_of(tmp_path / "b.json", drawn / "manifest-crop.csv", "--no-flip")
    assert (both["flip"], single["flip"]) == (True, False)
    assert both["ece"] != single["ece"]


def test_any_column_of_yes_and_no_is_a_subset(drawn: Path, tmp_path: Path) -> None:
    lines = (drawn / "manifest-crop.csv").read_text().splitlines()
    said = [("woman", "glasses", "remark")] + [("yes", "0", "x")] * 4 + [("No", "1", "")] * 4 + [("", "1", "y")] * 8
    manifest = drawn / "groups.csv"
    manifest.write_text("\n".join(",".join((line, *cells)) for line, cells in zip(lines, said, strict=True)))
    figures = figures_of(tmp_path / "a.json", manifest)
    four = figures_of(tmp_path / "b.json", _first(drawn, lines, 4))
    assert figures["accuracy_woman"] == four["accuracy_strict"]
    assert figures["accuracy_glasses"] is not None
    assert "accuracy_remark" not in figures


def _first(folder: Path, lines: list[str], count: int) -> Path:
    path = folder / "first.csv"
    path.write_text("\n".join(lines[: count + 1]))
    return path


def test_the_int8_graph_is_measured_on_request(drawn: Path, tmp_path: Path) -> None:
    plain = figures_of(tmp_path / "a.json", drawn / "manifest-crop.csv")
    eight = figures_of(tmp_path / "b.json", drawn / "manifest-crop.csv", "--int8")
    assert (plain["int8"], eight["int8"]) == (False, True)
    assert plain["ece"] != eight["ece"]


def test_the_test_split_is_measured_unless_told_otherwise(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    crops = pl.read_csv(drawn / "manifest-crop.csv").with_columns(path=str(drawn) + "/" + pl.col("path"))
    path = tmp_path / "m.parquet"
    crops.with_columns(split=pl.Series(["test"] * 4 + ["train"] * 12)).write_parquet(path)
    assert figures_of(tmp_path / "a.json", path)["n"] == 4
    assert figures_of(tmp_path / "b.json", path, "--split", "all")["n"] == 16
    capsys.readouterr()
    assert run(path, "--split", "valid") == 1
    assert "no rows of split 'valid'; it has test, train" in complaint(capsys)


def test_a_bundle_without_geometry_for_the_detector_is_named(
    drawn: Path, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    import dataclasses

    folder = Path(shutil.copytree(load_bundle().path, tmp_path / "bundle"))
    write_card(folder, dataclasses.replace(load_bundle().card, crop={}))
    assert run(drawn / "manifest.csv", "--bundle", folder) == 1
    assert "no crop geometry for detector centerface" in complaint(capsys)
    assert run(drawn / "manifest-crop.csv", "--bundle", folder) == 0


@pytest.mark.parametrize(
    ("option", "value", "words"),
    [("--json", "no/where.json", "no such folder to write to"), ("--kind", "fer", "data set 'fer': not known")],
)
def test_bad_options_are_one_line(
    option: str,
    value: str,
    words: str,
    drawn: Path,
    tmp_path: Path,
    capsys: pytest.CaptureFixture[str],
) -> None:
    assert run(drawn / "manifest.csv", option, tmp_path / value if "/" in value else value) == 1
    assert words in complaint(capsys)


def test_the_face_a_picture_is_about_is_large_and_in_the_middle() -> None:
    def faces(*boxes: tuple[float, float, float, float]) -> Faces:
        count = len(boxes)
        return Faces(
            np.array(boxes, np.float32).reshape(-1, 4), np.ones(count, np.float32), np.zeros((count, 5, 2), np.float32)
        )

    assert main_face(faces(), (100, 100)) is None
    assert main_face(faces((0, 0, 40, 40), (45, 45, 10, 10)), (100, 100)) == 0  # the middle one is far too small
    assert main_face(faces((0, 0, 40, 40), (32, 32, 36, 36)), (100, 100)) == 1


def test_it_runs_without_torch(drawn: Path) -> None:
    code = """
import sys

class NoTorch:
    def find_spec(self, name, path=None, target=None):
        if name.split(".")[0] == "torch":
            raise ModuleNotFoundError(name, name="torch")

sys.meta_path.insert(0, NoTorch())
sys.argv = ["pmfer", "evaluate", sys.argv[1]]
from cli.app import main
main()
"""
    done = subprocess.run(
        [sys.executable, "-c", code, str(drawn / "manifest-crop.csv")], capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stderr
    assert "au12" in done.stdout


@pytest.mark.shared
@pytest.mark.skipif(not FERPLUS.exists(), reason="needs ../shared")
def test_150_real_faces_are_read_as_crops_and_mostly_right(tmp_path: Path) -> None:
    pl.scan_parquet(FERPLUS).filter(pl.col("split") == "test").head(150).sink_parquet(tmp_path / "faces.parquet")
    arguments = (tmp_path / "faces.parquet", "--split", "test", "--no-flip")
    figures = figures_of(tmp_path / "a.json", *arguments)
    assert figures["face_crops"] == 150
    assert 120 < figures["n"] <= 150  # type: ignore[operator]
    assert 0.7 < figures["accuracy_strict"] < 1  # type: ignore[operator]
    assert 0 < figures["ece"] < 0.15  # type: ignore[operator]
