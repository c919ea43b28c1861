"""Fonts and foreign scripts: packaged fonts only, and every name is printed or marked where it cannot be."""

from pathlib import Path

import pikepdf
import pypdfium2
import pytest

from pmfer.errors import ReportError
from reports.fonts import FONT_FILES, drawable, require_letters
from reports.patient import PatientReport
from reports.render import patient_pdf

SCRIPTS = ("More", "Arabic", "Devanagari", "CJK")
FAMILIES = ("Source-Sans", "Source-Serif", *(f"{name}-Letters" for name in SCRIPTS))  # names in fonts.css


def test_fonts_are_the_packaged_ones_and_embedded(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            fonts = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and "/FontDescriptor" in item]
            assert fonts, name
            assert all(any(key in font.FontDescriptor for key in ("/FontFile2", "/FontFile3")) for font in fonts)
            used = {str(font.BaseFont).split("+")[1] for font in fonts}
            assert all(font.startswith(FAMILIES) for font in used), (name, used)


def test_a_missing_font_is_an_error_and_not_a_fallback(
    patients: dict[str, PatientReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(FONT_FILES, "SourceSansPro-Regular.ttf", ("font-source-sans-pro", "elsewhere"))
    with pytest.raises(ReportError, match=r"font SourceSansPro-Regular\.ttf: .* is missing"):
        patient_pdf(patients["stable"])
    monkeypatch.setitem(FONT_FILES, "SourceSansPro-Regular.ttf", ("no-such-package", "elsewhere"))
    with pytest.raises(ReportError, match="no-such-package is not installed"):
        patient_pdf(patients["stable"])


def test_a_name_in_letters_that_no_font_has_is_printed_by_their_numbers(patients: dict[str, PatientReport]) -> None:
    assert drawable("ሐna", keep_letters=True) == "[U+1210]na"
    for name, printed in (("王小明", "王小明"), ("ሐna 김철수", "[U+1210]na 김철수")):
        with pypdfium2.PdfDocument(patient_pdf(patients["stable"], name)) as pdf:
            assert f"p01, {printed}" in pdf[0].get_textpage().get_text_range()
            pdf.close()


def test_a_letter_without_a_font_is_in_no_message() -> None:
    with pytest.raises(ReportError) as caught:
        require_letters("of ሐna", "patient p01")
    assert str(caught.value) == "report of patient p01: 1 characters of it are in no font; report this as a bug"


def test_names_in_many_letters_can_be_printed() -> None:
    european = ("Zoë Ångström", "Nguyễn Thị Ánh", "Ελένη", "Юлия Їжак")
    for name in (*european, "فاطمة", "پرویز گل", "מרים", "王小明", "山田 さくら", "김철수", "प्रिया देवनागरी"):
        assert drawable(name, keep_letters=True) == name
        require_letters(name, "patient p01")


def test_what_is_no_letter_becomes_a_mark_and_a_line_stays_a_line() -> None:
    assert drawable("a\x07\x1b[31mb\u202ec\n d\te \U0001f48a\U0001f48a") == "a�[31mb�c d e �"
    assert drawable("ሐ") == "�"
