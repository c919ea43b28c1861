"""What every sample says and looks like, compared with golden files.

After an intended change, run `UPDATE_GOLDEN=1 pytest tests/reports/test_reports_golden.py`, read the diff of the texts,
and look at the pictures.
"""

import os
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pypdfium2
import pytest
from PIL import Image, ImageFilter
from report_files import Sample

GOLDEN = Path(__file__).parent / "golden"
TEXTS = [
    *("stable", "pain_rising", "flattening", "first_session", "first_day", "all_set_aside", "week_away", "crowded"),
    *("everything_changed", "new_model", "hostile", "sixty_sessions", "arabic_name", "long_name"),
    *("coming_back", "new_level", "carried_over", "cut_short", "little_seen", "livelier"),
    *("like_with_like", "like_with_like_german", "first_meal", "first_meal_german"),
    *("ward", "ward_of_sixty", "everything_changed_german", "ward_of_sixty_german"),
]
PICTURES = ["pain_rising", "all_set_aside", "hostile", "ward", "like_with_like_german"]
SCALE = 0.6  # pixels of a picture per point of the page
BLUR = 2  # pixels; edges of letters differ between versions of the rasteriser
LARGEST = 40  # of 255; a blurred pixel that differs by no more counts as equal


class VisibleText(HTMLParser):
    """The text of a page, one line per block, without the footer, because its versions change."""

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


def agreed(path: Path, made: bytes) -> bytes:
    """The content of a golden file, replaced by what was made if goldens are being updated."""
    if os.environ.get("UPDATE_GOLDEN"):
        path.write_bytes(made)
    return path.read_bytes()


@pytest.mark.parametrize("name", TEXTS)
def test_the_words_of_the_samples_are_those_that_were_agreed(name: str, samples: dict[str, Sample]) -> None:
    reader = VisibleText()
    reader.feed(samples[name].html)
    made = reader.text()
    assert made == agreed(GOLDEN / f"{name}.txt", made.encode()).decode()


@pytest.mark.parametrize("name", PICTURES)
def test_the_pages_of_the_samples_look_as_they_were_agreed(name: str, files: dict[str, Path]) -> None:
    with pypdfium2.PdfDocument(files[name]) as pdf:
        for number, page in enumerate(pdf, start=1):
            picture = page.render(scale=SCALE, grayscale=True).to_pil()
            golden = GOLDEN / f"{name}-{number}.png"
            if os.environ.get("UPDATE_GOLDEN"):
                picture.save(golden, optimize=True)
            assert largest_difference(picture, Image.open(golden)) < LARGEST, golden.name


def largest_difference(one: Image.Image, other: Image.Image) -> int:
    """The largest difference between two grey pictures after a blur, 0..255; 255 if their sizes differ."""
    if one.size != other.size:
        return 255
    blurred = [
        np.asarray(picture.convert("L").filter(ImageFilter.GaussianBlur(BLUR)), dtype=np.int16)
        for picture in (one, other)
    ]
    return int(np.abs(blurred[0] - blurred[1]).max())


def test_a_chart_that_is_gone_is_seen(files: dict[str, Path]) -> None:
    """The tolerance still notices a diamond that is painted over."""
    with pypdfium2.PdfDocument(files["pain_rising"]) as pdf:
        picture = pdf[0].render(scale=SCALE, grayscale=True).to_pil()
    spoilt = picture.copy()
    spoilt.paste(255, (235, 212, 275, 232))
    assert largest_difference(picture, spoilt) >= LARGEST
