"""An export has the rows of the warehouse, one folder a day, and is read by the tools that its README names."""

import base64
import hashlib
import json
from collections.abc import Callable
from datetime import date
from pathlib import Path

import pandas as pd
import polars as pl
import pytest
from test_warehouse_care_events import DOSE
from test_warehouse_findings import USUAL
from warehouse_places import SQLITE
from warehouse_samples import sample_session, store_sample

from pmfer.errors import WarehouseError
from warehouse.address import Address
from warehouse.care_events import store_care_events
from warehouse.connection import open_reader, open_writer
from warehouse.encryption import read_parquet
from warehouse.export import is_export, write_export
from warehouse.findings import accept_level, store_findings
from warehouse.publish import publish
from warehouse.records import AcceptedLevel

KEY = base64.b64encode(bytes(range(32))).decode()


@pytest.fixture(scope="module", params=["file", SQLITE, "postgres"])
def published(
    request: pytest.FixtureRequest,
    new_warehouse: Callable[[str, Path], Address],
    tmp_path_factory: pytest.TempPathFactory,
) -> Address:
    """Two patients on three days; a care event and a finding on the first, a level accepted then. Nobody changes it."""
    address = new_warehouse(request.param, tmp_path_factory.mktemp("ward") / "data")
    with open_writer(address) as writer:
        for day in (1, 2, 4):
            for patient in ("p01", "p02"):
                store_sample(writer, sample_session(f"{patient}-{day}", patient, day))
        store_care_events(writer, [DOSE], "events.csv")
        store_findings(writer, [USUAL])
        accept_level(writer, AcceptedLevel("p01", "sadness", date(2026, 6, 1), "new glasses"))
        publish(writer, address)
    return address


def test_it_has_every_row_by_day_and_says_so(published: Address, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with open_reader(published) as reader:
        export = write_export(reader, folder)
        frames = reader.execute("FROM frames ORDER BY patient_id, started_at, scoring_id, frame_index").pl()
        summaries = reader.execute("FROM session_summary ORDER BY patient_id, started_at").pl()
    days = {"frames": 240, "session_summary": 6, "care_events": 1, "findings": 1}
    assert export.rows == {**days, "bundles": 1, "accepted_levels": 1}
    assert export.days == (date(2026, 6, 1), date(2026, 6, 2), date(2026, 6, 4))
    assert sorted(path.name for path in (folder / "frames").iterdir()) == [f"date=2026-06-0{day}" for day in (1, 2, 4)]
    assert [path.name for path in (folder / "care_events").iterdir()] == ["date=2026-06-01"]
    exported = pl.read_parquet(folder / "frames")
    assert exported["date"].equals(exported["session_date"].alias("date"))
    order = ["patient_id", "started_at", "scoring_id", "frame_index"]
    assert exported.drop("date").sort(order).equals(frames)
    by_pandas = pd.read_parquet(folder / "session_summary").sort_values(["patient_id", "started_at"])
    assert by_pandas["happiness_share"].tolist() == summaries["happiness_share"].to_list()
    content = (folder / "manifest.json").read_bytes()
    assert hashlib.sha256(content).hexdigest() == export.manifest_sha256
    files = json.loads(content)["files"]
    assert {file["path"] for file in files} == {
        path.relative_to(folder).as_posix() for path in folder.rglob("*.parquet")
    }
    for file in files:
        assert hashlib.sha256((folder / file["path"]).read_bytes()).hexdigest() == file["sha256"]
    assert is_export(folder)
    assert "`session_summary`" in (folder / "data-dictionary.md").read_text(encoding="utf-8")


@pytest.mark.filterwarnings("ignore:The inplace keyword:DeprecationWarning")  # DuckDB's own use of pandas
@pytest.mark.parametrize("published", ["file"], indirect=True)
def test_what_its_readme_shows_runs(published: Address, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with open_reader(published) as reader:
        write_export(reader, tmp_path / "plain")
        write_export(reader, tmp_path / "encrypted", key=KEY)
    for name in ("plain", "encrypted"):
        monkeypatch.chdir(tmp_path / name)
        text = (tmp_path / name / "README.md").read_text(encoding="utf-8")
        names: dict[str, pl.DataFrame] = {}
        exec(text.split("```python\n")[1].split("```")[0].replace("'KEY'", f"'{KEY}'"), names)
        assert len(names["summaries"]) == 6


def test_only_the_days_asked_for_are_in_it_and_all_is_private(published: Address, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with open_reader(published) as reader:
        export = write_export(reader, folder, first=date(2026, 6, 2), last=date(2026, 6, 3))
    assert export.days == (date(2026, 6, 2),)
    days = {"frames": 80, "session_summary": 2, "care_events": 0, "findings": 0}
    assert export.rows == {**days, "bundles": 1, "accepted_levels": 1}
    assert not (folder / "care_events").exists()
    assert {path.stat().st_mode & 0o077 for path in (folder, *folder.rglob("*"))} == {0}


def test_with_a_key_nothing_can_be_read_without_it(published: Address, tmp_path: Path) -> None:
    folder = tmp_path / "export"
    with open_reader(published) as reader:
        write_export(reader, folder, key=KEY)
    files = list(folder.rglob("*.parquet"))
    assert len(files) == 10
    for path in files:
        assert b"p01" not in path.read_bytes()
        with pytest.raises(pl.exceptions.PolarsError):
            pl.read_parquet(path)
    day = folder / "session_summary" / "date=2026-06-01" / "data.parquet"
    assert read_parquet(day, KEY)["patient_id"].to_list() == ["p01", "p02"]
    with pytest.raises(WarehouseError):
        read_parquet(day, base64.b64encode(bytes(32)).decode())
