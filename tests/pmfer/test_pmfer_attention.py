"""Attention maps as pictures and numbers; the columns of the shipped bundle respond to their phrases."""

import json
import shutil
import sys
from dataclasses import replace
from pathlib import Path

import numpy as np
import onnx
import pytest
from numpy.typing import NDArray
from PIL import Image

from cli.app import main
from inference.attention import draw_sheet, inside_share, mean_attention, region_mask
from inference.crop import crop_face
from inference.detect import find_faces_in_stills, main_face, open_detector
from inference.model import ExpressionModel
from inference.options import ScoringOptions
from pmfer.bundle import WEIGHTS_FILE, AuPhrase, Bundle, load_bundle, sha256_file, write_card
from pmfer.errors import BundleError
from pmfer.facs import ACTION_UNITS, AU_COLUMNS, REGION_BOXES, Region
from simulator.appearance import sample_appearance
from simulator.face import draw_face

MOUTH = AuPhrase(12, "au12", "mouth", "lip corners pulled up", True)
NOWHERE = AuPhrase(None, "own", None, "a face", False)
SMILE, WIDE = {6: 0.8, 12: 1.0}, {1: 1.0, 2: 1.0, 5: 1.0}
PEOPLE = range(9000, 9008)


def spot(row: int, column: int, side: int = 6) -> NDArray[np.float32]:
    """A map [1, side, side] with all attention in one cell."""
    maps = np.zeros((1, side, side), np.float32)
    maps[0, row, column] = 1
    return maps


def test_attention_at_the_mouth_is_inside_the_mouth_and_outside_the_brows() -> None:
    assert inside_share(spot(4, 3), "mouth").tolist() == [1]
    assert inside_share(spot(4, 3), "brow").tolist() == [0]
    assert inside_share(spot(0, 3), "mouth").tolist() == [0]
    assert np.isnan(inside_share(spot(4, 3), None)).all()


@pytest.mark.parametrize("region", list(Region))
def test_an_even_look_has_the_share_of_the_area(region: Region) -> None:
    top, bottom, left, right = REGION_BOXES[region]
    even = np.full((1, 6, 6), 1 / 36, np.float32)
    area = (bottom - top) * (right - left)
    assert inside_share(even, region.value)[0] == pytest.approx(area, abs=1e-5)
    assert region_mask(region.value, 6, 6).mean() == pytest.approx(area, abs=1e-5)


def test_the_mean_look_tells_share_chance_and_centre() -> None:
    maps = np.stack([np.stack([spot(4, 2)[0]] * 2), np.stack([spot(0, 2)[0]] * 2)])  # [2 faces, 2 phrases, 6, 6]
    mouth, nowhere = mean_attention(maps, [MOUTH, NOWHERE])
    assert (mouth.share, nowhere.share, nowhere.chance) == (pytest.approx(0.5), None, None)
    assert mouth.chance == pytest.approx(0.45 * 0.76, abs=1e-5)
    assert mouth.centre == (pytest.approx(2.5 / 6), pytest.approx((4.5 / 6 + 0.5 / 6) / 2))


def test_a_sheet_is_warm_where_the_model_looked(tmp_path: Path) -> None:
    grey = np.full((48, 48), 128, np.uint8)
    for name, place in (("low", 5), ("high", 0)):
        draw_sheet(grey, np.ones(1, np.float32), spot(place, 3), [NOWHERE], tmp_path / f"{name}.png")
    low, high = (np.asarray(Image.open(tmp_path / f"{name}.png").convert("RGB"), int) for name in ("low", "high"))
    warmth = [
        np.nonzero((picture[..., 0] - picture[..., 2])[: len(picture) * 3 // 4] > 60)[0] for picture in (low, high)
    ]
    assert len(warmth[0]) > 100
    assert np.median(warmth[0]) > np.median(warmth[1]) + 50


@pytest.fixture(scope="module")
def crops() -> dict[str, NDArray[np.uint8]]:
    """Crops of drawn people, by their expression."""
    bundle, options = load_bundle(), ScoringOptions()
    detector = open_detector(options, 1)
    found = {}
    for name, units in (("rest", {}), ("smile", SMILE), ("wide", WIDE)):
        pictures = [draw_face(sample_appearance(seed), units) for seed in PEOPLE]
        cut = []
        for picture, faces in zip(pictures, find_faces_in_stills(detector, pictures, 384), strict=True):
            best = main_face(faces, (picture.shape[1], picture.shape[0]))
            assert best is not None
            grey = np.asarray(Image.fromarray(picture).convert("L"))
            cut.append(crop_face(grey, faces.boxes[best], bundle.card.crop["centerface"], bundle.card.input.size_px))
        found[name] = np.stack(cut)
    return found


def test_maps_sum_to_one_and_scores_are_those_of_the_product(crops: dict[str, NDArray[np.uint8]]) -> None:
    bundle = load_bundle()
    model = ExpressionModel(bundle, threads=1)
    scores, maps = model.attention(crops["smile"])
    assert maps.shape[:2] == (len(PEOPLE), len(ACTION_UNITS))
    np.testing.assert_allclose(maps.sum((2, 3)), 1, atol=1e-4)
    np.testing.assert_allclose(scores, model.score(crops["smile"])[:, len(bundle.card.expressions) :], atol=1e-6)


def rises(bundle: Bundle, before: NDArray[np.uint8], after: NDArray[np.uint8]) -> dict[str, float]:
    """Mean rise of the log odds of every phrase from faces at rest to the same faces doing something."""
    scores = []
    for crops in (before, after):
        rows = ExpressionModel(bundle, threads=1).score(crops)[:, len(bundle.card.expressions) :]
        clipped = np.clip(rows.astype(float), 1e-6, 1 - 1e-6)
        scores.append(np.log(clipped / (1 - clipped)).mean(0))
    return dict(zip([phrase.column for phrase in bundle.card.au_phrases], scores[1] - scores[0], strict=True))


def belongs(bundle: Bundle, crops: dict[str, NDArray[np.uint8]]) -> bool:
    """Whether the columns behave like their phrases on a smile and on raised brows with wide eyes."""
    smile, wide = (rises(bundle, crops["rest"], crops[name]) for name in ("smile", "wide"))
    others = set(smile) - {"au12", "au06", "au25"}  # raised cheeks and parted lips are part of many smiles
    low = ("au04", "au09", "au12", "au15", "au17", "au23", "au24")
    return all(smile["au12"] > smile[column] + 0.5 for column in others) and all(
        wide[up] > wide[column] + 0.5 for up in ("au01", "au02", "au05") for column in low
    )


def test_the_columns_of_the_shipped_bundle_belong_to_their_phrases(crops: dict[str, NDArray[np.uint8]]) -> None:
    bundle = load_bundle()
    assert [phrase.column for phrase in bundle.card.au_phrases][: len(AU_COLUMNS)] == list(AU_COLUMNS)
    assert [phrase.phrase for phrase in bundle.card.au_phrases] == [unit.phrase for unit in ACTION_UNITS]
    assert belongs(bundle, crops)


@pytest.mark.parametrize(("one", "other"), [("au12", "au15"), ("au12", "au04"), ("au02", "au24"), ("au05", "au12")])
def test_two_phrases_in_each_others_place_are_found_out(
    one: str, other: str, crops: dict[str, NDArray[np.uint8]], tmp_path: Path
) -> None:
    bundle = load_bundle()
    phrases = list(bundle.card.au_phrases)
    first, second = AU_COLUMNS.index(one), AU_COLUMNS.index(other)
    phrases[first], phrases[second] = phrases[second], phrases[first]
    shutil.copy(bundle.weights, tmp_path / WEIGHTS_FILE)
    write_card(tmp_path, replace(bundle.card, au_phrases=tuple(phrases), int8_sha256=None))
    assert not belongs(load_bundle(tmp_path), crops)


def test_a_graph_without_attention_is_named(tmp_path: Path) -> None:
    bundle = load_bundle()
    graph = onnx.load(bundle.weights)
    kept = [output for output in graph.graph.output if output.name != "attention"]
    del graph.graph.output[:]
    graph.graph.output.extend(kept)
    onnx.save(graph, tmp_path / WEIGHTS_FILE)
    write_card(tmp_path, replace(bundle.card, weights_sha256=sha256_file(tmp_path / WEIGHTS_FILE), int8_sha256=None))
    with pytest.raises(BundleError, match="no attention output"):
        ExpressionModel(load_bundle(tmp_path), threads=1).attention(np.zeros((1, 48, 48), np.uint8))


def run(monkeypatch: pytest.MonkeyPatch, *arguments: object) -> int:
    monkeypatch.setattr(sys, "argv", ["pmfer", "attention", *map(str, arguments)])
    monkeypatch.setattr("os.umask", lambda mask: mask)
    with pytest.raises(SystemExit) as stopped:
        main()
    return int(stopped.value.code or 0)


@pytest.fixture(scope="module")
def drawn(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Two whole pictures with a face, and one without."""
    folder = tmp_path_factory.mktemp("drawn")
    for seed in (9000, 9001):
        Image.fromarray(draw_face(sample_appearance(seed), SMILE)).save(folder / f"p{seed}.png")
    Image.new("RGB", (480, 360)).save(folder / "wall.png")
    return folder


def test_the_command_finds_faces_and_writes_sheets_and_shares(
    drawn: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, drawn, "--out", tmp_path / "a" / "b", "--phrases", "au12,au04") == 0
    assert {path.name for path in (tmp_path / "a" / "b").iterdir()} == {
        "p9000.png",
        "p9001.png",
        "mean.png",
        "attention.json",
    }
    figures = json.loads((tmp_path / "a" / "b" / "attention.json").read_text())
    assert (figures["faces"], figures["left_out"]) == (2, 1)
    assert list(figures["phrases"]) == ["au12", "au04"]
    look = figures["phrases"]["au12"]
    assert (look["region"], look["phrase"]) == ("mouth", "lip corners pulled up")
    assert 0 < look["share"] < 1
    assert look["chance"] == pytest.approx(0.342, abs=1e-3)
    assert "wall: no face found" in capsys.readouterr().out


def test_the_command_takes_a_data_set(ferplus: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    arguments = ("--out", tmp_path, "--split", "train", "--faces", 5, "--sheets", 1, "--phrases", "au12")
    assert run(monkeypatch, ferplus, *arguments) == 0
    assert json.loads((tmp_path / "attention.json").read_text())["faces"] == 5
    assert len(list(tmp_path.glob("*.png"))) == 2


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (("{drawn}", "--phrases", "au99"), "phrase 'au99': not in this bundle"),
        (("{empty}",), "no pictures in it"),
        (("{drawn}/wall.png",), "no face in 1 pictures (wall: no face found)"),
        (("{drawn}/nowhere.png",), "nowhere: no such file"),
    ],
)
def test_bad_input_is_one_line(
    arguments: tuple[str, ...],
    complaint: str,
    drawn: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    capsys: pytest.CaptureFixture[str],
) -> None:
    (tmp_path / "empty").mkdir()
    filled = [text.format(drawn=drawn, empty=tmp_path / "empty") for text in arguments]
    assert run(monkeypatch, *filled, "--out", tmp_path / "out") == 1
    text = capsys.readouterr().err.strip()
    assert complaint in text
    assert "\n" not in text
    assert not (tmp_path / "out").exists()
