"""The laid-out pages: edge days keep to their sheets, nothing reaches into a margin, hostile words do nothing."""

from collections.abc import Callable
from pathlib import Path

import pikepdf
import pytest
import weasyprint
from report_files import Sample

from reports.pdf import AssetFetcher, fitted_pdf
from reports.room import PatientRoom, Rows, Sheets, WardRoom
from tools.report_samples import MARKUP

MM = 96 / 25.4  # CSS pixels
SMALLEST_TYPE = 8.5 * 96 / 72


def test_a_patient_has_two_sheets_at_most_and_a_ward_one(files: dict[str, Path], samples: dict[str, Sample]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            assert len(pdf.pages) <= (1 if name.startswith("ward") else 2), name
            width, height = {"A4": (595, 842), "Letter": (612, 792)}[samples[name].page_size]  # points
            assert all([round(float(edge)) for edge in sheet.mediabox[2:]] == [width, height] for sheet in pdf.pages)


def laid_out(sample: Sample, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> weasyprint.Document:
    """The boxes of a report as it is printed."""
    kept: list[weasyprint.Document] = []
    write = weasyprint.Document.write_pdf

    def write_and_keep(document: weasyprint.Document, **options: object) -> bytes:
        kept.append(document)
        return bytes(write(document, **options))

    monkeypatch.setattr(weasyprint.Document, "write_pdf", write_and_keep)
    sample.render(tmp_path / "report.pdf")
    return kept[-1]


@pytest.mark.parametrize(
    "name",
    [
        *("hostile", "everything_changed_german", "everything_changed_letter", "long_name", "sixty_sessions"),
        *("new_model", "ward", "ward_of_sixty_german"),
    ],
)
def test_nothing_reaches_into_the_margins_and_no_type_is_small(
    name: str, samples: dict[str, Sample], monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    for number, sheet in enumerate(laid_out(samples[name], monkeypatch, tmp_path).pages):
        page = sheet._page_box
        left, right = page.margin_left, page.margin_left + page.width
        for box in page.descendants():
            if type(box).__name__ in ("TextBox", "InlineReplacedBox", "BlockReplacedBox"):
                assert box.position_x >= left - 1, (number, box)
                assert box.position_x + box.width <= right + 1, (number, box)
                assert box.position_y + box.height <= sheet.height - 4 * MM, (number, box)
            if type(box).__name__ == "TextBox":
                assert box.style["font_size"] >= SMALLEST_TYPE - 0.01, (number, box)


def test_markup_in_names_notes_and_files_is_printed_and_not_obeyed(samples: dict[str, Sample]) -> None:
    html = samples["hostile"].html
    for forbidden in ("<script", "<img", "\x07", "\x1b", "\u202e", "\U0001f3a5", "\U0001f48a"):
        assert forbidden not in html
    assert "&lt;script&gt;alert(1)&lt;/script&gt;" in html
    assert "{{ 7 * 7 }}" in html
    assert MARKUP not in html


def test_words_from_right_to_left_are_set_apart(samples: dict[str, Sample]) -> None:
    sample = samples["arabic_name"]
    assert f"\u2068{sample.name}\u2069" in sample.html


def test_what_gives_way_is_what_overflows() -> None:
    room = PatientRoom(full_charts=4, second_page=1)
    assert room.smaller(Sheets(first_part=1, all=2)) is None
    assert room.smaller(Sheets(first_part=2, all=3)) == PatientRoom(3, 1)
    assert room.smaller(Sheets(first_part=1, all=3)) == PatientRoom(4, 2)
    assert PatientRoom(0, 5).rows == Rows(sessions=0, flags=1, set_aside=0)
    assert PatientRoom(0, 5).smaller(Sheets(2, 4)) is None
    assert WardRoom(changed=3).smaller(Sheets(2, 2)) == WardRoom(changed=2, letters=150)
    assert WardRoom(changed=1).smaller(Sheets(2, 2)) is None


def test_a_report_is_laid_out_with_less_until_it_fits() -> None:
    tried: list[WardRoom] = []

    def page_of(room: WardRoom) -> str:
        tried.append(room)
        rows = "<p style='height: 60mm'>row</p>" * room.changed
        return f"<html lang='en'><head><title>t</title></head><body><h1>t</h1>{rows}</body></html>"

    fitted_pdf(page_of, WardRoom(changed=6), "ward overview")
    assert [room.changed for room in tried] == [6, 5, 4, 3]


@pytest.mark.parametrize(
    "address", ["http://example.org/a.png", "file:///etc/passwd", "asset:../render.py", "asset:patient.html.j2"]
)
def test_only_the_reports_own_files_are_fetched(address: str) -> None:
    fetch: Callable[[str], object] = AssetFetcher().fetch
    with pytest.raises(weasyprint.urls.FatalURLFetchingError):
        fetch(address)
