"""`make preview`: renders every sample report again whenever a file of the reports is saved.

A tool for people who work on the reports. Each round runs in a new process, so that it uses what is on disk now.
"""

import argparse
import hashlib
import time
from datetime import datetime
from pathlib import Path

import pypdfium2
import watchfiles

from reports import Format, Printed
from reports.data import ReportReader
from reports.write import Order, write_files
from tools.report_samples import SAMPLES, sample_report, sample_ward, store_samples
from tools.sample_ward import SCORING, WINTER_TIME
from warehouse.connection import open_reader, open_writer

ROOT = Path(__file__).parents[1]
WATCHED = (ROOT / "reports", ROOT / "tools")
# Patterns of the files that the stored samples depend on
SAMPLE_SOURCES = ("tools/sample_ward.py", "tools/report_samples.py", "warehouse/*.py", "warehouse/migrations/*.sql")
PIXELS_PER_POINT = 1.5
PRINTED = Printed(datetime(2026, 3, 22, 6, 15, tzinfo=WINTER_TIME))
CONTACT = {"en": "nurse in charge, extension 4711", "de": "Stationsleitung, Telefon 4711"}


def main() -> None:
    """Read the command line and render once, or after every save until stopped."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder", type=Path, help="where PDFs and pictures are written")
    parser.add_argument("--once", action="store_true", help="render once and stop")
    parser.add_argument("--language", default="en", choices=sorted(CONTACT), help="of the reports; default: en")
    parser.add_argument("--page-size", default="A4", help="A4 or Letter; default: A4")
    parser.add_argument(
        "--only",
        metavar="SAMPLE",
        choices=[*(s.__name__ for s in SAMPLES.values()), "ward"],
        help="render only this sample; default: all",
    )
    options = parser.parse_args()
    if options.once:
        render_samples(options.folder, options.language, options.page_size, options.only)
        return
    print(f"watching {', '.join(path.name for path in WATCHED)}; stop with Ctrl-C")
    watchfiles.run_process(
        *WATCHED, target=render_samples, args=(options.folder, options.language, options.page_size, options.only)
    )


def render_samples(folder: Path, language: str, page_size: str, only: str | None) -> None:
    """Render all samples, or one, as PDF and as a picture of each page."""
    folder.mkdir(parents=True, exist_ok=True)
    started = time.monotonic()
    options = {"language": language, "page_size": page_size, "contact": CONTACT[language]}
    with open_reader(_warehouse(folder)) as connection:
        reader = ReportReader(connection, SCORING)
        for patient_id, sample in SAMPLES.items():
            if only in (None, sample.__name__):
                target = folder / f"{sample.__name__}.pdf"
                files = {Format.PDF: target, Format.HTML: target.with_suffix(".html")}
                order = Order(sample_report(reader, patient_id), files, options=options, printed=PRINTED)
                write_files(order)
                draw_pages(target)
        if only in (None, "ward"):
            files = {Format.PDF: folder / "ward.pdf", Format.HTML: folder / "ward.html"}
            write_files(Order(sample_ward(reader), files, options=options, printed=PRINTED))
            draw_pages(folder / "ward.pdf")
    print(f"{folder}/: rendered in {time.monotonic() - started:.1f} s")


def draw_pages(path: Path) -> list[Path]:
    """Draw each page of a PDF to a PNG file beside it."""
    pictures = []
    with pypdfium2.PdfDocument(path) as pdf:  # type: ignore[no-untyped-call]
        for number, page in enumerate(pdf, start=1):
            pictures.append(path.with_name(f"{path.stem}-{number}.png"))
            page.render(scale=PIXELS_PER_POINT).to_pil().save(pictures[-1], optimize=True)
    return pictures


def _warehouse(folder: Path) -> Path:
    """A warehouse that contains the samples; it is made again if their code or the schema has changed."""
    sources = [file for pattern in SAMPLE_SOURCES for file in sorted(ROOT.glob(pattern))]
    code = hashlib.sha256(b"".join(file.read_bytes() for file in sources)).hexdigest()
    path = folder / f"samples-{code[:12]}.duckdb"
    if not path.is_file():
        for old in folder.glob("samples-*"):
            old.unlink()
        draft = path.with_suffix(".draft")
        with open_writer(draft) as connection:
            store_samples(connection)
        draft.rename(path)
    return path


if __name__ == "__main__":
    main()
