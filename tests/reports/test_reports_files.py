"""The files: the same bytes for the same report, the packaged fonts, whole or not at all."""

import hashlib
import os
import pickle
import stat
import subprocess
import sys
from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from pmfer.errors import ReportError
from reports import render
from reports.fonts import FONT_FILES, printable, require_letters
from reports.patient import PatientReport
from reports.render import render_patient

SCRIPTS = ("More", "Arabic", "Devanagari", "CJK")
FAMILIES = ("Source-Sans", "Source-Serif", *(f"{name}-Letters" for name in SCRIPTS))  # as fonts.css names them


def test_fonts_are_the_packaged_ones_and_embedded(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            fonts = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and "/FontDescriptor" in item]
            assert fonts, name
            assert all(any(key in font.FontDescriptor for key in ("/FontFile2", "/FontFile3")) for font in fonts)
            used = {str(font.BaseFont).split("+")[1] for font in fonts}
            assert all(font.startswith(FAMILIES) for font in used), (name, used)


def test_the_same_report_gives_the_same_bytes_in_another_process(
    files: dict[str, Path], patients: dict[str, PatientReport], tmp_path: Path
) -> None:
    again = tmp_path / "again.pdf"
    render_patient(patients["pain_rising"], again)
    assert again.read_bytes() == files["pain_rising"].read_bytes()
    script = "import pickle, sys; from pathlib import Path; from reports.render import render_patient; " + (
        "render_patient(pickle.loads(sys.stdin.buffer.read()), Path(sys.argv[1]))"
    )
    other = tmp_path / "other.pdf"
    subprocess.run(
        [sys.executable, "-c", script, str(other)],
        input=pickle.dumps(patients["pain_rising"]),
        env={**os.environ, "PYTHONHASHSEED": "123", "TZ": "Asia/Tokyo"},
        cwd=Path(render.__file__).parents[1],
        check=True,
    )
    assert hashlib.sha256(other.read_bytes()).digest() == hashlib.sha256(again.read_bytes()).digest()


def test_the_declared_date_is_the_day_of_the_report(files: dict[str, Path]) -> None:
    with pikepdf.open(files["stable"]) as pdf:
        assert str(pdf.docinfo.CreationDate).startswith("D:20260321")


def test_a_file_is_private_and_leaves_no_draft(files: dict[str, Path]) -> None:
    for path in files.values():
        assert stat.S_IMODE(path.stat().st_mode) == 0o600
    assert {path.suffix for path in files["stable"].parent.iterdir()} == {".pdf"}


def test_a_failed_write_keeps_the_old_report(
    patients: dict[str, PatientReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "p01.pdf"
    target.write_bytes(b"yesterday's")

    def refuse(self: Path, other: Path) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(Path, "replace", refuse)
    with pytest.raises(ReportError, match=r"p01\.pdf: cannot be written \(No space left on device\)"):
        render_patient(patients["first_session"], target)
    assert [path.name for path in tmp_path.iterdir()] == ["p01.pdf"]
    assert target.read_bytes() == b"yesterday's"


def test_a_missing_font_is_an_error_and_not_a_fallback(
    patients: dict[str, PatientReport], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FONT_FILES, "SourceSansPro-Regular.ttf", ("font-source-sans-pro", "elsewhere"))
    with pytest.raises(ReportError, match=r"font SourceSansPro-Regular\.ttf: .* is missing"):
        render_patient(patients["stable"], tmp_path / "p01.pdf")
    monkeypatch.setitem(FONT_FILES, "SourceSansPro-Regular.ttf", ("no-such-package", "elsewhere"))
    with pytest.raises(ReportError, match="no-such-package is not installed"):
        render_patient(patients["stable"], tmp_path / "p01.pdf")
    assert not list(tmp_path.iterdir())


def test_a_name_in_letters_that_no_font_has_is_printed_by_their_numbers(
    patients: dict[str, PatientReport], tmp_path: Path
) -> None:
    assert printable("ሐna", keep_letters=True) == "[U+1210]na"
    for name, printed in (("王小明", "王小明"), ("ሐna 김철수", "[U+1210]na 김철수")):
        render_patient(patients["stable"], tmp_path / "p01.pdf", name)
        with pypdfium2.PdfDocument(tmp_path / "p01.pdf") as pdf:
            assert f"p01, {printed}" in pdf[0].get_textpage().get_text_range()
            pdf.close()


def test_a_letter_without_a_font_is_in_no_message() -> None:
    with pytest.raises(ReportError) as caught:
        require_letters("of ሐna", "patient p01")
    assert str(caught.value) == "report of patient p01: 1 characters of it are in no font; report this as a bug"


def test_names_in_many_letters_can_be_printed() -> None:
    european = ("Zoë Ångström", "Nguyễn Thị Ánh", "Ελένη", "Юлия Їжак")
    for name in (*european, "فاطمة", "پرویز گل", "מרים", "王小明", "山田 さくら", "김철수", "प्रिया देवनागरी"):
        assert printable(name, keep_letters=True) == name
        require_letters(name, "patient p01")


def test_what_is_no_letter_becomes_a_mark_and_a_line_stays_a_line() -> None:
    assert printable("a\x07\x1b[31mb\u202ec\n d\te \U0001f48a\U0001f48a") == "a�[31mb�c d e �"
    assert printable("ሐ") == "�"


def test_a_page_size_that_is_not_known_is_an_error(patients: dict[str, PatientReport], tmp_path: Path) -> None:
    with pytest.raises(ReportError, match="page size A3: not known; choose one of A4, Letter"):
        render_patient(patients["stable"], tmp_path / "p01.pdf", page_size="A3")
