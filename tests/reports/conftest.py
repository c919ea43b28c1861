import logging
from collections.abc import Iterator
from pathlib import Path

import duckdb
import pytest

from flows.report_samples import BUNDLE, OPTIONS_SHA256, SAMPLES, TODAY, store_samples
from reports.patient import PatientReport, build_patient_report
from reports.ward import WardReport, build_ward_report
from reports.words.language import Language, language
from warehouse.connection import open_reader, open_writer
from warehouse.queries import Provenance

SCORING = Provenance(BUNDLE.bundle_id, OPTIONS_SHA256)


@pytest.fixture(scope="session")
def stored(tmp_path_factory: pytest.TempPathFactory) -> Iterator[duckdb.DuckDBPyConnection]:
    """A warehouse with every sample in it, open for reading. Nobody changes it."""
    path = tmp_path_factory.mktemp("samples") / "warehouse.duckdb"
    with open_writer(path) as connection:
        store_samples(connection)
    with open_reader(path) as connection:
        yield connection


@pytest.fixture(scope="session")
def patients(stored: duckdb.DuckDBPyConnection) -> dict[str, PatientReport]:
    """The report of every sample patient, by the name of the sample."""
    return {
        sample.__name__: build_patient_report(stored, patient_id, TODAY, SCORING.bundle_id, SCORING.options_sha256)
        for patient_id, sample in SAMPLES.items()
    }


@pytest.fixture(scope="session")
def ward(stored: duckdb.DuckDBPyConnection) -> WardReport:
    """The ward overview of all samples."""
    return build_ward_report(stored, TODAY, SCORING.bundle_id, SCORING.options_sha256)


@pytest.fixture(scope="session")
def say() -> Language:
    """English."""
    return language("en")


@pytest.fixture
def writer(tmp_path: Path) -> Iterator[duckdb.DuckDBPyConnection]:
    """A fresh warehouse, open for writing."""
    with open_writer(tmp_path / "warehouse.duckdb") as connection:
        yield connection


@pytest.fixture(autouse=True)
def silent_renderer(caplog: pytest.LogCaptureFixture) -> Iterator[None]:
    """A warning of the renderer is a fault of the page: an unknown property, a missing font, an unreachable picture."""
    with caplog.at_level(logging.WARNING):
        yield
    messages = [f"{r.name}: {r.getMessage()}" for r in caplog.records if r.name.startswith(("weasyprint", "fontTools"))]
    assert not messages
