"""FER2013's CSV and one folder per expression: written with few pictures, read back, refused where they do not fit."""

import logging
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from pmfer.datasets import Samples, load_faces, read_samples, read_training_faces, strict_label
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

ORDER = ["anger", "disgust", "fear", "happiness", "sadness", "surprise", "neutral", "contempt"]  # FER2013's numbers


def labels(samples: Samples) -> list[str]:
    return [EXPRESSION_NAMES[label] for label in strict_label(samples.votes)]


def write_table(path: Path, *rows: str) -> Path:
    path.write_text("\n".join(rows) + "\n")
    return path


def pixels(value: int, count: int = 48 * 48) -> str:
    return " ".join([str(value)] * count)


def write_pictures(folder: Path, *names: str, value: int = 7) -> None:
    folder.mkdir(parents=True, exist_ok=True)
    for name in names:
        Image.fromarray(np.full((48, 48), value, np.uint8)).save(folder / name)


@pytest.mark.parametrize(
    ("name", "head"),
    [
        ("fer2013.csv", "emotion,pixels,Usage"),
        ("ckextended.csv", "emotion,pixels,Usage"),
        ("a.csv", "emotion;Pixels;Usage"),
    ],
)
def test_the_numbers_of_fer2013_are_expressions_and_the_log_says_which(
    name: str, head: str, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    separator = ";" if ";" in head else ","
    usages = ["Training"] * 6 + ["PublicTest", "PrivateTest"]
    rows = [separator.join((str(n), pixels(n), usage)) for n, usage in enumerate(usages)]
    path = write_table(tmp_path / name, head, *rows)
    with caplog.at_level(logging.INFO, "pmfer.datasets"):
        samples = read_samples(path)
    assert "emotion is read as 0 = anger, 1 = disgust, 2 = fear" in caplog.text
    assert "7 = contempt" in caplog.text
    assert labels(samples) == labels(read_samples(tmp_path)) == ORDER
    assert samples.splits == ("train",) * 6 + ("valid", "test")
    assert load_faces(samples, 48).images[:, 0, 0].tolist() == list(range(8))
    train, valid = read_training_faces(path, 48)
    assert (len(train), len(valid)) == (6, 1)


def test_a_csv_with_a_byte_order_mark_blanks_after_commas_and_columns_in_another_order(tmp_path: Path) -> None:
    path = write_table(tmp_path / "icml_face_data.csv", "\ufeffemotion, Usage, pixels", f"3, Training, {pixels(1, 64)}")
    samples = read_samples(path)
    assert (labels(samples), samples.splits) == (["happiness"], ("train",))
    assert load_faces(samples, 8).images.shape == (1, 8, 8)


def test_without_usage_there_are_no_splits_and_without_contempt_it_is_no_answer(tmp_path: Path) -> None:
    path = write_table(tmp_path / "train.csv", "emotion,pixels", f"0,{pixels(1)}", f"6,{pixels(2)}")
    samples = read_samples(path)
    assert samples.splits == ("", "")
    assert [EXPRESSION_NAMES[label] for label in samples.classes] == ["neutral", "anger"]


@pytest.mark.parametrize(
    ("row", "complaint"),
    [
        (f"8,{pixels(1)},Training", "row 2: emotion is '8', must be one of 0 = anger, 1 = disgust"),
        (f"happy,{pixels(1)},Training", "row 2: emotion is 'happy', must be one of 0 = anger"),
        (f",{pixels(1)},Training", "row 2: emotion is '', must be"),
        (f"0,{pixels(1)},Test", "row 2: Usage is 'Test', must be one of Training, PublicTest, PrivateTest"),
        (f"0,{pixels(256)},Training", "row 2: pixels must be whole numbers from 0 to 255"),
        (f"0,{pixels(1, 2303)},Training", "row 2: has 2303 pixels, which make no square picture"),
        ("0,,Training", "row 2: has 0 pixels"),
    ],
)
def test_a_row_that_does_not_fit_fer2013_is_named(row: str, complaint: str, tmp_path: Path) -> None:
    path = write_table(tmp_path / "fer2013.csv", "emotion,pixels,Usage", f"0,{pixels(1)},Training", row)
    with pytest.raises(TrainingError, match=complaint) as raised:
        read_samples(path)
    assert str(raised.value).startswith(f"{path}: row 2")


def test_of_two_csv_files_in_a_folder_neither_is_chosen(tmp_path: Path) -> None:
    for name in ("a.csv", "b.csv"):
        write_table(tmp_path / name, "emotion,pixels,Usage", f"0,{pixels(1)},Training")
    with pytest.raises(TrainingError, match=r"needs one CSV file .*, has a\.csv, b\.csv; name it"):
        read_samples(tmp_path)


def test_folders_are_expressions_and_the_log_says_which(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    for word in ("anger", "contempt", "Disgust", "fear", "happy", "sadness", "surprised"):
        write_pictures(tmp_path / word, "S010_004_00000017.png", "S011_004_00000019.png")
    (tmp_path / "anger" / "Thumbs.db").write_text("no picture")
    with caplog.at_level(logging.INFO, "pmfer.datasets"):
        samples = read_samples(tmp_path)
    assert "happy = happiness" in caplog.text
    assert "surprised = surprise" in caplog.text
    assert "Thumbs.db" not in caplog.text
    counts = {name: labels(samples).count(name) for name in EXPRESSION_NAMES}
    assert counts == {name: 0 if name == "neutral" else 2 for name in EXPRESSION_NAMES}
    assert len(samples.classes) == 7
    assert len(set(samples.names)) == len(samples) == 14
    assert dict(zip(samples.names, labels(samples), strict=True))["happy/S010_004_00000017.png"] == "happiness"
    assert set(samples.splits) == {""}
    assert samples.cropped is None


def test_folders_of_expressions_below_folders_of_splits(tmp_path: Path) -> None:
    write_pictures(tmp_path / "train" / "angry", *(f"{n}.jpg" for n in range(60)), value=1)
    write_pictures(tmp_path / "train" / "sad", "0.jpg", value=2)
    write_pictures(tmp_path / "Validation" / "sad", "0.jpg", value=3)
    write_pictures(tmp_path / "test" / "neutral", "0.jpg", value=4)
    samples = read_samples(tmp_path)
    assert labels(samples.in_split("test")) == ["neutral"]
    assert labels(samples.in_split("valid")) == ["sadness"]
    assert samples.in_split("valid").names == ("Validation/sad/0.jpg",)
    train, valid = read_training_faces(tmp_path, 48)
    assert (len(train), len(valid)) == (61, 1)


@pytest.mark.parametrize(
    ("pictures", "complaint"),
    [
        (("anger/a.png", "bored/b.png"), "contains pictures in bored, but a folder must be named neutral, happiness"),
        (("train/1/a.png", "train/2/a.png"), "train: contains pictures in 1, 2, but a folder must be named neutral"),
        (
            ("train/anger/a.png", "fear/b.png"),
            "contains pictures in fear, but a folder must be named train, valid, test",
        ),
        (("train/anger/a.png", "more/fear/b.png"), "contains pictures in more, but a folder must be named train"),
        (("anger/a.png", "anger/S010/b.png"), "anger: pictures must lie in this folder itself, not in S010"),
        (("anger/a.gif",), r"needs one folder of pictures \(.*\.png.*\) per expression"),
    ],
)
def test_pictures_whose_expression_or_split_is_unknown_are_refused_by_name(
    pictures: tuple[str, ...], complaint: str, tmp_path: Path
) -> None:
    for name in pictures:
        write_pictures((tmp_path / name).parent, Path(name).name)
    with pytest.raises(TrainingError, match=complaint) as raised:
        read_samples(tmp_path)
    assert str(tmp_path) in str(raised.value)


def test_what_holds_no_labelled_picture_is_ignored_and_listed(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_pictures(tmp_path / "anger", "a.png")
    write_pictures(tmp_path, "overview.png")
    write_pictures(tmp_path / "__MACOSX" / "anger", "._a.png")
    (tmp_path / "landmarks").mkdir()
    (tmp_path / ".git").mkdir()
    assert len(read_samples(tmp_path)) == 1
    assert "folders without pictures ignored: __MACOSX, landmarks" in caplog.text
    assert "pictures outside the folders of expressions ignored: 1" in caplog.text
    assert ".git" not in caplog.text
