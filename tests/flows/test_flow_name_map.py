"""Names come from a file of the facility, are printed on the patient's report, and appear nowhere else."""

import base64
import io
import json
from dataclasses import replace
from pathlib import Path

import pikepdf
import polars as pl
import pytest
from privacy_folder import DAY, OTHER, PATIENT, PRINTING, access_to, copy_ward

from flows.data_folder import DataFolder
from flows.privacy.name_map import read_names, remove_name
from flows.report import render_by_hand
from pmfer.errors import ReportError

NAME = "Rosamunde Quixley"
HOSTILE = "Ödön {{ 7 * 7 }}<script src=file:///etc/passwd></script>"  # a template or a browser would execute it


@pytest.fixture
def names(tmp_path: Path) -> Path:
    path = tmp_path / "house" / "names.csv"
    path.parent.mkdir()
    path.write_text(f"patient_id,name,room\n{PATIENT},{NAME},12\nelm-02,{HOSTILE},13\n", encoding="utf-8")
    return path


def test_the_map_is_read_from_csv_and_parquet(names: Path) -> None:
    expected = {PATIENT: NAME, "elm-02": HOSTILE}
    assert read_names(names) == expected
    pl.read_csv(names).write_parquet(names.with_suffix(".parquet"))
    assert read_names(names.with_suffix(".parquet")) == expected
    assert read_names(None) == {}


@pytest.mark.parametrize("suffix", [".csv", ".parquet"])
def test_a_patient_is_taken_out_and_the_others_stay(names: Path, suffix: str) -> None:
    path = names.with_suffix(suffix)
    if suffix == ".parquet":
        pl.read_csv(names).write_parquet(path)
    path.chmod(0o640)
    assert remove_name(path, PATIENT)
    assert not remove_name(path, PATIENT)
    assert read_names(path) == {"elm-02": HOSTILE}
    assert path.stat().st_mode & 0o777 == 0o640
    assert NAME.encode() not in path.read_bytes()
    assert sorted(file.suffix for file in names.parent.iterdir()) == sorted({".csv", suffix})


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("patient,name\np01,x\n", "column patient_id is missing"),
        ("patient_id,name\np01,Rosa\np01,Rosa\n", "row 3, patient_id: p01 has a row already"),
        ("patient_id,name\np01,\n", "row 2, name"),
        ("patient_id,name\n,Rosa\n", "row 2, patient_id: empty"),
        ("patient_id,name\np01,Rosa,Rosa,Rosa\n", "neither CSV nor Parquet"),
        ("", "neither CSV nor Parquet"),
    ],
)
def test_a_wrong_map_is_named_without_a_name(tmp_path: Path, text: str, complaint: str) -> None:
    path = tmp_path / "names.csv"
    path.write_text(text)
    with pytest.raises(ReportError, match=rf"name map .*names\.csv.*{complaint}") as error:
        read_names(path)
    assert "Rosa" not in str(error.value)
    assert "\n" not in str(error.value)


def test_a_missing_map_is_named(tmp_path: Path) -> None:
    with pytest.raises(ReportError, match=r"nowhere\.csv: cannot be read"):
        read_names(tmp_path / "nowhere.csv")


def test_the_name_is_printed_for_people_as_it_is_and_is_in_no_other_file(
    names: Path, ward: DataFolder, tmp_path: Path
) -> None:
    data = copy_ward(ward, tmp_path / "data")
    assert headings(data.reports(DAY) / f"{PATIENT}.pdf")[0] == f"Patient {PATIENT}"
    render_by_hand(access_to(data), DAY, None, replace(PRINTING, name_map=names))
    assert headings(data.reports(DAY) / f"{PATIENT}.pdf")[0] == f"Patient {PATIENT}, {NAME}"
    assert headings(data.reports(DAY) / f"{OTHER}.pdf")[0] == f"Patient {OTHER}, {HOSTILE}"
    page = (data.reports(DAY) / f"{OTHER}.html").read_text(encoding="utf-8")
    assert "{{ 7 * 7 }}&lt;script src=" in page
    assert "<script" not in page
    printed = {data.reports(DAY) / f"{PATIENT}.{suffix}" for suffix in ("pdf", "html")}
    for path in data.root.rglob("*"):
        if path.is_file():
            held = any(NAME.encode(form) in path.read_bytes() for form in ("utf-8", "utf-16-le", "utf-16-be"))
            assert held <= (path in printed), path
    bundle = json.loads((data.reports(DAY) / "fhir" / f"{PATIENT}.json").read_text())
    (form,) = bundle["entry"][0]["resource"]["presentedForm"]
    assert headings(io.BytesIO(base64.b64decode(form["data"])))[0] == f"Patient {PATIENT}"


def headings(path: Path | io.BytesIO) -> list[str]:
    """The headings of a PDF, from its outline: the text of a page is drawn as glyphs and cannot be searched."""
    with pikepdf.open(path) as pdf, pdf.open_outline() as outline:
        return [str(item.title) for item in outline.root]
