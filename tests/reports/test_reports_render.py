"""Pages keep to their sheets, the same report gives the same bytes, and the HTML works on a screen."""

import hashlib
import os
import pickle
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import pikepdf
import pypdfium2
import pypdfium2.raw as pdfium_c
import pytest
import weasyprint
from report_files import Sample

from pmfer.errors import ReportError
from reports import render
from reports.pages import SECOND_PAGES, PatientFit, Rows, Sheets, WardFit, patient_html, ward_html
from reports.patient import PatientReport
from reports.render import AssetFetcher, fitted_pdf, patient_pdf, screen_html
from reports.ward import WardReport
from tools.report_samples import MARKUP

# In points on the sheet
SIDE_MARGIN = {"A4": 18 / 25.4 * 72, "Letter": 20.95 / 25.4 * 72}
FOOT_MARGIN = 4 / 25.4 * 72
HALF_A_LINE = 0.6  # allows for a border that ends at the margin
SMALLEST_TYPE = 8.5
POINTS_PER_PX = 72 / 96  # font sizes are stored in pixels and scaled by the page


def test_a_patient_has_two_sheets_at_most_and_a_ward_one(files: dict[str, Path], samples: dict[str, Sample]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            assert len(pdf.pages) <= (1 if name.startswith("ward") else 2), name
            width, height = {"A4": (595, 842), "Letter": (612, 792)}[samples[name].page_size]  # points
            assert all([round(float(edge)) for edge in sheet.mediabox[2:]] == [width, height] for sheet in pdf.pages)


def test_nobody_with_a_flag_is_only_counted_while_other_lists_can_shrink(samples: dict[str, Sample]) -> None:
    report = samples["ward_of_sixty"].report
    assert isinstance(report, WardReport)
    words = Page(ward_html(report, fit=WardFit(changed=1, letters=75))).words
    named = {word.strip(",.") for word in words}
    assert len(report.changed) > 15
    assert {row.patient_id for row in report.changed} <= named


def test_nothing_reaches_into_the_margins_and_no_type_is_small(
    files: dict[str, Path], samples: dict[str, Sample]
) -> None:
    for name, path in files.items():
        side = SIDE_MARGIN[samples[name].page_size] - HALF_A_LINE
        with pypdfium2.PdfDocument(path) as pdf:
            for number, sheet in enumerate(pdf):
                for printed in sheet.get_objects(max_depth=1):
                    left, bottom, right, _ = printed.get_bounds()
                    assert side <= left <= right <= sheet.get_width() - side, (name, number)
                    assert bottom >= FOOT_MARGIN, (name, number)
                text = sheet.get_textpage()
                letters = [at for at in range(text.count_chars()) if not pdfium_c.FPDFText_IsGenerated(text, at)]
                assert len(letters) > 300, (name, number)
                smallest = min(pdfium_c.FPDFText_GetFontSize(text, at) for at in letters)
                assert smallest * POINTS_PER_PX >= SMALLEST_TYPE - 0.01, (name, number)


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
    fit = PatientFit(full_charts=4, second_page=1)
    assert fit.smaller(Sheets(first_part=1, all=2)) is None
    assert fit.smaller(Sheets(first_part=2, all=3)) == PatientFit(3, 1)
    assert fit.smaller(Sheets(first_part=1, all=3)) == PatientFit(4, 2)
    assert PatientFit(0, 2).smaller(Sheets(2, 3)) == PatientFit(0, 2, tight=True)
    last = PatientFit(0, len(SECOND_PAGES) - 1, tight=True)
    assert last.rows == Rows(sessions=0, moments=1, quarantined=0)
    assert last.smaller(Sheets(2, 4)) is None
    assert WardFit(changed=3).smaller(Sheets(2, 2)) == WardFit(changed=2, letters=150)
    assert WardFit(changed=2, letters=150).smaller(Sheets(2, 2)) == WardFit(by_change=False)
    plain = WardFit(changed=3, letters=225, by_change=False)
    assert plain.smaller(Sheets(2, 2)) == WardFit(changed=2, letters=150, by_change=False)
    names = WardFit(changed=2, letters=150, by_change=False).smaller(Sheets(2, 2))
    assert names == WardFit(changed=1, letters=75, by_change=False)
    assert names.smaller(Sheets(2, 2)) == replace(names, flagged_letters=1200)
    assert replace(names, flagged_letters=75).smaller(Sheets(2, 2)) is None


def test_a_report_is_laid_out_with_less_until_it_fits() -> None:
    tried: list[WardFit] = []

    def page_of(fit: WardFit) -> str:
        tried.append(fit)
        rows = "<p style='height: 60mm'>row</p>" * fit.changed
        return f"<html lang='en'><head><title>t</title></head><body><h1>t</h1>{rows}</body></html>"

    fitted_pdf(page_of, WardFit(changed=6), "ward overview")
    assert [fit.changed for fit in tried] == [6, 5, 4, 3]


@pytest.mark.parametrize(
    "address", ["http://example.org/a.png", "file:///etc/passwd", "asset:../render.py", "asset:patient.html.j2"]
)
def test_only_the_reports_own_files_are_fetched(address: str) -> None:
    fetch: Callable[[str], object] = AssetFetcher().fetch
    with pytest.raises(weasyprint.urls.FatalURLFetchingError):
        fetch(address)


def test_drawings_print_as_if_they_stood_in_the_page(
    files: dict[str, Path], patients: dict[str, PatientReport], monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(render, "_drawings_apart", lambda page: (page, []))
    assert patient_pdf(patients["crowded"]) == files["crowded"].read_bytes()


def test_the_same_report_gives_the_same_bytes_in_another_process(
    files: dict[str, Path], patients: dict[str, PatientReport]
) -> None:
    again = patient_pdf(patients["crowded"])
    assert again == files["crowded"].read_bytes()
    script = "import pickle, sys; from reports.render import patient_pdf; " + (
        "sys.stdout.buffer.write(patient_pdf(pickle.loads(sys.stdin.buffer.read())))"
    )
    other = subprocess.run(
        [sys.executable, "-c", script],
        input=pickle.dumps(patients["crowded"]),
        env={**os.environ, "PYTHONHASHSEED": "123", "TZ": "Asia/Tokyo"},
        cwd=Path(render.__file__).parents[1],
        stdout=subprocess.PIPE,
        check=True,
    )
    assert hashlib.sha256(other.stdout).digest() == hashlib.sha256(again).digest()


def test_the_declared_date_is_the_day_of_the_report(files: dict[str, Path]) -> None:
    with pikepdf.open(files["crowded"]) as pdf:
        assert str(pdf.docinfo.CreationDate).startswith("D:20260321")


def test_a_page_size_that_is_not_known_is_an_error(patients: dict[str, PatientReport]) -> None:
    with pytest.raises(ReportError, match="page size A3: not known; choose one of A4, Letter"):
        patient_pdf(patients["stable"], page_size="A3")


class Page(HTMLParser):
    """The elements of a page with their attributes, and its text outside style sheets."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self._in_style = False
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self._in_style = tag == "style"
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        self._in_style = False

    def handle_data(self, data: str) -> None:
        if not self._in_style:
            self.words += data.split()


def test_it_says_what_the_print_says_and_refers_to_nothing_outside(
    patients: dict[str, PatientReport], ward: WardReport
) -> None:
    for printed in (*map(patient_html, patients.values()), ward_html(ward)):
        page = Page(screen_html(printed).decode())
        assert sorted(page.words) == sorted(Page(printed).words)
        for tag, attributes in page.elements:
            assert tag not in {"script", "link", "img", "iframe", "object", "embed"}
            assert not attributes.keys() & {"src", "href", "style"}
            assert not any(name.startswith("on") for name in attributes)
        styles = "".join(re.findall(r"<style>(.*?)</style>", screen_html(printed).decode(), re.DOTALL))
        assert "url(" not in styles
        assert "@page" in styles
        assert "@media screen" in styles


def test_the_footer_stands_at_the_end_of_the_file_for_a_browser(patients: dict[str, PatientReport]) -> None:
    printed = patient_html(patients["stable"])
    assert printed.index("<footer>") < printed.index("<h1")  # so that it is on the first sheet of the PDF too
    screen = screen_html(printed).decode()
    assert screen.count("<footer>") == 1
    assert screen.index("<footer>") > screen.index("About this report")


def test_a_policy_forbids_scripts_and_addresses(patients: dict[str, PatientReport]) -> None:
    page = Page(screen_html(patient_html(patients["hostile"])).decode())
    (policy,) = [at["content"] for tag, at in page.elements if at.get("http-equiv") == "Content-Security-Policy"]
    assert policy == "default-src 'none'; style-src 'unsafe-inline'; img-src data:"


@pytest.mark.parametrize("element", ['<img src="https://example.org/a.png">', "<script></script>"])
def test_a_page_that_refers_to_something_is_refused(element: str, patients: dict[str, PatientReport]) -> None:
    page = patient_html(patients["stable"]).replace("</body>", f"{element}</body>")
    with pytest.raises(ReportError, match="refers to another file"):
        screen_html(page)
