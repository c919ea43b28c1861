"""The files: real PDFs, looked into with pikepdf, and the laid-out boxes behind them."""

import hashlib
import os
import pickle
import stat
import subprocess
import sys
from collections.abc import Iterator
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import duckdb
import pikepdf
import pytest
import weasyprint
from weasyprint.urls import FatalURLFetchingError

from flows.report_samples import BUNDLE, OPTIONS_SHA256, TODAY, many_patients, many_sessions
from pmfer.errors import ReportError
from reports import render
from reports.fonts import FONT_FILES
from reports.material import read_patient, read_ward
from reports.patient import PatientReport, compare_patient
from reports.render import AssetFetcher, patient_html, render_patient, render_ward, ward_html
from reports.thresholds import DEFAULT_THRESHOLDS
from reports.ward import WardReport, compare_ward
from warehouse.queries import Provenance

SCORING = Provenance(BUNDLE.bundle_id, OPTIONS_SHA256)
GOLDEN = Path(__file__).parent / "golden"
MM = 96 / 25.4  # CSS pixels


@pytest.fixture(scope="module")
def reports(
    patients: dict[str, PatientReport], ward: WardReport, stored: duckdb.DuckDBPyConnection
) -> dict[str, PatientReport | WardReport]:
    """Everything that is rendered here, by name."""
    material = many_sessions(read_patient(stored, "p01", TODAY, SCORING), 60)
    crowd = many_patients(read_ward(stored, TODAY, DEFAULT_THRESHOLDS.trend_days, SCORING), 40)
    few = replace(crowd, patients=crowd.patients[1:6])
    made: dict[str, PatientReport | WardReport] = dict(patients)
    made["sixty_sessions"] = compare_patient(material, "p01", TODAY, DEFAULT_THRESHOLDS)
    made["ward"] = ward
    made["ward_of_five"] = compare_ward(few, TODAY, DEFAULT_THRESHOLDS)
    made["ward_of_forty"] = compare_ward(crowd, TODAY, DEFAULT_THRESHOLDS)
    return made


def html_of(report: PatientReport | WardReport) -> str:
    return patient_html(report) if isinstance(report, PatientReport) else ward_html(report)


@pytest.fixture(scope="module")
def files(reports: dict[str, PatientReport | WardReport], tmp_path_factory: pytest.TempPathFactory) -> dict[str, Path]:
    """Every report as a file."""
    folder = tmp_path_factory.mktemp("reports")
    for name, report in reports.items():
        if isinstance(report, PatientReport):
            render_patient(report, folder / f"{name}.pdf")
        else:
            render_ward(report, folder / f"{name}.pdf")
    return {name: folder / f"{name}.pdf" for name in reports}


def elements(node: pikepdf.Object) -> Iterator[pikepdf.Dictionary]:
    """All structure elements below `node`, in reading order."""
    kids = node.get("/K")
    for kid in kids if isinstance(kids, pikepdf.Array) else [kids]:
        if isinstance(kid, pikepdf.Dictionary) and "/S" in kid:
            yield kid
            yield from elements(kid)


def test_a_patient_has_at_most_two_pages_and_a_ward_one_until_it_is_large(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            most = {"ward_of_five": 1, "ward_of_forty": 3}.get(name, 2)
            assert len(pdf.pages) <= most, name
            assert all(round(float(page.mediabox[2])) == 595 for page in pdf.pages)  # A4 in points


def test_every_file_is_tagged_with_language_title_and_conformance(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            assert str(pdf.Root.Lang) == "en", name
            assert bool(pdf.Root.MarkInfo.Marked)
            assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
            assert str(pdf.docinfo.Title).startswith("Facial activity report, ")
            assert pdf.open_metadata()["pdfuaid:part"] == "1"


def test_every_figure_has_a_text_and_every_cell_its_headers(
    files: dict[str, Path], reports: dict[str, PatientReport | WardReport]
) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            found = list(elements(pdf.Root.StructTreeRoot))
            figures = [element for element in found if element.S == "/Figure"]
            cells = [element for element in found if element.S == "/TD"]
            headers = {str(element.ID) for element in found if element.S == "/TH"}
            assert all(str(figure.get("/Alt", "")).strip() for figure in figures), name
            # The renderer turns the scope of a header cell into links from the cells below and beside it.
            assert all(len(cell.A.Headers) >= 2 and {str(key) for key in cell.A.Headers} <= headers for cell in cells)
            assert figures, name
            captions = sum(element.S == "/Caption" for element in found)
            assert captions == html_of(reports[name]).count("<table"), name  # a table that goes on has one caption
            assert [element.S for element in found if element.S == "/H1"] == ["/H1"]


def test_fonts_are_the_packaged_ones_and_embedded(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            fonts = [item for item in pdf.objects if isinstance(item, pikepdf.Dictionary) and "/FontDescriptor" in item]
            assert fonts, name
            assert all(any(key in font.FontDescriptor for key in ("/FontFile2", "/FontFile3")) for font in fonts)
            assert all("+Source-S" in str(font.BaseFont) for font in fonts), name


def test_nothing_reaches_outside_the_page(reports: dict[str, PatientReport | WardReport]) -> None:
    """Every line of text and every picture ends before the margins do, however long a word is."""
    for name, report in reports.items():
        document = weasyprint.HTML(string=html_of(report), url_fetcher=AssetFetcher()).render()
        for number, page in enumerate(document.pages):
            for box in page._page_box.descendants():
                if type(box).__name__ in ("TextBox", "InlineReplacedBox", "BlockReplacedBox"):
                    right, bottom = box.position_x + box.width, box.position_y + box.height
                    assert box.position_x >= 18 * MM - 1, (name, number, box)
                    assert right <= 192 * MM + 1, (name, number, box)
                    assert bottom <= 297 * MM - 4 * MM, (name, number, box)


def test_markup_in_names_is_printed_and_not_obeyed(reports: dict[str, PatientReport | WardReport]) -> None:
    html = html_of(reports["hostile"])
    assert "<script" not in html
    assert "<img" not in html
    assert "&lt;scrip" in html


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


@pytest.mark.parametrize(
    "address", ["http://example.org/a.png", "file:///etc/passwd", "asset:../render.py", "asset:patient.html.j2"]
)
def test_only_the_reports_own_files_are_fetched(address: str) -> None:
    with pytest.raises(FatalURLFetchingError):
        AssetFetcher().fetch(address)


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


class VisibleText(HTMLParser):
    """The words of a page, a line per block: what a person reads, without the footer, whose versions change."""

    BLOCKS = frozenset({"p", "h1", "h2", "tr", "caption", "svg"})

    def __init__(self) -> None:
        super().__init__()
        self.lines: list[str] = [""]
        self.hidden = 0

    def handle_starttag(self, tag: str, attrs: object) -> None:
        self.hidden += tag in ("head", "style", "footer")
        if tag in self.BLOCKS:
            self.lines.append("")
        elif tag in ("td", "th"):
            self.lines[-1] += " | "

    def handle_endtag(self, tag: str) -> None:
        self.hidden -= tag in ("head", "style", "footer")

    def handle_data(self, data: str) -> None:
        if not self.hidden:
            self.lines[-1] += data

    def text(self) -> str:
        lines = [" ".join(line.split()).lstrip("| ") for line in self.lines]
        return "\n".join(line for line in lines if line) + "\n"


@pytest.mark.parametrize("name", ["pain_rising", "first_session", "ward"])
def test_the_words_of_the_samples_are_those_that_were_agreed(
    name: str, reports: dict[str, PatientReport | WardReport]
) -> None:
    """After a change that is meant: `UPDATE_GOLDEN=1 pytest tests/reports`, and read the diff."""
    reader = VisibleText()
    reader.feed(html_of(reports[name]))
    golden = GOLDEN / f"{name}.txt"
    if os.environ.get("UPDATE_GOLDEN"):
        golden.write_text(reader.text(), encoding="utf-8")
    assert reader.text() == golden.read_text(encoding="utf-8")
