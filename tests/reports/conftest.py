import logging
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import duckdb
import pytest
from made_once import found_once, made_once
from report_files import Sample
from warehouse_copies import copy_warehouse

from reports.data import ReportReader
from reports.measures import DEFAULT_THRESHOLDS
from reports.patient import PatientReport
from reports.ward import WardReport, compare_ward
from reports.words.language import Language, language
from tools.report_samples import (
    MARKUP,
    SAMPLES,
    compare_alone,
    filmed_during_care,
    many_patients,
    many_sessions,
    sample_report,
    sample_ward,
    store_samples,
)
from tools.sample_ward import SCORING, TODAY
from warehouse.address import FileAddress
from warehouse.connection import open_reader, open_writer


@pytest.fixture(scope="session")
def stored(empty_file: FileAddress, tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with every sample in it, open for reading; tests must not change it."""

    def make(folder: Path) -> None:
        copy_warehouse(empty_file, FileAddress(folder / "warehouse.duckdb", folder / "published.duckdb"))
        with open_writer(folder / "warehouse.duckdb") as connection:
            store_samples(connection)

    with open_reader(made_once(tmp_path_factory, "report-samples", make) / "warehouse.duckdb") as connection:
        yield connection


@pytest.fixture(scope="session")
def patients(stored: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> dict[str, PatientReport]:
    """The report of every sample patient, by the name of the sample."""
    reader = ReportReader(stored, SCORING)

    def find() -> dict[str, PatientReport]:
        return {sample.__name__: sample_report(reader, patient_id) for patient_id, sample in SAMPLES.items()}

    return found_once(tmp_path_factory, "report-patients", find)


@pytest.fixture(scope="session")
def ward(stored: duckdb.DuckDBPyConnection, tmp_path_factory: pytest.TempPathFactory) -> WardReport:
    """The ward overview of all samples."""
    return found_once(tmp_path_factory, "report-ward", lambda: sample_ward(ReportReader(stored, SCORING)))


@pytest.fixture(scope="session")
def say() -> Language:
    """English."""
    return language("en")


NAMES = {"arabic_name": "فاطمة الزهراء بنت محمد", "hebrew_name": "מרים כהן", "long_name": "Adelheid " * 6 + "Wolff"}


@pytest.fixture(scope="session")
def samples(
    patients: dict[str, PatientReport],
    ward: WardReport,
    stored: duckdb.DuckDBPyConnection,
    tmp_path_factory: pytest.TempPathFactory,
) -> dict[str, Sample]:
    """Every edge day and how it is printed, by name."""

    def find() -> dict[str, Sample]:
        days = DEFAULT_THRESHOLDS.trend_days
        reader = ReportReader(stored, SCORING)
        sessions = many_sessions(reader.patient("p01", TODAY, days), 60)
        crowd = many_patients(reader.house(TODAY, days), 60)
        few = replace(crowd, patients=crowd.patients[1:6])
        found = {name: Sample(report) for name, report in patients.items()}
        found |= {name: Sample(patients["stable"], who) for name, who in NAMES.items()}
        found["hostile"] = Sample(patients["hostile"], MARKUP + "\x07\u202e\U0001f3a5" + "W" * 200)
        calm = reader.patient("p01", TODAY, days)
        for name, situation in (("like_with_like", "during_care"), ("first_meal", "meal")):
            filmed = filmed_during_care(calm, situation)
            found[name] = Sample(compare_alone(filmed, "p01"))
            found[f"{name}_german"] = replace(found[name], language="de")
        found["sixty_sessions"] = Sample(compare_alone(sessions, "p01"))
        found["ward"] = Sample(ward)
        found["ward_named"] = Sample(replace(ward, thresholds=replace(ward.thresholds, alert_budget=1)))
        found["ward_of_five"] = Sample(compare_ward(few, TODAY, DEFAULT_THRESHOLDS))
        found["ward_of_sixty"] = Sample(compare_ward(crowd, TODAY, DEFAULT_THRESHOLDS))
        for name in ("everything_changed", "ward_of_sixty"):
            found[f"{name}_german"] = replace(found[name], language="de")
            found[f"{name}_letter"] = replace(found[name], page_size="Letter")
        return found

    return found_once(tmp_path_factory, "report-printed", find)


# One for each part that a page can have and each language, script and paper size. Not more: a PDF takes seconds.
USUAL_FILES = [
    *("pain_rising", "first_session", "all_set_aside", "new_model", "crowded", "coming_back", "arabic_name"),
    *("hebrew_name", "long_name", "sixty_sessions", "hostile", "like_with_like_german", "ward", "ward_named"),
    "ward_of_sixty_letter",
]


@pytest.fixture(scope="session", params=["usual", pytest.param("all", marks=pytest.mark.slow)])
def files(
    request: pytest.FixtureRequest, samples: dict[str, Sample], tmp_path_factory: pytest.TempPathFactory
) -> dict[str, Path]:
    """Samples as PDFs; tests must not change them."""
    names = list(samples) if request.param == "all" else USUAL_FILES

    def make(folder: Path) -> None:
        for name in names:
            samples[name].render(folder / f"{name}.pdf")

    folder = made_once(tmp_path_factory, f"report-files-{request.param}", make)
    return {name: folder / f"{name}.pdf" for name in names}


@pytest.fixture
def writer(empty_file: FileAddress, tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A fresh warehouse, open for writing."""
    copy_warehouse(empty_file, FileAddress(tmp_path / "warehouse.duckdb", tmp_path / "published.duckdb"))
    with open_writer(tmp_path / "warehouse.duckdb") as connection:
        yield connection


@pytest.fixture(autouse=True)
def silent_renderer(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """Fail on a renderer warning, which means a mistake in the page: an unknown property, a missing font or image."""
    with caplog.at_level(logging.WARNING):
        yield
    messages = [f"{r.name}: {r.getMessage()}" for r in caplog.records if r.name.startswith(("weasyprint", "fontTools"))]
    assert not messages
