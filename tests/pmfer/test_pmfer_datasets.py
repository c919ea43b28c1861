"""The layout of every data set, written with few pictures and read back; errors for wrong layouts."""

import io
import logging
from pathlib import Path
from typing import get_args

import numpy as np
import polars as pl
import pytest
from PIL import Image

from pmfer.config import DataKind
from pmfer.datasets import (
    KINDS,
    Faces,
    Samples,
    argmax_label,
    load_faces,
    read_ferplus,
    read_measured_faces,
    read_samples,
    read_training_faces,
    strict_label,
    vote_distribution,
)
from pmfer.datasets.ferplus import MadeFerplus, make_ferplus
from pmfer.datasets.load import pixel_statistics
from pmfer.datasets.pictures import PictureError, PictureSource, read_picture
from pmfer.errors import TrainingError
from pmfer.expressions import EXPRESSION_NAMES

VOTES = [6, 3, 1, 0, 0, 0, 0, 0, 0, 0]


def grey(value: int, side: int = 48) -> np.ndarray:
    return np.full((side, side), value, np.uint8)


def png(value: int, side: int = 48) -> bytes:
    stream = io.BytesIO()
    Image.fromarray(grey(value, side)).save(stream, "PNG")
    return stream.getvalue()


def write_picture(path: Path, value: int, side: int = 48) -> None:
    path.parent.mkdir(parents=True, exist_ok=True)
    Image.fromarray(grey(value, side)).save(path)


def write_csv(path: Path, *rows: str) -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_text("\n".join(rows) + "\n")
    return path


def labels(samples: Samples) -> list[str]:
    return [EXPRESSION_NAMES[label] if label >= 0 else "" for label in strict_label(samples.votes)]


def first(faces: Faces) -> list[int]:
    """The grey value of each picture."""
    return [int(picture.flat[0]) for picture in faces.images]


def ferplus_table(rows: int = 4) -> pl.DataFrame:
    flags = {name: [False] * rows for name in ("occlusion", "pose30", "pose45", "duplicate_of_train")}
    return pl.DataFrame(
        {
            "name": [f"fer{row}" for row in range(rows)],
            "split": ["train", "valid", "test", "test"][:rows],
            "image": [png(10 * row) for row in range(rows)],
            "votes": [VOTES] * rows,
            **flags,
        },
        schema_overrides={"votes": pl.Array(pl.UInt8, 10)},
    ).with_columns(occlusion=pl.Series([False, False, True, False][:rows]))


def test_ferplus_parquet_is_found_out_and_reads_as_a_manifest_too(tmp_path: Path) -> None:
    path = tmp_path / "faces.parquet"
    ferplus_table().write_parquet(path)
    for kind in (None, "ferplus", "manifest"):
        samples = read_samples(path, kind).in_split("test")
        assert samples.names == ("fer2", "fer3")
        assert labels(samples) == ["neutral", "neutral"]
        assert samples.subsets["occlusion"].tolist() == [True, False]
    faces = read_ferplus(path, "test")
    assert faces.images.shape == (2, 48, 48)
    assert first(faces) == [20, 30]
    with pytest.raises(TrainingError, match="no rows of split 'tset'; it has test, train, valid"):
        read_ferplus(path, "tset")


def test_ferplus_folders_with_and_without_a_face_box(tmp_path: Path) -> None:
    write_picture(tmp_path / "FER2013Train" / "fer0.png", 7)
    write_csv(tmp_path / "FER2013Train" / "label.csv", "\ufefffer0.png,6,3,1,0,0,0,0,0,0,0")
    write_picture(tmp_path / "FER2013Test" / "fer1.png", 9)
    write_csv(tmp_path / "FER2013Test" / "label.csv", 'fer1.png,"(0, 0, 48, 48)",0,0,0,8,2,0,0,0,0,0')
    samples = read_samples(tmp_path)
    assert samples.splits == ("train", "test")
    assert samples.votes[0].tolist() == VOTES
    assert labels(samples) == ["neutral", "sadness"]
    assert first(load_faces(samples, 48)) == [7, 9]
    (tmp_path / "FER2013Test" / "label.csv").write_bytes("bär.png,0,0,0,8,2,0,0,0,0,0".encode("latin-1"))
    assert labels(read_samples(tmp_path)) == ["neutral", "sadness"]
    for wrong in ("8,2", "0,0,0,300,2,0,0,0,0,0"):
        write_csv(tmp_path / "FER2013Test" / "label.csv", f"fer1.png,{wrong}")
        with pytest.raises(TrainingError, match=r"label\.csv: row 1: must have a picture's name and ten counts"):
            read_samples(tmp_path)


def test_ferplus_csv_files_go_row_for_row_and_rows_without_a_name_are_left_out(tmp_path: Path) -> None:
    head = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"
    rows = ("Training,fer0.png,4,0,0,1,3,2,0,0,0,0", "Training,,0,0,0,0,0,0,0,0,0,10")
    write_csv(tmp_path / "fer2013new.csv", head, *rows, "PrivateTest,fer2.png,0,9,0,0,0,0,0,0,1,0")
    pixels = [" ".join([str(value)] * 48 * 48) for value in (5, 6, 7)]
    usages = ("Training", "Training", "PrivateTest")
    pictures = [f"0,{text},{usage}" for text, usage in zip(pixels, usages, strict=True)]
    write_csv(tmp_path / "fer2013.csv", "emotion,pixels,Usage", *pictures)
    samples = read_samples(tmp_path)
    assert samples.names == ("fer0.png", "fer2.png")
    assert samples.splits == ("train", "test")
    assert samples.votes[1].tolist() == [0, 9, 0, 0, 0, 0, 0, 0, 1, 0]
    assert first(load_faces(samples, 48)) == [5, 7]
    write_csv(tmp_path / "fer2013.csv", "emotion,pixels,Usage", "0,1 2 3,Training")
    with pytest.raises(TrainingError, match="as many rows as"):
        read_samples(tmp_path)


@pytest.mark.parametrize("place", ["", "EmoLabel"])
def test_raf_db(place: str, tmp_path: Path) -> None:
    lines = [f"train_{n:05d}.jpg {n}" for n in range(1, 8)] + ["test_0001.jpg 4"]
    write_csv(tmp_path / place / "list_patition_label.txt", *lines)
    for line in lines:
        write_picture(tmp_path / "Image" / "aligned" / line.replace(".jpg", "_aligned.jpg").split()[0], 100, 100)
    samples = read_samples(tmp_path)
    assert labels(samples)[:7] == ["surprise", "fear", "disgust", "happiness", "sadness", "anger", "neutral"]
    assert samples.in_split("test").names == ("test_0001.jpg",)
    assert EXPRESSION_NAMES.index("contempt") not in samples.classes
    faces = load_faces(samples, 32)
    assert faces.images.shape == (8, 32, 32)
    assert strict_label(faces.votes).tolist() == argmax_label(faces.votes).tolist()
    write_csv(tmp_path / place / "list_patition_label.txt", "\ufefftrain_00001.jpg 3", "train_00002.jpg 8")
    with pytest.raises(TrainingError, match=r"line 2: 'train_00002\.jpg 8'"):
        read_samples(tmp_path)
    (tmp_path / place / "list_patition_label.txt").write_bytes("é 1".encode("latin-1"))
    with pytest.raises(TrainingError, match=r"line 1: .* is not like"):
        read_samples(tmp_path)


def affectnet_folders(root: Path) -> None:
    for folder, count in (("train_set", 9), ("val_set", 8)):
        for label in range(count):
            write_picture(root / folder / "images" / f"{label}.jpg", 10 * label, 224)
            (root / folder / "annotations").mkdir(exist_ok=True)
            np.save(root / folder / "annotations" / f"{label}_exp.npy", np.array(str(label)))


def test_affectnet_folders_with_eight_and_seven_classes(tmp_path: Path) -> None:
    affectnet_folders(tmp_path)
    eight, seven = read_samples(tmp_path), read_samples(tmp_path, "affectnet7")
    order = ["neutral", "happiness", "sadness", "surprise", "fear", "disgust", "anger", "contempt"]
    assert labels(eight.in_split("test")) == order
    assert labels(eight.in_split("train")) == order  # label 8 is none of them and left out
    assert labels(seven.in_split("test")) == order[:7]
    assert (len(eight.classes), len(seven.classes)) == (8, 7)
    for wrong in ("11", "²", "1.5"):
        np.save(tmp_path / "val_set" / "annotations" / "0_exp.npy", np.array(wrong))
        with pytest.raises(TrainingError, match=rf"0_exp\.npy: expression '{wrong}' is not a number from 0 to 10"):
            read_samples(tmp_path)


def test_affectnet_lists_cut_to_the_face_box(tmp_path: Path) -> None:
    picture = np.zeros((100, 100), np.uint8)
    picture[20:60, 30:70] = 200
    (tmp_path / "Manually_Annotated_Images" / "689").mkdir(parents=True)
    Image.fromarray(picture).save(tmp_path / "Manually_Annotated_Images" / "689" / "a.png")
    head = "subDirectory_filePath,face_x,face_y,face_width,face_height,facial_landmarks,expression,valence,arousal"
    rows = ("689/a.png,30,20,40,40,1;2,1,0.5,0.1", "689/b.png,NULL,NULL,NULL,NULL,,10,-2,-2")
    write_csv(tmp_path / "Manually_Annotated_file_lists" / "validation.csv", head, *rows)
    samples = read_samples(tmp_path)
    assert labels(samples) == ["happiness"]
    assert (load_faces(samples, 40).images == 200).all()


def unbc(root: Path) -> None:
    for subject, frames in (("042-ll042", (0, 4)), ("064-ak064", (16,))):
        for frame, pspi in enumerate(frames):
            note = root / "Frame_Labels" / "PSPI" / subject / "seq1" / f"seq1{frame:03d}_facs.txt"
            write_csv(note, f"   {pspi:.7e}")
            write_picture(root / "Images" / subject / "seq1" / f"seq1{frame:03d}.png", 50, 320)


def test_unbc(tmp_path: Path) -> None:
    unbc(tmp_path)
    samples = read_samples(tmp_path)
    assert samples.pspi is not None
    assert samples.pspi.tolist() == [0, 4, 16]
    assert samples.subjects == ("042-ll042", "042-ll042", "064-ak064")
    assert samples.cropped is False
    assert samples.names[0] == "042-ll042/seq1/seq1000.png"
    with pytest.raises(TrainingError, match="has no expression labels"):
        read_training_faces(tmp_path, 48)
    write_csv(tmp_path / "Frame_Labels" / "PSPI" / "042-ll042" / "seq1" / "seq1000_facs.txt", "17")
    with pytest.raises(TrainingError, match="'17' is not a PSPI from 0 to 16"):
        read_samples(tmp_path)


def test_a_csv_manifest_with_every_column(tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    write_picture(tmp_path / "faces" / "a.png", 1)
    write_picture(tmp_path / "b.png", 2)
    head = "path,expression,votes,AU1,au12,pspi,split,occlusion,subject,hair"
    rows = (
        "faces/a.png,Happy,,0,3,,train,1,x,brown",
        f"{tmp_path / 'b.png'},,0 0 8 2 0 0 0 0 0 0,,1,2.5,test,,y,red",
        "b.png,unknown,,1,,16,test,0,y,",
    )
    path = write_csv(tmp_path / "m.csv", head, *rows)
    with caplog.at_level(logging.WARNING, "pmfer.datasets"):
        samples = read_samples(path)
    assert caplog.messages == ["m.csv: columns ignored: hair"]
    assert labels(samples) == ["happiness", "surprise", ""]
    assert set(samples.aus) == {"au01", "au12"}
    np.testing.assert_array_equal(samples.aus["au12"], np.array([3, 1, np.nan], np.float32))
    assert samples.pspi is not None
    np.testing.assert_array_equal(samples.pspi, np.array([np.nan, 2.5, 16], np.float32))
    assert samples.subsets["occlusion"].tolist() == [True, False, False]
    assert samples.subjects == ("x", "y", "y")
    assert samples.cropped is None
    assert first(load_faces(samples, 48)) == [1, 2, 2]


@pytest.mark.parametrize(
    ("name", "words"),
    [
        ("neutral", "Neutral calm"),
        ("happiness", "HAPPY happiness Joy"),
        ("surprise", "surprised Surprise"),
        ("sadness", "sad sadness sorrow"),
        ("anger", "Angry anger"),
        ("disgust", "disgusted disgust"),
        ("fear", "afraid fear fearful scared"),
        ("contempt", "contemptuous Contempt"),
    ],
)
def test_an_expression_has_several_words(name: str, words: str, tmp_path: Path) -> None:
    rows = [f"a.png, {word} " for word in words.split()]
    assert set(labels(read_samples(write_csv(tmp_path / "m.csv", "path,expression", *rows)))) == {name}


def test_the_answers_are_the_expressions_that_any_face_of_a_manifest_has(tmp_path: Path) -> None:
    def answers(*rows: str) -> list[str]:
        samples = read_samples(write_csv(tmp_path / "m.csv", "path,expression,votes,split", *rows)).in_split("test")
        return [EXPRESSION_NAMES[label] for label in samples.classes]

    smile, anger = "a.png,happiness,,test", "b.png,anger,,train"
    assert answers(smile, anger, "c.png,,,test") == ["happiness", "anger"]
    assert answers(smile, "b.png,,0 0 8 1 0 0 0 0 1 0,test") == ["happiness", "surprise", "sadness"]
    assert answers(smile, smile) == answers("c.png,,,test") == list(EXPRESSION_NAMES)  # no choice


def test_ferplus_has_eight_answers_even_if_a_part_of_it_lacks_some(tmp_path: Path) -> None:
    ferplus_table().write_parquet(tmp_path / "faces.parquet")
    assert len(read_samples(tmp_path / "faces.parquet").classes) == 8


def test_a_split_has_several_words(tmp_path: Path) -> None:
    words = ("Train", "training", "valid", "Validation", "VAL", "dev", "Test", "testing", "")
    samples = read_samples(write_csv(tmp_path / "m.csv", "path,split", *(f"a.png,{word}" for word in words)))
    assert samples.splits == ("train",) * 2 + ("valid",) * 4 + ("test",) * 2 + ("",)


def test_facs_letters_are_intensities_and_9_is_not_coded(tmp_path: Path) -> None:
    cells = ("0", "A", "b", "C", " D", "E", "9", "", "5", "9.0")
    expected = np.array([0, 1, 2, 3, 4, 5, np.nan, np.nan, 5, np.nan], np.float32)
    samples = read_samples(write_csv(tmp_path / "m.csv", "path,AU12", *(f"a.png,{cell}" for cell in cells)))
    np.testing.assert_array_equal(samples.aus["au12"], expected)
    table = pl.DataFrame({"path": ["a.png"] * 3, "au12": [5, 9, None]})
    table.write_parquet(tmp_path / "m.parquet")
    np.testing.assert_array_equal(read_samples(tmp_path / "m.parquet").aus["au12"], np.array([5, np.nan, np.nan]))


@pytest.mark.parametrize(("yes", "no"), [("y", "N"), ("T", "f"), ("1.0", "0.0"), ("Yes", ""), ("true", "FALSE")])
def test_a_subset_is_written_in_several_ways(yes: str, no: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", "path,mask,pose30", f"a.png,{yes},{yes}", f"b.png,{no},{no}")
    subsets = read_samples(path).subsets
    assert subsets["mask"].tolist() == subsets["pose30"].tolist() == [True, False]


@pytest.mark.parametrize(("separator", "suffix"), [(";", "csv"), ("\t", "csv"), ("\t", "tsv")])
def test_the_separator_is_found_in_the_first_line(separator: str, suffix: str, tmp_path: Path) -> None:
    rows = (("path", "expression", "au12"), ("a,b.png", "happiness", "2.5"), ("c d.png", "anger", ""))
    samples = read_samples(write_csv(tmp_path / f"m.{suffix}", *(separator.join(row) for row in rows)))
    assert samples.names == ("a,b.png", "c d.png")
    assert labels(samples) == ["happiness", "anger"]


def test_what_was_not_coded_is_unknown_however_a_tool_writes_it(tmp_path: Path) -> None:
    cells = ["0", "3", "9", "999", "NA", "NaN", "nan", ""]
    rows = [f"{n}.png,{cell},{'NA' if n else 'anger'}" for n, cell in enumerate(cells)]
    samples = read_samples(write_csv(tmp_path / "m.csv", "path,AU 12,expression", *rows))
    assert samples.aus["au12"][:2].tolist() == [0, 3]
    assert np.isnan(samples.aus["au12"][2:]).all()
    assert labels(samples) == ["anger"] + [""] * 7
    numbers = pl.DataFrame({"path": ["a.png"] * 3, "au12": [1.0, 999.0, float("nan")]})
    numbers.write_parquet(tmp_path / "m.parquet")
    assert np.isnan(read_samples(tmp_path / "m.parquet").aus["au12"]).tolist() == [False, True, True]


def test_one_vote_in_all_is_a_label(tmp_path: Path) -> None:
    rows = ["a.png,0,0,0,0,1,0,0,0,0", "b.png,0,0,0,0,0,0,0,0,1", "c.png,0,2,0,1,0,0,0,0,0"]
    samples = read_samples(write_csv(tmp_path / "m.csv", ",".join(["path", *EXPRESSION_NAMES, "unknown"]), *rows))
    assert labels(samples) == ["anger", "", "happiness"]
    assert samples.votes.sum(1).tolist() == [10, 10, 3]


def test_faces_without_agreement_are_named_before_training(tmp_path: Path) -> None:
    rows = [f"{n}.png,{split},1 1 1 0 0 0 0 0 0 0" for n, split in enumerate(["train", "valid"])]
    with pytest.raises(TrainingError, match="no training face whose votes agree"):
        read_training_faces(write_csv(tmp_path / "m.csv", "path,split,votes", *rows), 48)


def test_numbers_of_a_parquet_file_are_a_subset_as_in_a_csv(tmp_path: Path) -> None:
    table = {"path": ["a.png", "b.png", "c.png"], "woman": [1, 0, None], "old": [1.0, 0.0, 1.0], "age": [60, 70, 80]}
    pl.DataFrame(table).write_parquet(tmp_path / "m.parquet")
    subsets = read_samples(tmp_path / "m.parquet").subsets
    assert {name: members.tolist() for name, members in subsets.items()} == {
        "woman": [True, False, False],
        "old": [True, False, True],
    }


def test_faces_of_one_subject_cannot_be_trained_and_validated_on(tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", "path,expression,subject", "a.png,anger,anna", "b.png,fear,anna")
    with pytest.raises(TrainingError, match="add a column split"):
        read_training_faces(path, 48)


def test_pictures_of_unknown_subjects_are_held_out_one_by_one(tmp_path: Path) -> None:
    rows = [f"{n}.png,happiness,{'anna' if n < 10 else ''}" for n in range(400)]
    samples = read_samples(write_csv(tmp_path / "m.csv", "path,expression,subject", *rows)).with_valid()
    assert len(set(samples.splits[:10])) == 1  # anna is in one split only
    assert 5 < samples.splits[10:].count("valid") < 40  # about one in twenty


def test_a_parquet_manifest_with_pictures_inside_and_vote_columns(tmp_path: Path) -> None:
    path = tmp_path / "m.parquet"
    counts = {name: [2 * (name == "fear"), 0] for name in EXPRESSION_NAMES}
    table = {"image": [png(3), png(4)], "au04": [True, None], "glasses": [True, False], "cropped": [True, True]}
    pl.DataFrame(table | counts | {"not_a_face": [0, 9]}).write_parquet(path)
    samples = read_samples(path)
    assert labels(samples) == ["fear", ""]
    assert samples.votes[1].tolist() == [0] * 9 + [9]
    assert samples.aus["au04"][0] == 1
    assert np.isnan(samples.aus["au04"][1])
    assert samples.subsets["glasses"].tolist() == [True, False]
    assert samples.cropped is True
    assert samples.names == ("row 1", "row 2")


@pytest.mark.parametrize(
    ("head", "row", "complaint"),
    [
        ("path,au12", "a.png,6", r"row 1: au12 is '6', must be 0 to 5 or empty"),
        ("path,au12", "a.png,-1", r"row 1: au12 is '-1'"),
        ("path,au12", "a.png,strong", r"row 1: au12 is 'strong'"),
        ("path,au12", "a.png,F", r"row 1: au12 is 'F', must be 0 to 5"),
        ("path,strict", "a.png,1", "subset strict has the name of the figure accuracy_strict; rename"),
        ("path,pspi", "a.png,C", r"row 1: pspi is 'C', must be 0 to 16"),
        ("path,pspi", "a.png,17", r"row 1: pspi is '17', must be 0 to 16"),
        ("path,expression", "a.png,bored", "row 1: expression is 'bored', must be one of neutral, happiness"),
        ("path,votes", "a.png,1 2 3", "row 1: votes are '1 2 3', must be ten whole numbers"),
        ("path,votes", "a.png,1 2 3 4 5 6 7 8 9 x", "must be ten whole numbers"),
        ("path,split", "a.png,holdout", "row 1: split is 'holdout', must be train, valid or test"),
        ("path,occlusion", "a.png,perhaps", "row 1: occlusion is 'perhaps', must be true or false"),
        ("path,au1,AU01", "a.png,1,1", "two columns are the same action unit"),
        ("path,expression", ",happiness", "row 1: path is empty"),
        ("file,expression", "a.png,happiness", "has neither a column path nor a column image"),
        ("image,expression", "a.png,happiness", "column image must contain encoded pictures"),
        ("path,Path", "a.png,b.png", "two columns have the same name"),
    ],
)
def test_a_wrong_cell_or_column_is_named(head: str, row: str, complaint: str, tmp_path: Path) -> None:
    path = write_csv(tmp_path / "m.csv", head, row)
    with pytest.raises(TrainingError, match=complaint) as raised:
        read_samples(path)
    assert "m.csv" in str(raised.value)
    assert "\n" not in str(raised.value)


@pytest.mark.parametrize("kind", sorted(KINDS))
def test_a_folder_or_file_of_something_else_is_refused_in_one_line(kind: str, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("nothing")
    for path, given in ((tmp_path, None), (tmp_path, kind), (tmp_path / "notes.txt", kind)):
        with pytest.raises(TrainingError) as raised:
            read_samples(path, given)
        assert str(tmp_path) in str(raised.value)
        assert "\n" not in str(raised.value)


def test_missing_empty_and_odd_files_are_named(tmp_path: Path) -> None:
    with pytest.raises(TrainingError, match="nowhere: no such file or folder"):
        read_samples(tmp_path / "nowhere")
    with pytest.raises(TrainingError, match="cannot be read as a table"):
        read_samples(write_csv(tmp_path / "no.parquet", "text"))
    with pytest.raises(TrainingError, match="has no rows"):
        read_samples(write_csv(tmp_path / "head.csv", "path,expression"))
    with pytest.raises(TrainingError, match="data set 'fer': not known; use one of ferplus"):
        read_samples(tmp_path, "fer")


def test_pictures_that_cannot_be_read_are_counted_named_and_left_out(
    tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    write_picture(tmp_path / "a.png", 1)
    (tmp_path / "b.png").write_bytes(png(2)[:40])
    write_picture(tmp_path / "d.png", 4)
    rows = ("a.png,happiness", "b.png,anger", "c.png,anger", "d.png,fear")
    samples = read_samples(write_csv(tmp_path / "m.csv", "path,expression", *rows))
    with caplog.at_level(logging.WARNING, "pmfer.datasets"):
        faces = load_faces(samples, 48)
    assert first(faces) == [1, 4]
    assert strict_label(faces.votes).tolist() == [EXPRESSION_NAMES.index("happiness"), EXPRESSION_NAMES.index("fear")]
    assert len(caplog.messages) == 1
    assert "2 of 4 pictures cannot be read: b.png, c.png" in caplog.messages[0]
    with pytest.raises(TrainingError, match="none of its 1 pictures can be read"):
        load_faces(samples.take(np.array([False, False, True, False])), 48)


def test_many_pictures_go_to_a_file_that_is_used_again(tmp_path: Path) -> None:
    for value in range(3):
        write_picture(tmp_path / f"{value}.png", value)
    rows = [f"{value}.png,anger" for value in range(3)] + ["missing.png,anger"]
    samples = read_samples(write_csv(tmp_path / "m.csv", "path,expression", *rows))
    folder = tmp_path / "run" / "faces"
    faces = load_faces(samples, 32, folder, memory_limit=0)
    assert isinstance(faces.images, np.memmap)
    assert faces.images.shape == (3, 32, 32)
    assert first(faces) == [0, 1, 2]
    for value in range(3):
        (tmp_path / f"{value}.png").unlink()
    again = load_faces(samples, 32, folder, memory_limit=0)
    assert first(again) == [0, 1, 2]
    with pytest.raises(TrainingError, match="name a folder"):
        load_faces(samples, 32, None, memory_limit=0)


def test_training_does_not_see_action_units_pain_or_subjects(tmp_path: Path) -> None:
    rows = []
    for value in range(60):
        write_picture(tmp_path / f"{value}.png", value)
        rows.append(f"{value}.png,{EXPRESSION_NAMES[value % 8]}")
    plain = write_csv(tmp_path / "plain.csv", "path,expression", *rows)
    more = [f"{row},{n % 6},{n % 17}" for n, row in enumerate(rows)]
    coded = write_csv(tmp_path / "coded.csv", "path,expression,au12,pspi", *more)
    for one, other in zip(read_training_faces(plain, 48), read_training_faces(coded, 48), strict=True):
        assert vars(one).keys() == {"images", "votes", "subsets", "names"}
        np.testing.assert_array_equal(one.images, other.images)
        np.testing.assert_array_equal(one.votes, other.votes)
        assert one.subsets == other.subsets == {}


def test_a_set_without_validation_split_gives_up_some_training_faces_and_no_test_faces(tmp_path: Path) -> None:
    rows = []
    for value in range(120):
        write_picture(tmp_path / f"{value}.png", value)
        rows.append(f"{value}.png,anger,{'test' if value >= 100 else 'train'},{value // 2}")
    path = write_csv(tmp_path / "m.csv", "path,expression,split,subject", *rows)
    train, valid = read_training_faces(path, 48)
    assert len(train) + len(valid) == 100
    assert 0 < len(valid) < 20
    assert not {value // 2 for value in first(train)} & {value // 2 for value in first(valid)}
    measured, test = read_measured_faces(path, 48)
    assert first(measured) == first(valid)
    assert test is not None
    assert first(test) == list(range(100, 120))


def test_pictures_are_read_upright_and_at_their_full_range() -> None:
    stream = io.BytesIO()
    wide = Image.fromarray(np.zeros((10, 20), np.uint8))
    exif = Image.Exif()
    exif[0x0112] = 6  # a quarter turn
    wide.save(stream, "JPEG", exif=exif)
    assert read_picture(PictureSource(stream.getvalue()), 1).shape == (20, 10)
    with pytest.raises(PictureError, match="is outside the picture"):
        read_picture(PictureSource(grey(0), (60, 60, 5, 5)), 1)


LEVELS = np.arange(256).reshape(8, 32)  # every grey value


@pytest.mark.parametrize(
    ("deep", "format"),
    [
        ((LEVELS * 257).astype(np.uint16), "PNG"),
        ((LEVELS * 257).astype(">u2"), "TIFF"),
        (np.rint(LEVELS / 255 * 0xFFF).astype(np.uint16), "PNG"),  # 12 bits
        (LEVELS.astype(np.uint16), "PNG"),  # 8 bits in 16
        ((LEVELS * 257).astype(np.int32), "TIFF"),
        ((LEVELS / 255).astype(np.float32), "TIFF"),
        (LEVELS.astype(np.float32), "TIFF"),
    ],
)
def test_a_picture_of_more_than_8_bits_keeps_its_full_range_and_its_turn(deep: np.ndarray, format: str) -> None:
    stream = io.BytesIO()
    exif = Image.Exif()
    exif[0x0112] = 6
    Image.fromarray(np.rot90(deep).copy()).save(stream, format, exif=exif)
    np.testing.assert_array_equal(read_picture(PictureSource(stream.getvalue()), 1), LEVELS)
    np.testing.assert_array_equal(read_picture(PictureSource(stream.getvalue()), 3)[..., 1], LEVELS)


def test_a_float_picture_without_a_value_somewhere_is_black_there() -> None:
    stream = io.BytesIO()
    Image.fromarray(np.array([[np.nan, np.inf], [1, -1]], np.float32)).save(stream, "TIFF")
    assert read_picture(PictureSource(stream.getvalue()), 1).tolist() == [[0, 0], [255, 0]]


def test_pixel_statistics_are_those_of_numpy() -> None:
    images = np.random.default_rng(0).integers(0, 256, (9, 8, 8), dtype=np.uint8)
    expected = (images / 255).mean(), (images / 255).std()
    assert pixel_statistics(images, chunk=4) == pytest.approx(expected)


def test_a_configuration_can_name_every_data_set() -> None:
    assert set(get_args(DataKind)) == set(KINDS)


def test_labels_follow_the_two_protocols() -> None:
    votes = np.array(
        [
            [6, 3, 1, 0, 0, 0, 0, 0, 0, 0],  # 6 of 9 without the single vote
            [4, 4, 2, 0, 0, 0, 0, 0, 0, 0],  # none above half
            [2, 0, 0, 0, 0, 0, 0, 0, 8, 0],  # unknown wins
        ],
        dtype=np.uint8,
    )
    assert strict_label(votes).tolist() == [0, -1, -1]
    assert argmax_label(votes).tolist() == [0, 0, -1]
    np.testing.assert_allclose(vote_distribution(votes)[0, :2], [6 / 9, 3 / 9])


PIXELS = " ".join(["7"] * 48 * 48)
OTHER_PIXELS = " ".join(["9"] * 48 * 48)
VOTE_HEAD = "Usage,Image name,neutral,happiness,surprise,sadness,anger,disgust,fear,contempt,unknown,NF"


def published(folder: Path, *rows: tuple[str, str, str, str]) -> Path:
    """The two files as published, from usage, name, pixels and votes of each row."""
    write_csv(folder / "fer2013.csv", "emotion,pixels,Usage", *(f"0,{pixels},{use}" for use, _, pixels, _ in rows))
    write_csv(folder / "fer2013new.csv", VOTE_HEAD, *(f"{use},{name},{votes}" for use, name, _, votes in rows))
    return folder


def test_ferplus_is_made_from_the_two_published_files(tmp_path: Path) -> None:
    counts = "6,3,1,0,0,0,0,0,0,0"
    folder = published(
        tmp_path,
        ("Training", "fer0000000.png", PIXELS, counts),
        ("Training", "", PIXELS, counts),  # FERPlus left it out
        ("Training", "fer0000002.png", OTHER_PIXELS, counts),
        ("Training", "fer0000002.png", PIXELS, counts),  # the name is used twice
        ("PublicTest", "fer0000004.png", PIXELS, counts),
        ("PrivateTest", "fer0000005.png", OTHER_PIXELS, "0,0,0,0,0,0,0,0,1,9"),
    )
    out = tmp_path / "made.parquet"
    made = make_ferplus(folder, None, out)
    assert made == MadeFerplus(3, {"train": 1, "valid": 1, "test": 1}, duplicates=1, dropped=2)
    samples = read_samples(out)
    assert samples.title == "FERPlus (made.parquet)"
    assert samples.names == ("fer0000000", "fer0000004", "fer0000005")
    assert samples.subsets["duplicate_of_train"].tolist() == [False, True, False]
    assert not samples.subsets["pose30"].any()
    assert [read_ferplus(out, split).images[0, 0, 0] for split in ("train", "valid", "test")] == [7, 7, 9]
    assert read_ferplus(out, "test").votes[0].tolist() == [0] * 8 + [1, 9]
    assert make_ferplus(folder / "fer2013.csv", folder / "fer2013new.csv", out) == made


def test_files_that_do_not_belong_together_make_no_ferplus(tmp_path: Path) -> None:
    folder = published(tmp_path, ("Training", "a.png", PIXELS, "6,3,1,0,0,0,0,0,0,0"))
    write_csv(folder / "fer2013.csv", "emotion,pixels,Usage", f"0,{PIXELS},PublicTest")
    with pytest.raises(TrainingError, match=r"fer2013\.csv: column Usage differs from fer2013new\.csv"):
        make_ferplus(folder, None, tmp_path / "made.parquet")
    with pytest.raises(TrainingError, match=r"gone/fer2013new\.csv: no such file"):
        make_ferplus(tmp_path / "gone" / "fer2013.csv", None, tmp_path / "made.parquet")
    assert not (tmp_path / "made.parquet").exists()
