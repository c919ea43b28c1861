"""PDF/UA-1: what a screen reader finds in the files, walked with pikepdf, and a second opinion."""

import logging
from pathlib import Path

import page
import pikepdf
import pytest
from report_files import Sample, elements

from pmfer.errors import ReportError
from reports.patient import PatientReport
from reports.render import nothing_lost

HEADINGS = {"/H1": 1, "/H2": 2, "/H3": 3}


def test_an_independent_validator_accepts_every_file(files: dict[str, Path]) -> None:
    for name, path in files.items():
        found = page.validate_pdf(path, profile=page.ValidationProfile.PDF_UA_1)
        assert found.is_compliant, (name, [failure.message for failure in found.failures])


def test_every_file_says_its_language_its_title_and_that_it_is_tagged(
    files: dict[str, Path], samples: dict[str, Sample]
) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            assert str(pdf.Root.Lang) == samples[name].language, name
            assert bool(pdf.Root.MarkInfo.Marked)
            assert bool(pdf.Root.ViewerPreferences.DisplayDocTitle)
            title = "Facial activity report, " if samples[name].language == "en" else "Bericht zur Mimik, "
            assert str(pdf.docinfo.Title).startswith(title)
            assert pdf.open_metadata()["pdfuaid:part"] == "1"


def test_every_figure_says_in_words_what_it_shows_with_numbers(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            figures = [element for element in elements(pdf.Root.StructTreeRoot) if element.S == "/Figure"]
            texts = [str(figure.get("/Alt", "")) for figure in figures]
            assert all(text.strip() for text in texts), name
            assert figures, name
            faces = ("Drawing of a face", "Zeichnung eines Gesichts")
            assert all(any(c.isdigit() for c in text) for text in texts if not text.startswith(faces)), name


def test_every_cell_knows_its_headers_and_every_table_its_caption(
    files: dict[str, Path], samples: dict[str, Sample]
) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            found = list(elements(pdf.Root.StructTreeRoot))
            cells = [element for element in found if element.S == "/TD"]
            headers = {str(element.ID) for element in found if element.S == "/TH"}
            # The renderer turns the scope of a header cell into links from the cells below and beside it.
            assert all(len(cell.A.Headers) >= 2 and {str(key) for key in cell.A.Headers} <= headers for cell in cells)
            tables = sum(element.S == "/Table" for element in found)
            assert sum(element.S == "/Caption" for element in found) == tables, name


def test_headings_are_in_order_and_a_page_has_one_of_the_first_level(files: dict[str, Path]) -> None:
    for name, path in files.items():
        with pikepdf.open(path) as pdf:
            found = [str(element.S) for element in elements(pdf.Root.StructTreeRoot)]
            levels = [HEADINGS[kind] for kind in found if kind in HEADINGS]
            assert levels[0] == 1, name
            assert levels.count(1) == 1
            assert set(levels[1:]) == {2}


def test_a_screen_reader_hears_the_finding_before_the_charts_and_the_charts_before_the_small_print(
    samples: dict[str, Sample],
) -> None:
    """The renderer tags elements in source order, which is also their order on the sheet."""
    html = samples["pain_rising"].html
    order = ["Three ongoing changes", "More pain-related", "Please look in", "Seen in four recordings", "<svg"]
    order += ["Notes: what you found", "Where to look", "What was seen on the face", "Recordings of the day"]
    order += ["How well the face was seen", "About this report"]
    places = [html.index(text) for text in order]
    assert places == sorted(places)


@pytest.mark.parametrize(
    ("level", "message", "lost"),
    [
        (logging.WARNING, "Ignored `colour: red` at 1:2, unknown property.", False),
        (logging.WARNING, "Font-face 'Source Sans' cannot be loaded", True),
        (logging.ERROR, "Failed to load inline SVG: no element found", True),
        (logging.WARNING, ".notdef glyph rendered for Unicode string unsupported by fonts", True),
    ],
)
def test_what_the_renderer_leaves_out_stops_a_report(
    level: int, message: str, lost: bool, caplog: pytest.LogCaptureFixture
) -> None:
    def print_something() -> None:
        with nothing_lost("patient p01"):
            logging.getLogger("weasyprint").log(level, message)

    if lost:
        with pytest.raises(ReportError, match=r"report of patient p01: incomplete \("):
            print_something()
    else:
        print_something()
    caplog.clear()  # conftest.py fails on any warning of the renderer


def test_nobody_needs_colour_to_read_a_state(patients: dict[str, PatientReport], samples: dict[str, Sample]) -> None:
    """Each state has a word beside its symbol, and each shade a number beside it."""
    html = samples["pain_rising"].html
    assert html.count('class="state"') == len(patients["pain_rising"].trends)
    for word in ("higher, day", "lower, day", "as usual"):
        assert word in html
